/* Files as they lie in a file system, and their names.
 *
 * A *node* is a file: its contents and attributes. A *name* is an entry of a directory in memory,
 * in a tree from the root; a directory has one name, another file as many as links. A *mount* puts
 * the root name of a file system over a name. A *path* is where one has arrived: mount and name.
 *
 * Both are counted. The tree of names has one lock for changes (`names`, linux/lock.h); look-ups go
 * name by name under the directory's node lock.
 */
#pragma once

#include <base/list.h>
#include <linux/copy.h>
#include <linux/lock.h>
#include <linux/wait.h>

struct memory;
struct file;
struct mount;
struct node;
struct cred;

struct timestamp {
    int64_t seconds; /* since 1970 */
    uint32_t nanoseconds;
};

struct node_attributes {
    uint32_t mode; /* type and permissions */
    uint32_t uid, gid;
    uint32_t links;
    uint64_t size_bytes;
    uint64_t blocks_512;
    uint64_t device; /* of a device node: makedev */
    struct timestamp accessed, modified, changed;
};

/* What node_set_attributes changes. */
enum {
    SET_MODE = 1,
    SET_OWNER = 2,
    SET_GROUP = 4,
    SET_SIZE = 8,
    SET_ACCESSED = 16,
    SET_MODIFIED = 32,
};

/* One entry that readdir gives; false: no room, stop. */
struct directory_sink {
    bool (*entry)(struct directory_sink *sink, const char *name, size_t length, uint64_t inode,
                  uint32_t type, uint64_t next);
};

struct node_ops {
    /* Directories. `name` is one part, not ended by 0. Called with the node's lock. */
    int (*lookup)(struct node *directory, const char *name, size_t length, struct node **node_out);
    int (*create)(struct node *directory, const char *name, size_t length,
                  const struct node_attributes *attributes, struct node **node_out);
    int (*symlink)(struct node *directory, const char *name, size_t length, const char *target,
                   struct node **node_out);
    int (*link)(struct node *directory, const char *name, size_t length, struct node *node);
    int (*unlink)(struct node *directory, const char *name, size_t length, struct node *node);
    int (*rename)(struct node *from, const char *name, size_t length, struct node *to,
                  const char *new_name, size_t new_length, uint32_t flags);
    /* From position *position on; it says where to go on. */
    int (*readdir)(struct node *directory, uint64_t *position, struct directory_sink *sink);

    int (*attributes)(struct node *node, struct node_attributes *attributes_out);
    int (*set_attributes)(struct node *node, const struct node_attributes *attributes,
                          unsigned which);
    /* The text of a link, without its end; its length. */
    int64_t (*readlink)(struct node *node, char *to, size_t size_bytes);
    /* Regular files. */
    int64_t (*read)(struct node *node, struct io *io, uint64_t offset);
    int64_t (*write)(struct node *node, struct io *io, uint64_t offset);
    /* Where the contents from `offset` (whole pages) lie: a Memory, the offset in it, and for how
     * many bytes in a row. `write`: for a shared mapping that may be written, so pages are made
     * where there are none. The Memory is counted for the caller. -ENODEV: cannot be mapped. Pages
     * beyond the end of the file are not given (0 bytes). */
    int (*pages)(struct node *node, uint64_t offset, bool write, struct memory **memory_out,
                 uint64_t *offset_out, uint64_t *bytes_out);
    /* A file that is more than bytes gives the open file its own operations. */
    int (*open)(struct node *node, struct file *file);
    int64_t (*get_xattr)(struct node *node, const char *name, void *to, size_t size_bytes);
    int (*set_xattr)(struct node *node, const char *name, const void *from, size_t size_bytes,
                     int flags);
    int64_t (*list_xattr)(struct node *node, char *to, size_t size_bytes);
    int (*remove_xattr)(struct node *node, const char *name);
    /* The last reference is gone. */
    void (*free)(struct node *node);
};

struct file_system;

struct node {
    uint32_t references; /* atomic */
    struct rt_lock lock;
    const struct node_ops *ops;
    struct file_system *file_system;
    uint64_t inode;
    uint32_t type; /* S_IF bits; constant */
    /* Areas that map it shared, so that truncation takes the pages away (mm/). */
    struct list mappings;
    /* Locks by flock and fcntl, and who waits for them. */
    struct list locks;
    struct wait_queue lock_queue;
};

struct path {
    struct mount *mount;
    struct name *name;
};

enum lookup_flags {
    LOOKUP_FOLLOW = 1,    /* a link at the end */
    LOOKUP_DIRECTORY = 2, /* -ENOTDIR otherwise */
    LOOKUP_EMPTY = 4,     /* "" is the descriptor itself */
    LOOKUP_PARENT = 8,    /* up to the last part, which is given back */
    LOOKUP_NO_LINKS = 16, /* -ELOOP at any */
    LOOKUP_REAL_IDS = 32, /* access() */
};

struct node *node_get(struct node *node);
void node_put(struct node *node);
struct path path_get(const struct path *path);
void path_put(struct path *path);
struct node *path_node(const struct path *path);
/* From a descriptor (AT_FDCWD or one of the caller's) and a name in our memory. With LOOKUP_PARENT
 * `last_out` (NAME_MAX + 1 bytes) is the last part. */
int path_find(int directory, const char *name, unsigned flags, struct path *path_out,
              char *last_out);
int path_find_user(int directory, uaddr_t name, unsigned flags, struct path *path_out);
/* As seen from the caller's root; " (deleted)" behind what has no name any more. Its length, or
 * -ENAMETOOLONG. */
int64_t path_text(const struct path *path, char *to, size_t size_bytes);
/* MAY_READ 4, MAY_WRITE 2, MAY_EXECUTE 1 by the caller's credentials. */
int node_permission(struct node *node, unsigned wanted);
int node_attributes(struct node *node, struct node_attributes *attributes_out);
/* Whole pages of contents into our memory, for exec: as pread. */
int64_t node_read(struct node *node, void *to, uint64_t size_bytes, uint64_t offset);

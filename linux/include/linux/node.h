/* Files as they lie in a file system, and the ways to them.
 *
 * A *node* is a file: its contents and attributes. A *name* is an entry of a directory, in memory
 * (linux/names.h); a directory has one name, another file as many as links. A *mount* puts the root
 * name of a file system over a name. A *path* is where one has arrived: mount and name.
 *
 * All are counted. A directory's entries are under its node's lock; renames and mounts also have
 * the lock `names`, which is what ".." and the text of a path need.
 */
#pragma once

#include <base/list.h>
#include <base/tree.h>
#include <linux/abi/fcntl.h>
#include <linux/copy.h>
#include <linux/lock.h>
#include <linux/wait.h>

struct memory;
struct file;
struct mount;
struct name;
struct node;
struct path;
struct cred;

struct timestamp {
    int64_t seconds; /* since 1970 */
    uint32_t nanoseconds;
};
struct timestamp timestamp_now(void);

struct node_attributes {
    uint32_t mode; /* type and permissions */
    uint32_t uid, gid;
    uint32_t links;
    uint64_t size_bytes;
    uint64_t blocks_512;
    uint64_t device; /* of a device node: device_number */
    struct timestamp accessed, modified, changed, created;
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

/* One entry that readdir gives; false: no room, stop. `next` is the position behind it. */
struct directory_sink {
    bool (*entry)(struct directory_sink *sink, const char *name, size_t length, uint64_t inode,
                  uint32_t type, uint64_t next);
};

#define NODE_APPEND UINT64_MAX /* the position that a write takes as the end of the file */

/* Those that are NULL do not exist there: the calls say what that means. */
struct node_ops {
    /* Directories, called with the node's lock. */
    /* The node of an entry that has no name yet; -ENOENT. */
    int (*lookup)(struct node *directory, const char *name, size_t length, struct node **node_out);
    /* Make names for every entry that has none. NULL: there are none. */
    int (*complete)(struct name *directory);
    /* A new node of that type, owner and mode; `target` is a link's text. */
    int (*create)(struct node *directory, const struct node_attributes *attributes,
                  const char *target, struct node **node_out);
    /* Entries that have no names in memory: from position *position on. NULL: the names. */
    int (*readdir)(struct node *directory, uint64_t *position, struct directory_sink *sink);
    /* With no lock: is this node still what its name in `directory` leads to? NULL: always. */
    bool (*valid)(struct node *node);

    /* Fresh attributes; NULL: those in the node. Without the lock. */
    int (*attributes)(struct node *node, struct node_attributes *attributes_out);
    /* Checked by the caller. NULL: -EPERM. Without the lock. */
    int (*set_attributes)(struct node *node, const struct node_attributes *attributes,
                          unsigned which);
    /* The text of a link, without an end; its length. */
    int64_t (*readlink)(struct node *node, char *to, size_t size_bytes);
    /* A link that leads to a place by itself, not by its text. */
    int (*follow)(struct node *node, struct path *path_out);
    /* Regular files. */
    int64_t (*read)(struct node *node, struct io *io, uint64_t offset);
    /* *offset may be NODE_APPEND; it is left behind what was written. */
    int64_t (*write)(struct node *node, struct io *io, uint64_t *offset);
    /* Where the contents from `offset` (whole pages) lie: a Memory, the offset in it, and for how
     * many bytes in a row. `write`: for a shared mapping that may be written, now or by a later
     * mprotect, so pages are made where there are none. The Memory is counted for the caller.
     * -ENODEV: cannot be mapped. Pages beyond the end of the file are not given (0 bytes). */
    int (*pages)(struct node *node, uint64_t offset, bool write, struct memory **memory_out,
                 uint64_t *offset_out, uint64_t *bytes_out);
    /* FALLOC_FL_ bits. */
    int (*allocate)(struct node *node, uint32_t mode, uint64_t offset, uint64_t size_bytes);
    /* The next data or hole at or behind the offset; -ENXIO. NULL: all is data. */
    int64_t (*seek)(struct node *node, uint64_t offset, bool data);
    /* A file that is more than bytes gives the open file its own operations. */
    int (*open)(struct node *node, struct file *file);
    /* A size of 0 asks for the length. -ENODATA, -ERANGE. */
    int64_t (*get_xattr)(struct node *node, const char *name, void *to, size_t size_bytes);
    int (*set_xattr)(struct node *node, const char *name, const void *from, size_t size_bytes,
                     unsigned flags);
    int64_t (*list_xattr)(struct node *node, char *to, size_t size_bytes);
    int (*remove_xattr)(struct node *node, const char *name);
    /* The last reference is gone: free it. */
    void (*free)(struct node *node);
};

struct file_system;

struct node {
    uint32_t references; /* atomic */
    struct rt_lock lock; /* `node` */
    const struct node_ops *ops;
    struct file_system *file_system; /* counted */
    uint64_t inode;                  /* constant */
    uint32_t type;                   /* S_IF bits; constant */
    bool removed;  /* atomic, written under the lock: a directory that has no name any more */
    bool pinned;   /* one reference until its last link is gone: more names may come from a layer */
    bool linkable; /* has no link, and may get one (O_TMPFILE) */
    uint32_t seals; /* F_SEAL_ bits */
    struct node_attributes attributes;
    struct tree names, order; /* of a directory: entries by text, and in the order they came */
    uint64_t next_cookie;
    int32_t writers; /* files open for writing; below 0: programs that run from it */
    /* Areas that map it shared, so that truncation takes the pages away (mm/). */
    struct list mappings;
    /* Locks by flock and fcntl, and who waits for them. */
    struct list locks;
    struct wait_queue lock_queue;
    /* What a named pipe (file/pipe.c) or a bound socket (socket/) has of its own, and its end. */
    void *special;
    void (*special_free)(void *special);
};

struct path {
    struct mount *mount;
    struct name *name;
};

enum lookup_flags {
    LOOKUP_FOLLOW = 1,    /* a link at the end */
    LOOKUP_DIRECTORY = 2, /* -ENOTDIR otherwise */
    LOOKUP_EMPTY = 4,     /* "" is the descriptor itself */
    LOOKUP_NO_LINKS = 8,  /* -ELOOP at any */
    LOOKUP_REAL_IDS = 16, /* access() */
};

enum { MAY_EXECUTE = 1, MAY_WRITE = 2, MAY_READ = 4 };

void node_init(struct node *node, struct file_system *file_system, const struct node_ops *ops,
               const struct node_attributes *attributes);
/* Before a node's memory is freed by its operations. */
void node_end(struct node *node);
struct node *node_get(struct node *node);
void node_put(struct node *node);
struct path path_get(const struct path *path);
void path_put(struct path *path);
struct node *path_node(const struct path *path);
/* From a descriptor (AT_FDCWD or one of the caller's) and a name in our memory, or the guest's. */
int path_find(int directory, const char *name, unsigned flags, struct path *path_out);
int path_find_user(int directory, uaddr_t name, unsigned flags, struct path *path_out);
/* A new entry as mknod, with the caller's rights, owner and mask: S_IFSOCK for bind(2). -EEXIST. */
int path_make(int directory, const char *name, uint32_t mode, uint64_t device,
              struct path *path_out);
/* As seen from the caller's root; " (deleted)" behind what has no name any more. Its length without
 * the end that it is given, or -ENAMETOOLONG. */
int64_t path_text(const struct path *path, char *to, size_t size_bytes);
/* MAY_ bits, by the caller's credentials, on a mount that may be read only. 0, -EACCES, -EROFS. */
int path_permission(const struct path *path, unsigned wanted);
int node_permission(struct node *node, unsigned wanted);
/* Does what is run there get what its file gives (set-id bits, capabilities)? */
bool path_gives(const struct path *path);
/* Is the caller its owner, or has CAP_FOWNER? */
bool node_owned(struct node *node);
int node_attributes(struct node *node, struct node_attributes *attributes_out);
/* Some area may show it. With node->lock and not the lock of its mappings: who maps it links the
 * area first and asks for pages then, under node->lock, so he is seen, or sees what is new. */
bool node_is_mapped(const struct node *node);
/* Contents into our memory, for exec: as pread, but no access that anybody notes. */
int64_t node_read(struct node *node, void *to, uint64_t size_bytes, uint64_t offset);
/* A program runs from it: nobody may write meanwhile. -ETXTBSY if somebody does. */
int node_deny_write(struct node *node);
void node_allow_write(struct node *node);

/* Names, mounts and file systems: the tree that paths lead through. For those who make file
 * systems; who only uses paths needs linux/node.h.
 *
 *     mount --root--> name --node--> node          a name knows its parent,
 *                      |                           a directory's node its names
 *                     name --node--> node
 *
 * A name is *linked* while it is an entry of its directory. The entries of a file system in memory
 * are *kept*: being linked counts as a reference. Others (proc) exist while somebody has them.
 */
#pragma once

#include <linux/node.h>

struct name {
    uint32_t references; /* atomic */
    uint32_t hash;
    struct tree_node by_text, by_cookie; /* in the directory's node, under its lock */
    uint64_t cookie;
    struct name *parent; /* counted; changed by rename under `names` */
    struct node *node;   /* counted; constant */
    char *text;          /* changed by rename under `names` and both directories' locks */
    uint32_t length;
    bool linked, kept; /* atomic; changed under the directory's node lock */
    uint32_t mounts;   /* that are on it; under `names` */
};

struct file_system {
    uint32_t references; /* atomic: nodes and mounts */
    const char *type;    /* "tmpfs" */
    uint32_t magic;
    uint64_t device;                   /* st_dev */
    uint64_t next_inode;               /* atomic */
    uint64_t limit_bytes, limit_nodes; /* 0: none of its own */
    uint64_t nodes;                    /* atomic */
    uint64_t pages;                    /* atomic: contents */
    uint32_t mounts;                   /* atomic */
    /* The last mount is gone: names that only keep each other end. */
    void (*unmounted)(struct file_system *file_system, struct name *root);
    void (*free)(struct file_system *file_system);
};

struct mount {
    uint32_t references; /* atomic */
    int32_t id;
    struct list link;   /* of all, in order of age; under `names` */
    struct list taken;  /* with those that are taken away together */
    struct path was_on; /* of one of those: what its taker has to put */
    struct file_system *file_system;
    struct name *root;
    struct path on; /* under `names`; mount NULL: the first of all, or taken away */
    uint32_t flags; /* atomic: MS_ bits: read only, nosuid, nodev, noexec, times */
    /* atomic: files open for writing; below 0 while it is read only, so that it cannot become so
     * while there are any. */
    int32_t writers;
    char *source;
};

extern struct rt_lock names_lock;

void file_system_init(struct file_system *file_system, const char *type, uint32_t magic);
struct file_system *file_system_get(struct file_system *file_system);
void file_system_put(struct file_system *file_system);

/* A name that is no entry (yet); one reference. The text need not end. */
int name_create(struct name *parent, const char *text, size_t length, struct node *node,
                struct name **name_out);
struct name *name_get(struct name *name);
void name_put(struct name *name);
/* With the directory's node lock. */
struct name *name_find_locked(struct name *directory, const char *text, size_t length);
void name_link_locked(struct name *name, bool kept);
void name_unlink_locked(struct name *name);
/* The entry, made from the file system's own if it has one: counted. -ENOENT. */
int name_lookup(struct name *directory, const char *text, size_t length, struct name **name_out);
int name_lookup_locked(struct name *directory, const char *text, size_t length,
                       struct name **name_out);

/* Mount `root` on the path (the first: NULL); takes the file system's and the name's references. */
int mount_create(struct file_system *file_system_taken, struct name *root_taken,
                 const struct path *on, uint32_t flags, const char *source,
                 struct mount **mount_out);
/* Its MS_ bits from now on. -EBUSY: read only, and files are open for writing. */
int mount_set_flags(struct mount *mount, uint32_t flags);
/* A file is opened for writing on it: -EROFS. */
int mount_begin_write(struct mount *mount);
void mount_end_write(struct mount *mount);
struct mount *mount_get(struct mount *mount);
void mount_put(struct mount *mount);
/* What is mounted on it, as often as there is something: the path changes. */
void path_enter_mounts(struct path *path);
/* One after the other for /proc/mounts: counted; the argument's reference is dropped. */
struct mount *mount_next(struct mount *mount);
/* The caller's working and root directory. */
struct path path_root(void);
struct path path_working(void);

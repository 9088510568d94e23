/* Between the files of linux/file: nobody else needs it. */
#pragma once

#include <linux/file.h>
#include <linux/names.h>

struct file_lock;

/* ---- Nodes ---- */

/* As whom permissions are asked for. */
struct who {
    uint32_t uid, gid;
    uint64_t capabilities;
    const struct cred *cred; /* for its groups; not counted: the caller's own */
};
void who_am_i(struct who *who, bool real_ids);
bool who_can(const struct who *who, unsigned capability);
bool who_in_group(const struct who *who, uint32_t gid);
int who_may(const struct who *who, const struct node_attributes *attributes, unsigned wanted);
int node_permission_as(const struct who *who, struct node *node, unsigned wanted);

/* -EFBIG, and a signal: the limit of a file's size is less. */
int file_size_allowed(uint64_t size_bytes);
int node_set_attributes(struct node *node, const struct node_attributes *attributes,
                        unsigned which);
/* What SET_ bits say, but SET_SIZE, and the time of change. */
void node_apply_locked(struct node *node, const struct node_attributes *attributes, unsigned which);
void node_modified_locked(struct node *node);
void node_accessed_locked(struct node *node);
/* The text of the link, which is noted as an access. */
int64_t path_readlink(const struct path *path, char *to, size_t size_bytes);
/* It has one link fewer. */
void node_unlinked(struct node *node);
int node_begin_write(struct node *node); /* -ETXTBSY */
void node_end_write(struct node *node);

/* ---- Names ---- */

char *text_copy(const char *text, size_t length); /* with an end; NULL */
/* To another place, under both directories' locks and `names`; takes the text (heap). */
void name_move_locked(struct name *name, struct name *parent, char *text_taken, size_t length);
/* Each to the other's place. */
void name_swap_locked(struct name *a, struct name *b);
/* No names are left below a root that nobody can reach any more: file_system.unmounted. */
void names_clear(struct file_system *file_system, struct name *root);
/* The first entry with that cookie or a later one; NULL. */
struct name *name_from_locked(const struct node *directory, uint64_t cookie);

/* ---- Paths ---- */

/* The directory that a name's last part is in, and that part. */
struct path_parent {
    struct path directory; /* counted */
    struct who who;
    const char *last; /* "", if the name was "/" alone; "." and ".." are as they are */
    uint32_t length;
    bool trailing; /* slashes behind it */
    char text[NAME_MAX + 1];
};
int path_parent(int directory, const char *name, struct path_parent *parent_out);
void path_parent_end(struct path_parent *parent);
bool part_is_special(const char *text, size_t length); /* "", "." or ".." */

/* Where a walk through names is. */
enum { WALK_TEXTS = SYMLINKS_MAX + 1 };
struct walk {
    struct path at;   /* counted */
    struct path root; /* counted */
    struct who who;
    uint32_t resolve; /* RESOLVE_ bits */
    bool no_links;
    bool trailing; /* the last part had slashes behind it */
    bool leap;     /* the last part was a link that leads by itself: `at` is where */
    unsigned links;
    const char *last; /* the part that was reached */
    uint32_t last_length;
    /* The texts of links that are not finished, the first the name itself; only these are set. */
    unsigned depth;
    struct {
        char *memory; /* heap; NULL: the caller's */
        const char *rest;
    } text[WALK_TEXTS];
};
int walk_begin(struct walk *walk, int directory, const char *name, uint32_t resolve, bool real_ids);
/* To the directory of the last part, which is in `last`; nothing is left when it is empty. */
int walk_to_parent(struct walk *walk);
/* One step from there: the entry, counted, with what is mounted on it. */
int walk_lookup(struct walk *walk, struct path *path_out);
/* The last part is the link `path` (taken): go on into it, up to the next last part. */
int walk_into_link(struct walk *walk, struct path *path_taken);
/* All of it. */
int walk_to_end(struct walk *walk, unsigned flags, struct path *path_out);
void walk_end(struct walk *walk);

/* To the parent, but not above `root`; true if that is elsewhere. */
bool path_up(struct path *path, const struct path *root, bool *crossed_out);
int64_t path_text_from(const struct path *path, const struct path *root, char *to,
                       size_t size_bytes);
/* With `names`. */
bool name_is_below(const struct name *name, const struct name *top);
/* -EBUSY: somebody is there, unless it may stay until he is not. -EINVAL: the first one. */
int mount_remove(struct mount *mount, bool lazily);
int mount_move(struct mount *mount, const struct path *to);
void mounts_detach_all(void);
/* Register them (mounts.h). */
int proc_create(void);
int sys_create(void); /* sysfs and cgroup2 */
int path_permission_as(const struct who *who, const struct path *path, unsigned wanted);
bool path_equal(const struct path *a, const struct path *b);
bool mount_is(const struct path *path, uint32_t flag); /* MS_ bit */
/* Do its mount's flags let the time of access change? */
bool path_notes_access(const struct path *path);
/* May entries of the directory be made and taken away? */
int directory_writable(const struct path *directory, const struct who *who);
/* A new entry there: mknod, mkdir, symlink, open. `mode` with its type; the mask is the caller's to
 * apply. */
int entry_create(const struct path_parent *parent, uint32_t mode, uint64_t device,
                 const char *target, struct path *path_out);

/* A file that has no name, until link gives it one if it is `linkable`. */
int entry_create_unnamed(const struct path_parent *parent, uint32_t mode, bool linkable,
                         struct path *path_out);

/* ---- Descriptors ---- */

/* A name from the guest. */
struct user_path {
    char text[PATH_MAX];
};
/* -EFAULT, -ENAMETOOLONG; -ENOENT for an empty one. */
int user_path_in(struct user_path *path, uaddr_t from);
int user_path_in_empty(struct user_path *path, uaddr_t from); /* "" is fine */
/* What `directory` and a name (which may be "") lead to, as AT_ flags say. */
int path_find_at(int directory, uaddr_t name, unsigned at_flags, struct path *path_out);

/* As file_open, with no right asked for: what was just made. */
int file_open_unchecked(const struct path *path, uint32_t flags, struct file **file_out);
bool file_is_unnamed(const struct file *file); /* memfd_create's */
extern const struct file_ops node_file_ops;
extern const struct file_ops directory_file_ops;
int64_t node_file_seek(struct file *file, int64_t offset, int whence);
int device_open(struct node *node, struct file *file);
int fifo_open(struct node *node, struct file *file);
/* May a file with these flags be opened there? */
int file_may_open(const struct path *path, uint32_t flags);

/* Tables, for calls: fd_flags, -EBADF. */
int fd_flags(int fd);
int fd_set_flags(int fd, unsigned fd_flags);
/* Close, or mark for execve, what lies within; never fails. */
void fd_close_range(unsigned first, unsigned last, bool mark);

/* Locks of the file that end with a descriptor of that table, or with the file. */
void file_locks_close(struct file *file, struct file_table *table);
void file_locks_release(struct file *file);
int64_t fcntl_lock(struct file *file, int fd, int command, uaddr_t at);
int64_t file_flock(struct file *file, uint32_t operation);

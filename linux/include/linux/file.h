/* Open files ("descriptions"), and the tables of descriptors that name them. */
#pragma once

#include <linux/abi/fcntl.h>
#include <linux/copy.h>
#include <linux/node.h>
#include <linux/wait.h>

struct file;
struct task;

#define POLL_IN    0x0001u
#define POLL_PRI   0x0002u
#define POLL_OUT   0x0004u
#define POLL_ERR   0x0008u
#define POLL_HUP   0x0010u
#define POLL_NVAL  0x0020u
#define POLL_RDHUP 0x2000u
/* As POLL_IN and POLL_OUT: file_poll adds them. */
#define POLL_READ_NORMAL  0x0040u
#define POLL_WRITE_NORMAL 0x0100u

/* How somebody who polls is put on a file's queues: add() is called for each with `poller` not
 * NULL. */
struct poller {
    int (*add)(struct poller *poller, struct wait_queue *queue);
    bool lasting; /* it stays on them when the call is over (epoll), as long as the file is there */
};

struct file_ops {
    /* `*position` is the file's own or a copy (pread); files without positions leave it. Bytes, or
     * an error; -EAGAIN if it would block and file_nonblocking(file). */
    int64_t (*read)(struct file *file, struct io *io, uint64_t *position);
    int64_t (*write)(struct file *file, struct io *io, uint64_t *position);
    /* The new position; file->lock is not held. NULL: -ESPIPE, and the file has no position, so
     * that read and write may take their time. */
    int64_t (*seek)(struct file *file, int64_t offset, int whence);
    /* What is ready now; first on the queues, then the look, so that nothing is missed. NULL:
     * always POLL_IN | POLL_OUT. */
    uint32_t (*poll)(struct file *file, struct poller *poller);
    /* fcntl commands of its own (F_SETPIPE_SZ); NULL: -EINVAL. */
    int64_t (*control)(struct file *file, int command, uint64_t argument);
    int64_t (*ioctl)(struct file *file, uint32_t request, uint64_t argument);
    int (*readdir)(struct file *file, struct directory_sink *sink);
    /* As node_ops.pages; NULL: the node's. */
    int (*pages)(struct file *file, uint64_t offset, bool write, struct memory **memory_out,
                 uint64_t *offset_out, uint64_t *bytes_out);
    /* A descriptor of a process is closed (also at dup2 and exit): what belongs to the process. */
    void (*flush)(struct file *file);
    /* The last reference is gone. */
    void (*release)(struct file *file);
    /* /proc/PID/fd: "pipe:[7]". NULL: the path. Its length. */
    int64_t (*describe)(struct file *file, char *to, size_t size_bytes);
};

struct file {
    uint32_t references; /* atomic */
    struct rt_lock lock; /* `file`: position, flags, owner */
    const struct file_ops *ops;
    uint32_t flags; /* atomic: O_ flags, without those that only open looks at */
    uint64_t position;
    struct path path; /* no name: mount NULL */
    struct node *node;
    void *data;                             /* of the operations */
    struct list epolls;                     /* that watch it (file/epoll.c) */
    void (*watched_end)(struct file *file); /* before release, if there are any */
    int32_t owner;                          /* F_SETOWN: a process, or below 0 a group */
    int32_t owner_type;                     /* F_OWNER_ */
    int32_t owner_signal;
    bool writes; /* counted in node->writers */
    bool runs;   /* so too: file_open_program */
};

static inline uint32_t file_flags(const struct file *file)
{
    return __atomic_load_n(&file->flags, __ATOMIC_RELAXED);
}

/* A file with those operations and one reference; -ENOMEM. */
int file_create(const struct file_ops *ops, uint32_t flags, void *data, struct file **file_out);
/* Open what the path leads to, with the caller's rights checked by `flags` (O_ bits). */
int file_open(const struct path *path, uint32_t flags, struct file **file_out);
/* As file_open, for a program that is to be run: it may be executed, and nobody may write to it
 * until the last reference is gone. */
int file_open_program(const struct path *path, struct file **file_out);
/* Make a file without a path that of a node (pipes, sockets), for fstat and /proc/PID/fd. */
void file_set_node(struct file *file, struct node *node_taken);
/* Read or write all at `position` in our memory: for exec, sendfile. Bytes, or an error. */
int64_t file_read_own(struct file *file, void *to, uint64_t size_bytes, uint64_t *position);
int64_t file_write_own(struct file *file, const void *from, uint64_t size_bytes,
                       uint64_t *position);
struct file *file_get(struct file *file);
void file_put(struct file *file);
bool file_nonblocking(const struct file *file);
bool file_is_zero(const struct file *file);  /* /dev/zero: a mapping of it is anonymous memory */
bool file_readable(const struct file *file); /* by its access mode */
bool file_writable(const struct file *file);

/* Tables. */
struct file_table;

#define FD_CLOSE_ON_EXEC 1u

int file_table_create(struct file_table **table_out);
struct file_table *file_table_get(struct file_table *table);
void file_table_put(struct file_table *table); /* the last closes everything */
/* A descriptor of a table that nobody uses yet, with the file's reference; -ENOMEM: the reference
 * is gone, too. */
int file_table_put_file(struct file_table *table, int fd, struct file *file_taken);
int file_table_copy(struct file_table *table, struct file_table **table_out);
void file_table_close_on_exec(struct file_table *table);
/* The caller's descriptor, counted; NULL: -EBADF, also if it was opened by O_PATH. */
struct file *fd_get(int fd);
/* The same, and O_PATH is fine: for names, fstat, dup, fcntl. */
struct file *fd_get_any(int fd);
/* As fd_get, of another task that the caller may look into; for /proc. */
struct file *fd_get_of(struct task *task, int fd);
/* A free descriptor from `lowest` on for the file, whose reference it takes; or -EMFILE, and the
 * reference stays the caller's. */
int fd_room(void); /* -EMFILE: fd_install would find none now */
int fd_install(struct file *file, int lowest, unsigned fd_flags);
/* Exactly that one, closing what was there. */
int fd_install_at(struct file *file, int fd, unsigned fd_flags);
int fd_close(int fd);
/* The next descriptor at or above `fd` of a task that the caller may look into; -1: none. */
int fd_next(struct task *task, int fd);

/* Character devices, by number. Who has some says so once at the start. `open` gives the file its
 * operations. The node's lock is not held. */
struct device_class {
    struct list link;
    uint32_t major, minor, count;
    int (*open)(struct node *node, struct file *file);
};
void device_register(struct device_class *devices);
/* What opens a named pipe: once, at the start. The pipe itself is node->special. */
void fifo_register(int (*open)(struct node *node, struct file *file));

/* Working directory, root and mask of a process (CLONE_FS shares it). */
struct fs_context {
    uint32_t references; /* atomic */
    struct rt_lock lock;
    struct path root, working;
    uint32_t umask;
};
struct fs_context *fs_context_get(struct fs_context *context);
void fs_context_put(struct fs_context *context);
int fs_context_copy(struct fs_context *context, struct fs_context **context_out);
/* One at the root of the first mount. */
int fs_context_create(struct fs_context **context_out);

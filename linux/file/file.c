/* Open files, and what is the same for all that belong to a node. open(2), lseek(2). */
#include <base/checked.h>
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

/* What stays of open's flags. */
#define KEPT_FLAGS                                                                                 \
    (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_ASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | \
     O_NOFOLLOW | O_NOATIME | O_PATH | O_TMPFILE_BIT)

int file_create(const struct file_ops *ops, uint32_t flags, void *data, struct file **file_out)
{
    struct file *file = heap_alloc(sizeof(*file));
    if (file == NULL)
        return -ENOMEM;
    file->references = 1;
    file->ops = ops;
    file->flags = flags & KEPT_FLAGS;
    file->data = data;
    list_init(&file->epolls);
    *file_out = file;
    return 0;
}

struct file *file_get(struct file *file)
{
    (void)__atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
    return file;
}

void file_put(struct file *file)
{
    if (file == NULL || __atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (!list_empty(&file->epolls))
        file->watched_end(file);
    if (file->node != NULL)
        file_locks_release(file);
    if (file->ops != NULL && file->ops->release != NULL)
        file->ops->release(file);
    if (file->writes) {
        node_end_write(file->node);
        if (file->path.mount != NULL)
            mount_end_write(file->path.mount);
    }
    if (file->runs)
        node_allow_write(file->node);
    node_put(file->node);
    path_put(&file->path);
    heap_free(file);
}

void file_set_node(struct file *file, struct node *node_taken)
{
    file->node = node_taken;
}

bool file_nonblocking(const struct file *file)
{
    return (file_flags(file) & O_NONBLOCK) != 0;
}

bool file_readable(const struct file *file)
{
    uint32_t flags = file_flags(file);
    return (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY;
}

bool file_writable(const struct file *file)
{
    uint32_t flags = file_flags(file);
    return (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/* ---- Opening ---- */

static const struct file_ops path_file_ops = { 0 };

int file_may_open(const struct path *path, uint32_t flags)
{
    struct node *node = path->name->node;
    unsigned wanted = MAY_READ;
    if ((flags & O_ACCMODE) == O_WRONLY)
        wanted = MAY_WRITE;
    else if ((flags & O_ACCMODE) != O_RDONLY)
        wanted = MAY_READ | MAY_WRITE;
    if ((flags & O_TRUNC) != 0)
        wanted |= MAY_WRITE;
    if (node->type == S_IFLNK)
        return -ELOOP;
    if (node->type == S_IFDIR && (wanted & MAY_WRITE) != 0)
        return -EISDIR;
    if ((node->type == S_IFCHR || node->type == S_IFBLK) && mount_is(path, MS_NODEV))
        return -EACCES;
    if ((flags & O_TRUNC) != 0 && node->type == S_IFREG && mount_is(path, MS_RDONLY))
        return -EROFS;
    int error = path_permission(path, wanted);
    if (error == 0 && (flags & O_NOATIME) != 0 && !node_owned(node))
        error = -EPERM;
    return error;
}

/* Give the file what its kind of node does. */
static int open_node(struct node *node, struct file *file)
{
    if (node->ops->open != NULL)
        return node->ops->open(node, file);
    switch (node->type) {
    case S_IFDIR:
        file->ops = &directory_file_ops;
        return 0;
    case S_IFREG:
        file->ops = &node_file_ops;
        return 0;
    case S_IFCHR:
        return device_open(node, file);
    case S_IFIFO:
        return fifo_open(node, file);
    default:
        return -ENXIO; /* a socket; a disk, of which there are none */
    }
}

static int begin_writing(struct file *file)
{
    if (file->node->type != S_IFREG || !file_writable(file))
        return 0;
    int error = file->path.mount != NULL ? mount_begin_write(file->path.mount) : 0;
    if (error != 0)
        return error;
    error = node_begin_write(file->node);
    file->writes = error == 0;
    if (error != 0 && file->path.mount != NULL)
        mount_end_write(file->path.mount);
    return error;
}

int file_open_unchecked(const struct path *path, uint32_t flags, struct file **file_out)
{
    struct file *file;
    if ((flags & O_PATH) != 0)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    else
        flags |= O_LARGEFILE;
    int error = file_create(&path_file_ops, flags, NULL, &file);
    if (error != 0)
        return error;
    file->path = path_get(path);
    file->node = node_get(path->name->node);
    if ((flags & O_PATH) == 0) {
        error = begin_writing(file);
        if (error == 0) {
            file->flags |= flags & O_NOCTTY; /* terminals look at it */
            error = open_node(file->node, file);
            file->flags &= ~O_NOCTTY;
        }
    }
    if (error != 0)
        file_put(file);
    else
        *file_out = file;
    return error;
}

int file_open(const struct path *path, uint32_t flags, struct file **file_out)
{
    struct node *node = path->name->node;
    if ((flags & O_DIRECTORY) != 0 && node->type != S_IFDIR)
        return -ENOTDIR;
    int error = (flags & O_PATH) != 0 ? 0 : file_may_open(path, flags);
    if (error == 0)
        error = file_open_unchecked(path, flags, file_out);
    if (error == 0 && (flags & (O_TRUNC | O_PATH)) == O_TRUNC && node->type == S_IFREG) {
        struct node_attributes empty = { 0 };
        error = node_set_attributes(node, &empty, SET_SIZE);
        if (error != 0)
            file_put(*file_out);
    }
    return error;
}

int file_open_program(const struct path *path, struct file **file_out)
{
    struct node *node = path->name->node;
    if (node->type != S_IFREG)
        return -EACCES;
    int error = path_permission(path, MAY_EXECUTE);
    if (error == 0)
        error = node_deny_write(node);
    if (error != 0)
        return error;
    error = file_open_unchecked(path, O_RDONLY, file_out);
    if (error != 0)
        node_allow_write(node);
    else
        (*file_out)->runs = true;
    return error;
}

/* ---- Files that are bytes ---- */

/* Does reading it change its time of access? */
static bool file_notes_access(const struct file *file)
{
    return (file_flags(file) & O_NOATIME) == 0 && path_notes_access(&file->path);
}

static int64_t node_file_read(struct file *file, struct io *io, uint64_t *position)
{
    struct node *node = file->node;
    if (node->ops->read == NULL)
        return -EINVAL;
    io->unseen = !file_notes_access(file);
    int64_t moved = node->ops->read(node, io, *position);
    if (moved > 0)
        *position += (uint64_t)moved;
    return moved;
}

static int64_t node_file_write(struct file *file, struct io *io, uint64_t *position)
{
    struct node *node = file->node;
    if (node->ops->write == NULL)
        return -EINVAL;
    uint64_t at = (file_flags(file) & O_APPEND) != 0 ? NODE_APPEND : *position;
    int64_t moved = node->ops->write(node, io, &at);
    if (moved > 0)
        *position = at;
    return moved;
}

static int64_t seek_base(struct file *file, int whence, int64_t *base_out)
{
    struct node_attributes attributes;
    int error = 0;
    *base_out = 0;
    if (whence == SEEK_CUR)
        *base_out = (int64_t)file->position;
    if (whence == SEEK_END) {
        error = node_attributes(file->node, &attributes);
        if (error == 0)
            *base_out = (int64_t)attributes.size_bytes;
    }
    return error;
}

static int64_t seek_data(struct file *file, int64_t offset, bool data)
{
    struct node *node = file->node;
    struct node_attributes attributes;
    int error = node_attributes(node, &attributes);
    if (error != 0)
        return error;
    if (offset < 0 || (uint64_t)offset >= attributes.size_bytes)
        return -ENXIO;
    if (node->ops->seek != NULL)
        return node->ops->seek(node, (uint64_t)offset, data);
    return data ? offset : (int64_t)attributes.size_bytes;
}

static int64_t seek_locked(struct file *file, int64_t offset, int whence)
{
    int64_t to;
    if (whence == SEEK_DATA || whence == SEEK_HOLE) {
        to = seek_data(file, offset, whence == SEEK_DATA);
    } else {
        int64_t base;
        int64_t error = seek_base(file, whence, &base);
        if (error != 0)
            return error;
        if (__builtin_add_overflow(base, offset, &to) || to < 0)
            return -EINVAL;
    }
    if (to >= 0)
        file->position = (uint64_t)to;
    return to;
}

int64_t node_file_seek(struct file *file, int64_t offset, int whence)
{
    if (whence < SEEK_SET || whence > SEEK_HOLE)
        return -EINVAL;
    rt_lock(&file->lock);
    int64_t to = seek_locked(file, offset, whence);
    rt_unlock(&file->lock);
    return to;
}

const struct file_ops node_file_ops = {
    .read = node_file_read,
    .write = node_file_write,
    .seek = node_file_seek,
};

/* ---- Directories ---- */

static int64_t directory_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)file;
    (void)io;
    (void)position;
    return -EISDIR;
}

static int64_t directory_seek(struct file *file, int64_t offset, int whence)
{
    if (whence != SEEK_SET && whence != SEEK_CUR)
        return -EINVAL;
    rt_lock(&file->lock);
    int64_t to = seek_locked(file, offset, whence);
    rt_unlock(&file->lock);
    return to;
}

/* Positions: 0 is ".", 1 "..", and an entry's cookie plus 2 the entry. */
enum { DOT_POSITIONS = 2 };

static uint64_t parent_inode(const struct file *file)
{
    const struct name *name = file->path.name;
    uint64_t inode = file->node->inode;
    rt_lock(&names_lock);
    if (file->path.mount != NULL && name == file->path.mount->root &&
        file->path.mount->on.name != NULL)
        name = file->path.mount->on.name;
    if (name->parent != NULL)
        inode = name->parent->node->inode;
    rt_unlock(&names_lock);
    return inode;
}

static bool give_dots(struct file *file, struct directory_sink *sink)
{
    if (file->position == 0) {
        if (!sink->entry(sink, ".", 1, file->node->inode, S_IFDIR, 1))
            return false;
        file->position = 1;
    }
    if (file->position == 1) {
        if (!sink->entry(sink, "..", 2, parent_inode(file), S_IFDIR, DOT_POSITIONS))
            return false;
        file->position = DOT_POSITIONS;
    }
    return true;
}

static int give_names_locked(struct file *file, struct directory_sink *sink)
{
    struct node *node = file->node;
    int error = node->ops->complete != NULL ? node->ops->complete(file->path.name) : 0;
    if (error != 0)
        return error;
    struct name *name;
    while ((name = name_from_locked(node, file->position - DOT_POSITIONS)) != NULL) {
        uint64_t next = name->cookie + DOT_POSITIONS + 1;
        if (!sink->entry(sink, name->text, name->length, name->node->inode, name->node->type, next))
            break;
        file->position = next;
    }
    return 0;
}

static int directory_readdir(struct file *file, struct directory_sink *sink)
{
    struct node *node = file->node;
    if (__atomic_load_n(&node->removed, __ATOMIC_RELAXED))
        return -ENOENT;
    if (!give_dots(file, sink))
        return 0;
    if (node->ops->readdir != NULL)
        return node->ops->readdir(node, &file->position, sink);
    rt_lock(&node->lock);
    int error = give_names_locked(file, sink);
    if (file_notes_access(file))
        node_accessed_locked(node);
    rt_unlock(&node->lock);
    return error;
}

const struct file_ops directory_file_ops = {
    .read = directory_read,
    .seek = directory_seek,
    .readdir = directory_readdir,
};

/* ---- In our own memory ---- */

int64_t file_read_own(struct file *file, void *to, uint64_t size_bytes, uint64_t *position)
{
    struct io io;
    if (file->ops->read == NULL)
        return -EINVAL;
    io_own(&io, to, size_bytes);
    return file->ops->read(file, &io, position);
}

int64_t file_write_own(struct file *file, const void *from, uint64_t size_bytes, uint64_t *position)
{
    struct io io;
    if (file->ops->write == NULL)
        return -EINVAL;
    io_own(&io, (void *)(uintptr_t)from, size_bytes);
    return file->ops->write(file, &io, position);
}

/* Reading and writing: read(2), pread(2), readv(2), lseek(2), sendfile(2), copy_file_range(2),
 * fallocate(2), fsync(2).
 */
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/calls.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/signals.h>
#include <linux/task.h>

/* A file whose reads and writes have a position that several may move. */
static bool has_position(const struct file *file)
{
    return file->ops->seek != NULL;
}

static int64_t move_at(struct file *file, struct io *io, bool write, uint64_t *position)
{
    int64_t (*move)(struct file *, struct io *, uint64_t *) =
        write ? file->ops->write : file->ops->read;
    if (move == NULL || (has_position(file) && *position > INT64_MAX - io->left))
        return -EINVAL;
    return move(file, io, position);
}

/* At the file's own position, or (`position` not NULL) at that. */
static int64_t file_move(struct file *file, struct io *io, bool write, uint64_t *position)
{
    if (write ? !file_writable(file) : !file_readable(file))
        return -EBADF;
    if (position != NULL) {
        if (!has_position(file))
            return -ESPIPE;
        return move_at(file, io, write, position);
    }
    if (!has_position(file))
        return move_at(file, io, write, &file->position);
    rt_lock(&file->lock);
    int64_t moved = move_at(file, io, write, &file->position);
    rt_unlock(&file->lock);
    return moved;
}

static int64_t move_buffer(int fd, uaddr_t buffer, uint64_t size_bytes, bool write,
                           uint64_t *position)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    struct io io;
    int64_t result = io_user(&io, buffer, size_bytes);
    if (result == 0)
        result = file_move(file, &io, write, position);
    file_put(file);
    return result;
}

static int64_t move_vector(int fd, uaddr_t vector, uint64_t count, bool write, uint64_t *position)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    struct io io;
    int64_t result = io_vector(&io, vector, count);
    if (result == 0) {
        result = file_move(file, &io, write, position);
        io_end(&io);
    }
    file_put(file);
    return result;
}

int64_t linux_read(int fd, uaddr_t buffer, uint64_t size)
{
    return move_buffer(fd, buffer, size, false, NULL);
}

int64_t linux_write(int fd, uaddr_t buffer, uint64_t size)
{
    return move_buffer(fd, buffer, size, true, NULL);
}

int64_t linux_readv(int fd, uaddr_t vector, uint64_t count)
{
    return move_vector(fd, vector, count, false, NULL);
}

int64_t linux_writev(int fd, uaddr_t vector, uint64_t count)
{
    return move_vector(fd, vector, count, true, NULL);
}

int64_t linux_pread64(int fd, uaddr_t buffer, uint64_t size, int64_t offset)
{
    uint64_t position = (uint64_t)offset;
    return offset < 0 ? -EINVAL : move_buffer(fd, buffer, size, false, &position);
}

int64_t linux_pwrite64(int fd, uaddr_t buffer, uint64_t size, int64_t offset)
{
    uint64_t position = (uint64_t)offset;
    return offset < 0 ? -EINVAL : move_buffer(fd, buffer, size, true, &position);
}

int64_t linux_preadv(int fd, uaddr_t vector, uint64_t count, int64_t offset, uint64_t unused)
{
    uint64_t position = (uint64_t)offset;
    (void)unused; /* the upper half of the offset where words have 32 bits */
    return offset < 0 ? -EINVAL : move_vector(fd, vector, count, false, &position);
}

int64_t linux_pwritev(int fd, uaddr_t vector, uint64_t count, int64_t offset, uint64_t unused)
{
    uint64_t position = (uint64_t)offset;
    (void)unused;
    return offset < 0 ? -EINVAL : move_vector(fd, vector, count, true, &position);
}

static int64_t move_vector_flags(int fd, uaddr_t vector, uint64_t count, bool write, int64_t offset)
{
    uint64_t position = (uint64_t)offset;
    if (offset < -1)
        return -EINVAL;
    return move_vector(fd, vector, count, write, offset == -1 ? NULL : &position);
}

int64_t linux_preadv2(int fd, uaddr_t vector, uint64_t count, int64_t offset, uint64_t unused,
                      uint32_t flags)
{
    (void)unused;
    /* Contents are in memory, so RWF_HIPRI says nothing; not to wait is not known to every file. */
    if ((flags & ~RWF_HIPRI) != 0)
        return -EOPNOTSUPP;
    return move_vector_flags(fd, vector, count, false, offset);
}

int64_t linux_pwritev2(int fd, uaddr_t vector, uint64_t count, int64_t offset, uint64_t unused,
                       uint32_t flags)
{
    (void)unused;
    if ((flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC)) != 0)
        return -EOPNOTSUPP;
    return move_vector_flags(fd, vector, count, true, offset);
}

int64_t linux_lseek(int fd, int64_t offset, int whence)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    int64_t result = -EINVAL;
    if (whence >= SEEK_SET && whence <= SEEK_HOLE)
        result = has_position(file) ? file->ops->seek(file, offset, whence) : -ESPIPE;
    file_put(file);
    return result;
}

/* ---- From file to file, through our memory ---- */

enum { COPY_BYTES = 65536 };

/* Where a copy reads or writes: a position of the guest's, or the file's. */
struct place {
    struct file *file;
    uaddr_t at; /* of the offset in the guest; 0: the file's own position */
    uint64_t position;
};

static int place_begin(struct place *place, uaddr_t at)
{
    int64_t offset = 0;
    place->at = at;
    if (at == 0) {
        place->position = place->file->position;
        return 0;
    }
    int error = copy_in(&offset, at, sizeof(offset));
    if (error == 0 && offset < 0)
        error = -EINVAL;
    if (error == 0 && !has_position(place->file))
        error = -ESPIPE;
    place->position = (uint64_t)offset;
    return error;
}

static int place_end(const struct place *place)
{
    if (place->at != 0)
        return copy_out(place->at, &place->position, sizeof(place->position));
    if (has_position(place->file)) {
        rt_lock(&place->file->lock);
        place->file->position = place->position;
        rt_unlock(&place->file->lock);
    }
    return 0;
}

/* What could not be written is read again from where it lies, so only files with positions are read
 * from. */
static int64_t copy_some(struct place *in, struct place *out, uint8_t *buffer, uint64_t size_bytes)
{
    uint64_t from = in->position;
    int64_t got = file_read_own(in->file, buffer, size_bytes, &in->position);
    if (got <= 0)
        return got;
    int64_t done = 0;
    while (done < got) {
        int64_t put =
            file_write_own(out->file, buffer + done, (uint64_t)(got - done), &out->position);
        if (put <= 0) {
            in->position = from + (uint64_t)done;
            return done != 0 ? done : put;
        }
        done += put;
    }
    return done;
}

static int64_t copy_files(struct place *in, struct place *out, uint64_t size_bytes)
{
    uint8_t *buffer = heap_alloc(COPY_BYTES);
    if (buffer == NULL)
        return -ENOMEM;
    int64_t done = 0;
    size_bytes = MIN(size_bytes, IO_BYTES_MAX);
    while ((uint64_t)done < size_bytes) {
        uint64_t part = MIN(size_bytes - (uint64_t)done, (uint64_t)COPY_BYTES);
        int64_t moved = copy_some(in, out, buffer, part);
        if (moved <= 0) {
            done = done != 0 ? done : moved;
            break;
        }
        done += moved;
        if ((uint64_t)moved < part || signal_wanted(task_self()))
            break;
    }
    heap_free(buffer);
    return done;
}

static int64_t copy_between(struct place *in, struct place *out, uaddr_t in_at, uaddr_t out_at,
                            uint64_t size_bytes)
{
    if (!file_readable(in->file) || !file_writable(out->file))
        return -EBADF;
    if (!has_position(in->file) || in->file->ops->read == NULL || out->file->ops->write == NULL)
        return -EINVAL;
    int error = place_begin(in, in_at);
    if (error == 0)
        error = place_begin(out, out_at);
    if (error != 0)
        return error;
    int64_t done = copy_files(in, out, size_bytes);
    error = place_end(in);
    if (error == 0)
        error = place_end(out);
    return error != 0 ? error : done;
}

static int64_t with_files(int in, int out, int64_t (*copy)(struct place *, struct place *, void *),
                          void *data)
{
    struct place from = { .file = fd_get(in) };
    struct place to = { .file = fd_get(out) };
    int64_t result = -EBADF;
    if (from.file != NULL && to.file != NULL)
        result = copy(&from, &to, data);
    file_put(from.file);
    file_put(to.file);
    return result;
}

struct copy_request {
    uaddr_t in_at, out_at;
    uint64_t size_bytes;
};

static int64_t sendfile_between(struct place *in, struct place *out, void *data)
{
    const struct copy_request *request = data;
    bool directory = in->file->node != NULL && in->file->node->type == S_IFDIR;
    if ((file_flags(out->file) & O_APPEND) != 0 || directory)
        return -EINVAL;
    return copy_between(in, out, request->in_at, 0, request->size_bytes);
}

int64_t linux_sendfile(int out, int in, uaddr_t offset, uint64_t size)
{
    struct copy_request request = { .in_at = offset, .size_bytes = size };
    return with_files(in, out, sendfile_between, &request);
}

static int64_t copy_range_between(struct place *in, struct place *out, void *data)
{
    const struct copy_request *request = data;
    const struct node *from = in->file->node;
    const struct node *to = out->file->node;
    if (from == NULL || to == NULL)
        return -EINVAL;
    if (from->type == S_IFDIR || to->type == S_IFDIR)
        return -EISDIR;
    if (from->type != S_IFREG || to->type != S_IFREG)
        return -EINVAL;
    if ((file_flags(out->file) & O_APPEND) != 0)
        return -EBADF;
    if (from == to) {
        int error = place_begin(in, request->in_at);
        if (error == 0)
            error = place_begin(out, request->out_at);
        uint64_t low = MIN(in->position, out->position);
        uint64_t high = MAX(in->position, out->position);
        if (error != 0 || high - low < request->size_bytes)
            return error != 0 ? error : -EINVAL; /* they overlap */
    }
    return copy_between(in, out, request->in_at, request->out_at, request->size_bytes);
}

int64_t linux_copy_file_range(int in, uaddr_t in_offset, int out, uaddr_t out_offset, uint64_t size,
                              uint32_t flags)
{
    struct copy_request request = { in_offset, out_offset, size };
    return flags != 0 ? -EINVAL : with_files(in, out, copy_range_between, &request);
}

/* ---- Nothing is behind memory ---- */

static int64_t sync_file(int fd)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    bool stored =
        file->node != NULL && (file->node->type == S_IFREG || file->node->type == S_IFDIR);
    file_put(file);
    return stored ? 0 : -EINVAL;
}

int64_t linux_fsync(int fd)
{
    return sync_file(fd);
}

int64_t linux_fdatasync(int fd)
{
    return sync_file(fd);
}

int64_t linux_sync(void)
{
    return 0;
}

int64_t linux_syncfs(int fd)
{
    struct file *file = fd_get(fd);
    int64_t result = file != NULL ? 0 : -EBADF;
    file_put(file);
    return result;
}

int64_t linux_sync_file_range(int fd, int64_t offset, int64_t size, uint32_t flags)
{
    int64_t end;
    if ((flags & ~7u) != 0 || offset < 0 || size < 0 || __builtin_add_overflow(offset, size, &end))
        return -EINVAL;
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    bool stored = file->node != NULL && file->node->type == S_IFREG;
    file_put(file);
    return stored ? 0 : -ESPIPE;
}

int64_t linux_fadvise64(int fd, int64_t offset, int64_t size, int advice)
{
    enum { POSIX_FADV_LAST = 5 };
    (void)offset;
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    int64_t result = 0;
    if (file->node != NULL && file->node->type == S_IFIFO)
        result = -ESPIPE;
    else if (size < 0 || advice < 0 || advice > POSIX_FADV_LAST)
        result = -EINVAL;
    file_put(file);
    return result;
}

int64_t linux_readahead(int fd, int64_t offset, uint64_t size)
{
    (void)offset;
    (void)size;
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    bool readable = file_readable(file);
    bool stored = file->node != NULL && file->node->type == S_IFREG;
    file_put(file);
    if (!readable)
        return -EBADF;
    return stored ? 0 : -EINVAL;
}

/* ---- Sizes ---- */

int file_size_allowed(uint64_t size_bytes)
{
    const struct signal_info info = { .number = SIGXFSZ, .code = SI_KERNEL };
    if (size_bytes <= resource_limit(RLIMIT_FSIZE))
        return 0;
    (void)signal_send_task(task_self(), &info);
    return -EFBIG;
}

static int set_size(struct node *node, int64_t size_bytes)
{
    struct node_attributes attributes = { .size_bytes = (uint64_t)size_bytes };
    int error = file_size_allowed((uint64_t)size_bytes);
    if (error != 0)
        return error;
    return node_set_attributes(node, &attributes, SET_SIZE);
}

static int truncate_path(const struct path *path, int64_t size_bytes)
{
    struct node *node = path->name->node;
    if (node->type == S_IFDIR)
        return -EISDIR;
    if (node->type != S_IFREG)
        return -EINVAL;
    int error = mount_is(path, MS_RDONLY) ? -EROFS : path_permission(path, MAY_WRITE);
    if (error == 0)
        error = node_begin_write(node);
    if (error != 0)
        return error;
    error = set_size(node, size_bytes);
    node_end_write(node);
    return error;
}

int64_t linux_truncate(uaddr_t path, int64_t size)
{
    struct path found;
    if (size < 0)
        return -EINVAL;
    int error = path_find_user(AT_FDCWD, path, LOOKUP_FOLLOW, &found);
    if (error != 0)
        return error;
    error = truncate_path(&found, size);
    path_put(&found);
    return error;
}

int64_t linux_ftruncate(int fd, int64_t size)
{
    if (size < 0)
        return -EINVAL;
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    int error = -EINVAL;
    if (file->node != NULL && file->node->type == S_IFREG && file_writable(file))
        error = set_size(file->node, size);
    file_put(file);
    return error;
}

static int64_t allocate_in(struct file *file, uint32_t mode, int64_t offset, int64_t size_bytes)
{
    struct node *node = file->node;
    if (!file_writable(file))
        return -EBADF;
    if (node == NULL || node->type == S_IFIFO)
        return -ESPIPE;
    if (node->type == S_IFDIR)
        return -EISDIR;
    if (node->type != S_IFREG)
        return -ENODEV;
    int64_t end;
    if (__builtin_add_overflow(offset, size_bytes, &end))
        return -EFBIG;
    if (node->ops->allocate == NULL)
        return -EOPNOTSUPP;
    bool frees = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
    int error = frees ? 0 : file_size_allowed((uint64_t)end);
    return error != 0 ? error
                      : node->ops->allocate(node, mode, (uint64_t)offset, (uint64_t)size_bytes);
}

int64_t linux_fallocate(int fd, uint32_t mode, int64_t offset, int64_t size)
{
    const uint32_t known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    const uint32_t both = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    if (offset < 0 || size <= 0)
        return -EINVAL;
    if ((mode & ~known) != 0 || (mode & both) == both ||
        ((mode & FALLOC_FL_PUNCH_HOLE) != 0 && (mode & FALLOC_FL_KEEP_SIZE) == 0))
        return -EOPNOTSUPP;
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    int64_t result = allocate_in(file, mode, offset, size);
    file_put(file);
    return result;
}

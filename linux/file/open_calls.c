/* Opening, closing and duplicating: open(2), openat2(2), close_range(2), dup(2), fcntl(2),
 * ioctl(2), getdents(2).
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/abi/signal.h>
#include <linux/calls.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

/* ---- open ---- */

/* A file that has no name, in the directory that the path leads to. */
static int open_unnamed(const struct path *directory, uint32_t flags, uint32_t mode,
                        struct file **file_out)
{
    struct path_parent parent = { .directory = *directory };
    who_am_i(&parent.who, false);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    struct path path;
    int error = directory_writable(directory, &parent.who);
    if (error == 0)
        error = entry_create_unnamed(&parent, S_IFREG | mode, (flags & O_EXCL) == 0, &path);
    if (error != 0)
        return error;
    error = file_open_unchecked(&path, flags & ~O_DIRECTORY, file_out);
    path_put(&path);
    if (error == 0)
        (*file_out)->flags |= O_DIRECTORY; /* F_GETFL tells what was asked */
    return error;
}

/* The last part does not exist: make it, unless somebody else just did (-EEXIST). */
static int open_create(struct walk *walk, uint32_t flags, uint32_t mode, struct file **file_out)
{
    struct path_parent parent = {
        .directory = walk->at, .who = walk->who, .last = walk->last, .length = walk->last_length
    };
    struct path path;
    if (walk->trailing)
        return -EISDIR;
    int error = entry_create(&parent, S_IFREG | mode, 0, NULL, &path);
    if (error != 0)
        return error;
    /* What was just made may be opened whatever its mode says. */
    error = file_open_unchecked(&path, flags, file_out);
    path_put(&path);
    return error;
}

/* There is something: with O_CREAT, too, that must be fine. */
static int open_existing(const struct walk *walk, const struct path *path, uint32_t flags,
                         struct file **file_out)
{
    struct node *node = path->name->node;
    if ((flags & O_CREAT) != 0) {
        if ((flags & O_EXCL) != 0)
            return -EEXIST;
        if (node->type == S_IFDIR)
            return -EISDIR;
    }
    if (walk->trailing && node->type != S_IFDIR)
        return -ENOTDIR;
    return file_open(path, flags, file_out);
}

/* One last part. `again_out`: it was a link, which the walk has gone into. */
static int open_last(struct walk *walk, uint32_t flags, uint32_t mode, struct file **file_out,
                     bool *again_out)
{
    struct path path;
    *again_out = false;
    if (walk->last_length == 0)
        return open_existing(walk, &walk->at, flags & ~O_EXCL, file_out);
    int error = walk_lookup(walk, &path);
    if (error == -ENOENT && (flags & O_CREAT) != 0 &&
        !part_is_special(walk->last, walk->last_length))
        return open_create(walk, flags, mode, file_out);
    if (error != 0)
        return error;
    bool link = path.name->node->type == S_IFLNK;
    bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    if (link && !exclusive && ((flags & O_NOFOLLOW) == 0 || walk->trailing)) {
        *again_out = true;
        return walk_into_link(walk, &path);
    }
    error = open_existing(walk, &path, flags, file_out);
    path_put(&path);
    return error;
}

static int open_walk(struct walk *walk, uint32_t flags, uint32_t mode, struct file **file_out)
{
    bool again = true;
    int error = 0;
    while (error == 0 && again) {
        error = walk_to_parent(walk);
        if (error == 0)
            error = open_last(walk, flags, mode, file_out, &again);
    }
    return error;
}

static int open_text(int directory, const char *text, const struct linux_open_how *how,
                     struct file **file_out)
{
    uint32_t flags = (uint32_t)how->flags;
    uint32_t mode = (uint32_t)how->mode & S_PERMISSIONS & ~(task_self()->fs->umask & 0777);
    struct walk walk;
    int error;
    bool lost_race;
    unsigned tries = 0;
    do {
        error = walk_begin(&walk, directory, text, (uint32_t)how->resolve, false);
        if (error == 0 && (flags & O_TMPFILE_BIT) != 0) {
            struct path path;
            error = walk_to_end(&walk, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);
            if (error == 0) {
                error = open_unnamed(&path, flags, mode, file_out);
                path_put(&path);
            }
        } else if (error == 0) {
            error = open_walk(&walk, flags, mode, file_out);
        }
        walk_end(&walk);
        lost_race = error == -EEXIST && (flags & (O_CREAT | O_EXCL)) == O_CREAT;
    } while (lost_race && ++tries < SYMLINKS_MAX);
    return error;
}

static int64_t open_how(int directory, uaddr_t name, const struct linux_open_how *how)
{
    struct user_path path;
    struct file *file;
    /* What is made without a descriptor to give would stay. */
    int error = (how->flags & O_CREAT) != 0 ? fd_room() : 0;
    if (error == 0)
        error = user_path_in(&path, name);
    if (error == 0)
        error = open_text(directory, path.text, how, &file);
    if (error != 0)
        return error;
    int fd = fd_install(file, 0, (how->flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0);
    if (fd < 0)
        file_put(file);
    return fd;
}

/* Files without a name are made in directories; a directory is made by mkdir alone. */
static bool creation_ok(uint64_t flags)
{
    if ((flags & O_TMPFILE_BIT) != 0 && (flags & O_TMPFILE) != O_TMPFILE)
        return false;
    return (flags & (O_CREAT | O_DIRECTORY)) != (O_CREAT | O_DIRECTORY);
}

/* The older calls let everything pass that they do not know. */
static int64_t open_flags(int directory, uaddr_t name, uint32_t flags, uint32_t mode)
{
    struct linux_open_how how = { .flags = open_flags_from_guest(flags) & O_KNOWN };
    if ((how.flags & (O_CREAT | O_TMPFILE_BIT)) != 0)
        how.mode = mode & S_PERMISSIONS;
    if ((how.flags & O_PATH) != 0)
        how.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (!creation_ok(how.flags))
        return -EINVAL;
    return open_how(directory, name, &how);
}

int64_t linux_openat(int directory, uaddr_t path, uint32_t flags, uint32_t mode)
{
    return open_flags(directory, path, flags, mode);
}

int64_t linux_open(uaddr_t path, uint32_t flags, uint32_t mode)
{
    return open_flags(AT_FDCWD, path, flags, mode);
}

int64_t linux_creat(uaddr_t path, uint32_t mode)
{
    return open_flags(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int check_how(const struct linux_open_how *how)
{
    const uint64_t known = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                           RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
    const uint64_t with_path = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    bool creates = (how->flags & (O_CREAT | O_TMPFILE_BIT)) != 0;
    if ((how->flags & ~(uint64_t)O_KNOWN) != 0 || (how->resolve & ~known) != 0 ||
        (how->mode & ~(uint64_t)S_PERMISSIONS) != 0 || (!creates && how->mode != 0) ||
        ((how->flags & O_PATH) != 0 && (how->flags & ~with_path) != 0) ||
        !creation_ok(how->flags) ||
        (how->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
        return -EINVAL;
    /* Everything is in memory, but what makes something could wait. */
    bool waits = creates || (how->flags & O_TRUNC) != 0;
    return (how->resolve & RESOLVE_CACHED) != 0 && waits ? -EAGAIN : 0;
}

int64_t linux_openat2(int directory, uaddr_t path, uaddr_t how, uint64_t size)
{
    struct linux_open_how copy;
    int error = size < sizeof(copy) ? -EINVAL : copy_in_struct(&copy, sizeof(copy), how, size);
    if (error == 0 && copy.flags <= UINT32_MAX)
        copy.flags = open_flags_from_guest((uint32_t)copy.flags);
    if (error == 0)
        error = check_how(&copy);
    return error != 0 ? error : open_how(directory, path, &copy);
}

/* ---- close, dup ---- */

int64_t linux_close(int fd)
{
    return fd_close(fd);
}

/* A table of its own for the caller, if others share it. */
static int unshare_files(void)
{
    struct task *task = task_self();
    struct file_table *copy;
    int error = file_table_copy(task->files, &copy);
    if (error != 0)
        return error;
    struct file_table *old = task->files;
    rt_lock(&task->lock);
    task->files = copy;
    rt_unlock(&task->lock);
    file_table_put(old);
    return 0;
}

int64_t linux_close_range(uint32_t first, uint32_t last, uint32_t flags)
{
    if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0 || first > last)
        return -EINVAL;
    int error = (flags & CLOSE_RANGE_UNSHARE) != 0 ? unshare_files() : 0;
    if (error == 0)
        fd_close_range(first, last, (flags & CLOSE_RANGE_CLOEXEC) != 0);
    return error;
}

static int64_t duplicate(int fd, int lowest, unsigned fd_flags)
{
    struct file *file = fd_get_any(fd);
    if (file == NULL)
        return -EBADF;
    int result = fd_install(file, lowest, fd_flags);
    if (result < 0)
        file_put(file);
    return result;
}

int64_t linux_dup(int fd)
{
    return duplicate(fd, 0, 0);
}

static int64_t duplicate_to(int fd, int to, unsigned fd_flags)
{
    struct file *file = fd_get_any(fd);
    if (file == NULL)
        return -EBADF;
    int result = fd_install_at(file, to, fd_flags);
    if (result < 0)
        file_put(file);
    return result;
}

int64_t linux_dup2(int fd, int to)
{
    if (fd == to) {
        int flags = fd_flags(fd);
        return flags < 0 ? flags : fd;
    }
    return duplicate_to(fd, to, 0);
}

int64_t linux_dup3(int fd, int to, uint32_t flags)
{
    flags = open_flags_from_guest(flags);
    if ((flags & ~O_CLOEXEC) != 0 || fd == to)
        return -EINVAL;
    return duplicate_to(fd, to, flags != 0 ? FD_CLOSE_ON_EXEC : 0);
}

/* ---- fcntl ---- */

static int64_t set_flags(struct file *file, uint32_t flags)
{
    const uint32_t changeable = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
    flags = open_flags_from_guest(flags);
    if ((flags & ~file_flags(file) & O_NOATIME) != 0 && file->node != NULL &&
        !node_owned(file->node))
        return -EPERM;
    rt_lock(&file->lock);
    __atomic_store_n(&file->flags, (file->flags & ~changeable) | (flags & changeable),
                     __ATOMIC_RELAXED);
    rt_unlock(&file->lock);
    return 0;
}

struct owner_ex {
    int32_t type, id;
};

static int64_t set_owner(struct file *file, int32_t type, int32_t id)
{
    rt_lock(&file->lock);
    file->owner = type == F_OWNER_PGRP ? -id : id;
    file->owner_type = type;
    rt_unlock(&file->lock);
    return 0;
}

static int64_t set_owner_number(struct file *file, int32_t id)
{
    if (id == INT32_MIN)
        return -EINVAL;
    if (id != 0 && !(id > 0 ? process_exists(id) : group_exists(-id)))
        return -ESRCH;
    return set_owner(file, id < 0 ? F_OWNER_PGRP : F_OWNER_PID, id < 0 ? -id : id);
}

static int64_t owner_structure(struct file *file, bool set, uaddr_t at)
{
    struct owner_ex owner = { file->owner_type, file->owner < 0 ? -file->owner : file->owner };
    if (!set)
        return copy_out(at, &owner, sizeof(owner));
    int error = copy_in(&owner, at, sizeof(owner));
    if (error != 0)
        return error;
    if (owner.type < F_OWNER_TID || owner.type > F_OWNER_PGRP || owner.id < 0)
        return -EINVAL;
    return set_owner(file, owner.type, owner.id);
}

static int64_t set_signal(struct file *file, uint64_t number)
{
    if (number > 64)
        return -EINVAL;
    file->owner_signal = (int32_t)number;
    return 0;
}

/* Seals are of files without a name in memory alone. */
static int64_t seals(struct file *file, bool add, uint32_t wanted)
{
    const uint32_t known =
        F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    struct node *node = file->node;
    if (node == NULL || node->type != S_IFREG || !file_is_unnamed(file))
        return -EINVAL;
    if (!add)
        return node->seals;
    if (!file_writable(file))
        return -EPERM;
    int64_t result = 0;
    rt_lock(&node->lock);
    if ((wanted & ~known) != 0)
        result = -EINVAL;
    else if ((node->seals & F_SEAL_SEAL) != 0)
        result = -EPERM;
    else if ((wanted & ~node->seals & F_SEAL_WRITE) != 0 && node_is_mapped(node))
        result = -EBUSY;
    else
        node->seals |= wanted;
    rt_unlock(&node->lock);
    return result;
}

/* Those that an open file knows by itself. */
static int64_t fcntl_file(struct file *file, int fd, int command, uint64_t argument)
{
    switch (command) {
    case F_SETFL:
        return set_flags(file, (uint32_t)argument);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return fcntl_lock(file, fd, command, argument);
    case F_SETOWN:
        return set_owner_number(file, (int32_t)argument);
    case F_GETOWN:
        return file->owner;
    case F_SETOWN_EX:
    case F_GETOWN_EX:
        return owner_structure(file, command == F_SETOWN_EX, argument);
    case F_SETSIG:
        return set_signal(file, argument);
    case F_GETSIG:
        return file->owner_signal;
    case F_ADD_SEALS:
    case F_GET_SEALS:
        return seals(file, command == F_ADD_SEALS, (uint32_t)argument);
    default:
        if (file->ops->control != NULL)
            return file->ops->control(file, command, argument);
        return command == F_GETPIPE_SZ || command == F_SETPIPE_SZ ? -EBADF : -EINVAL;
    }
}

/* Also with O_PATH. */
static int64_t fcntl_any(struct file *file, int fd, int command, uint64_t argument)
{
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (argument >= resource_limit(RLIMIT_NOFILE) || argument > INT32_MAX)
            return -EINVAL;
        return duplicate(fd, (int)argument, command == F_DUPFD ? 0 : FD_CLOSE_ON_EXEC);
    case F_GETFD:
        return fd_flags(fd);
    case F_SETFD:
        return fd_set_flags(fd, (unsigned)argument & FD_CLOSE_ON_EXEC);
    case F_GETFL:
        return open_flags_to_guest(file_flags(file));
    default:
        return (file_flags(file) & O_PATH) != 0 ? -EBADF : fcntl_file(file, fd, command, argument);
    }
}

int64_t linux_fcntl(int fd, int command, uint64_t argument)
{
    struct file *file = fd_get_any(fd);
    if (file == NULL)
        return -EBADF;
    int64_t result = fcntl_any(file, fd, command, argument);
    file_put(file);
    return result;
}

int64_t linux_flock(int fd, uint32_t operation)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    int64_t result = file_flock(file, operation);
    file_put(file);
    return result;
}

/* ---- ioctl ---- */

#define FIONBIO      0x5421u
#define FIONREAD     0x541bu
#define FIONCLEX     0x5450u
#define FIOCLEX      0x5451u
#define FIOASYNC     0x5452u
#define FIOQSIZE     0x5460u
#define FIGETBSZ     2u
#define FICLONE      0x40049409u
#define FICLONERANGE 0x4020940du

static int64_t switch_flag(struct file *file, uint32_t flag, uaddr_t at)
{
    int32_t on;
    int error = copy_in(&on, at, sizeof(on));
    if (error != 0)
        return error;
    rt_lock(&file->lock);
    __atomic_store_n(&file->flags, on != 0 ? file->flags | flag : file->flags & ~flag,
                     __ATOMIC_RELAXED);
    rt_unlock(&file->lock);
    return 0;
}

static int64_t bytes_left(struct file *file, uaddr_t at)
{
    struct node_attributes attributes;
    int error = node_attributes(file->node, &attributes);
    if (error != 0)
        return error;
    int32_t left = (int32_t)MIN(attributes.size_bytes - MIN(file->position, attributes.size_bytes),
                                (uint64_t)INT32_MAX);
    return copy_out(at, &left, sizeof(left));
}

static int64_t ioctl_file(struct file *file, uint32_t request, uint64_t argument)
{
    bool stored =
        file->node != NULL && (file->node->type == S_IFREG || file->node->type == S_IFDIR);
    int32_t block = 4096;
    switch (request) {
    case FIONBIO:
        return switch_flag(file, O_NONBLOCK, argument);
    case FIOASYNC:
        return switch_flag(file, O_ASYNC, argument);
    case FIGETBSZ:
        if (stored)
            return copy_out(argument, &block, sizeof(block));
        break;
    case FIONREAD:
        if (stored && file->node->type == S_IFREG && file->ops->ioctl == NULL)
            return bytes_left(file, argument);
        break;
    case FICLONE:
    case FICLONERANGE:
        if (stored)
            return -EOPNOTSUPP;
        break;
    default:
        break;
    }
    return file->ops->ioctl != NULL ? file->ops->ioctl(file, request, argument) : -ENOTTY;
}

int64_t linux_ioctl(int fd, uint32_t request, uint64_t argument)
{
    if (request == FIOCLEX || request == FIONCLEX)
        return fd_set_flags(fd, request == FIOCLEX ? FD_CLOSE_ON_EXEC : 0);
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    int64_t result = ioctl_file(file, request, argument);
    file_put(file);
    return result;
}

/* ---- getdents ---- */

struct dirent_header {
    uint64_t inode;
    int64_t next;
    uint16_t size_bytes;
} PACKED;

/* Entries go straight to the guest; `newer` is getdents64's form, whose type stands before the
 * name and not in the last byte. */
struct dirent_sink {
    struct directory_sink sink;
    uaddr_t at;
    uint64_t left, done;
    bool newer;
    int error;
};

enum { DIRENT_NAME_AT = 18, DIRENT_BYTES = ALIGN_UP(DIRENT_NAME_AT + 1 + NAME_MAX + 1 + 1, 8) };

static bool dirent_entry(struct directory_sink *sink, const char *name, size_t length,
                         uint64_t inode, uint32_t type, uint64_t next)
{
    struct dirent_sink *out = CONTAINER_OF(sink, struct dirent_sink, sink);
    uint8_t bytes[DIRENT_BYTES] = { 0 };
    size_t size_bytes = ALIGN_UP(DIRENT_NAME_AT + length + 2, (size_t)8);
    struct dirent_header header = { inode, (int64_t)next, (uint16_t)size_bytes };
    if (size_bytes > out->left) {
        out->error = out->done == 0 ? -EINVAL : 0;
        return false;
    }
    memcpy(bytes, &header, sizeof(header));
    bytes[out->newer ? DIRENT_NAME_AT : size_bytes - 1] = (uint8_t)DT_OF(type);
    memcpy(bytes + DIRENT_NAME_AT + (out->newer ? 1 : 0), name, length);
    if (copy_out(out->at + out->done, bytes, size_bytes) != 0) {
        out->error = out->done == 0 ? -EFAULT : 0;
        return false;
    }
    out->done += size_bytes;
    out->left -= size_bytes;
    return true;
}

static int64_t get_entries(int fd, uaddr_t buffer, uint32_t size_bytes, bool newer)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    struct dirent_sink sink = {
        .sink.entry = dirent_entry, .at = buffer, .left = size_bytes, .newer = newer
    };
    int64_t result = -ENOTDIR;
    if (file->ops->readdir != NULL) {
        rt_lock(&file->lock);
        result = file->ops->readdir(file, &sink.sink);
        rt_unlock(&file->lock);
        if (result == 0 && sink.done == 0)
            result = sink.error;
        if (result == 0)
            result = (int64_t)sink.done;
    }
    file_put(file);
    return result;
}

int64_t linux_getdents64(int fd, uaddr_t buffer, uint32_t size)
{
    return get_entries(fd, buffer, size, true);
}

int64_t linux_getdents(int fd, uaddr_t buffer, uint32_t size)
{
    return get_entries(fd, buffer, size, false);
}

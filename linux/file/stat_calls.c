/* Looking at files: stat(2), statx(2), access(2), readlink(2), statfs(2). */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/stat.h>
#include <linux/calls.h>
#include <linux/file_impl.h>
#include <linux/limits.h>
#include <linux/machine.h>
#include <linux/pool.h>
#include <linux/task.h>

/* What a descriptor without a node says of itself. */
static void no_attributes(struct node_attributes *attributes)
{
    *attributes = (struct node_attributes){ .mode = 0600, .links = 1 };
}

/* Where something is: a path's node, or an open file's, which may have none. */
struct subject {
    struct path path;  /* counted, or empty */
    struct file *file; /* counted, or NULL */
    struct node *node;
};

static int subject_of_fd(int fd, struct subject *subject)
{
    *subject = (struct subject){ .file = fd_get_any(fd) };
    if (subject->file == NULL)
        return -EBADF;
    subject->node = subject->file->node;
    return 0;
}

static int subject_find(int directory, uaddr_t name, uint32_t flags, struct subject *subject)
{
    struct user_path path;
    *subject = (struct subject){ 0 };
    int error = user_path_in_empty(&path, name);
    if (error != 0)
        return error;
    if (path.text[0] == '\0' && (flags & AT_EMPTY_PATH) != 0 && directory != AT_FDCWD)
        return subject_of_fd(directory, subject);
    unsigned lookup = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? 0 : LOOKUP_FOLLOW;
    if ((flags & AT_EMPTY_PATH) != 0)
        lookup |= LOOKUP_EMPTY;
    error = path_find(directory, path.text, lookup, &subject->path);
    if (error == 0)
        subject->node = subject->path.name->node;
    return error;
}

static void subject_end(struct subject *subject)
{
    file_put(subject->file);
    path_put(&subject->path);
}

static int subject_view(const struct subject *subject, struct stat_view *view)
{
    const struct node *node = subject->node;
    *view = (struct stat_view){ 0 };
    if (node == NULL) {
        no_attributes(&view->attributes);
        return 0;
    }
    view->inode = node->inode;
    view->device = node->file_system->device;
    return node_attributes(subject->node, &view->attributes);
}

static int64_t stat_subject(struct subject *subject, int error, uaddr_t to)
{
    struct stat_view view;
    if (error == 0)
        error = subject_view(subject, &view);
    subject_end(subject);
    return error != 0 ? error : stat_out(to, &view);
}

int64_t linux_newfstatat(int directory, uaddr_t path, uaddr_t to, uint32_t flags)
{
    struct subject subject;
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    int error = subject_find(directory, path, flags, &subject);
    return stat_subject(&subject, error, to);
}

int64_t linux_stat(uaddr_t path, uaddr_t to)
{
    return linux_newfstatat(AT_FDCWD, path, to, 0);
}

int64_t linux_lstat(uaddr_t path, uaddr_t to)
{
    return linux_newfstatat(AT_FDCWD, path, to, AT_SYMLINK_NOFOLLOW);
}

int64_t linux_fstat(int fd, uaddr_t to)
{
    struct subject subject;
    int error = subject_of_fd(fd, &subject);
    return stat_subject(&subject, error, to);
}

/* ---- statx ---- */

static struct linux_statx_time statx_time(const struct timestamp *time)
{
    return (struct linux_statx_time){ .seconds = time->seconds, .nanoseconds = time->nanoseconds };
}

static void fill_statx(const struct stat_view *view, const struct subject *subject,
                       struct linux_statx *out)
{
    const struct node_attributes *from = &view->attributes;
    *out = (struct linux_statx){
        .mask = STATX_BASIC | STATX_BTIME | STATX_MNT_ID,
        .block_bytes = 4096,
        .attributes_mask = STATX_ATTR_MOUNT_ROOT,
        .links = from->links,
        .uid = from->uid,
        .gid = from->gid,
        .mode = (uint16_t)from->mode,
        .inode = view->inode,
        .size_bytes = from->size_bytes,
        .blocks = from->blocks_512,
        .accessed = statx_time(&from->accessed),
        .created = statx_time(&from->created),
        .changed = statx_time(&from->changed),
        .modified = statx_time(&from->modified),
        .rdev_major = device_major(from->device),
        .rdev_minor = device_minor(from->device),
        .device_major = device_major(view->device),
        .device_minor = device_minor(view->device),
    };
    const struct path *path = subject->file != NULL ? &subject->file->path : &subject->path;
    if (path->mount != NULL) {
        out->mount_id = (uint64_t)path->mount->id;
        if (path->name == path->mount->root)
            out->attributes = STATX_ATTR_MOUNT_ROOT;
    }
}

int64_t linux_statx(int directory, uaddr_t path, uint32_t flags, uint32_t mask, uaddr_t to)
{
    const uint32_t known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC;
    struct subject subject;
    struct stat_view view;
    struct linux_statx out;
    if ((flags & ~known) != 0 || (flags & AT_STATX_SYNC) == AT_STATX_SYNC ||
        (mask & STATX_RESERVED) != 0)
        return -EINVAL;
    int error = subject_find(directory, path, flags, &subject);
    if (error == 0)
        error = subject_view(&subject, &view);
    if (error == 0)
        fill_statx(&view, &subject, &out);
    subject_end(&subject);
    return error != 0 ? error : copy_out(to, &out, sizeof(out));
}

/* ---- access ---- */

static int64_t may_access(int directory, uaddr_t name, uint32_t mode, uint32_t flags)
{
    if ((mode & ~7u) != 0)
        return -EINVAL;
    bool real_ids = (flags & AT_EACCESS) == 0;
    unsigned lookup = real_ids ? LOOKUP_REAL_IDS : 0;
    lookup |= (flags & AT_SYMLINK_NOFOLLOW) != 0 ? 0 : LOOKUP_FOLLOW;
    lookup |= (flags & AT_EMPTY_PATH) != 0 ? LOOKUP_EMPTY : 0;
    struct path path;
    int error = path_find_user(directory, name, lookup, &path);
    if (error != 0)
        return error;
    struct who who;
    who_am_i(&who, real_ids);
    error = path_permission_as(&who, &path, mode);
    path_put(&path);
    return error;
}

int64_t linux_faccessat2(int directory, uaddr_t path, uint32_t mode, uint32_t flags)
{
    if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    return may_access(directory, path, mode, flags);
}

int64_t linux_faccessat(int directory, uaddr_t path, uint32_t mode)
{
    return may_access(directory, path, mode, 0);
}

int64_t linux_access(uaddr_t path, uint32_t mode)
{
    return may_access(AT_FDCWD, path, mode, 0);
}

/* ---- readlink ---- */

int64_t linux_readlinkat(int directory, uaddr_t path, uaddr_t to, int size)
{
    struct user_path text; /* of the name, then of where it leads */
    struct path found;
    if (size <= 0)
        return -EINVAL;
    int64_t length = user_path_in_empty(&text, path);
    if (length == 0)
        length = path_find(directory, text.text, LOOKUP_EMPTY, &found);
    if (length != 0)
        return length;
    if (found.name->node->type == S_IFLNK)
        length = path_readlink(&found, text.text, PATH_MAX);
    else /* without a name it was about a descriptor, and that is no link's */
        length = text.text[0] == '\0' ? -ENOENT : -EINVAL;
    if (length > size)
        length = size;
    if (length > 0 && copy_out(to, text.text, (size_t)length) != 0)
        length = -EFAULT;
    path_put(&found);
    return length;
}

int64_t linux_readlink(uaddr_t path, uaddr_t to, int size)
{
    return linux_readlinkat(AT_FDCWD, path, to, size);
}

/* ---- statfs ---- */

static uint64_t statfs_flags(const struct mount *mount)
{
    const uint32_t same = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const uint64_t st_valid = 0x20;
    const uint64_t st_relatime = 0x1000;
    return (mount == NULL ? 0 : mount->flags & same) | st_valid | st_relatime;
}

/* A file system without contents of its own has no blocks. */
static void fill_statfs(const struct file_system *file_system, struct linux_statfs *out)
{
    bool stores = file_system->magic == MAGIC_TMPFS || file_system->magic == MAGIC_OVERLAY;
    uint64_t pages = __atomic_load_n(&file_system->pages, __ATOMIC_RELAXED);
    uint64_t nodes = __atomic_load_n(&file_system->nodes, __ATOMIC_RELAXED);
    out->type = file_system->magic;
    out->block_bytes = MACHINE_PAGE;
    out->fragment_bytes = MACHINE_PAGE;
    out->name_max = NAME_MAX;
    out->id = file_system->device;
    if (!stores)
        return;
    uint64_t memory = container_memory_bytes();
    uint64_t total = file_system->limit_bytes != 0 ? MIN(file_system->limit_bytes, memory) : memory;
    out->blocks = total / MACHINE_PAGE;
    out->blocks_free = out->blocks - MIN(pages, out->blocks);
    out->blocks_available = out->blocks_free;
    out->files = nodes + out->blocks_free;
    out->files_free = out->blocks_free;
}

static int64_t statfs_to(const struct mount *mount, const struct file_system *file_system,
                         uaddr_t to)
{
    struct linux_statfs out = { .flags = statfs_flags(mount) };
    fill_statfs(file_system, &out);
    return copy_out(to, &out, sizeof(out));
}

int64_t linux_statfs(uaddr_t path, uaddr_t to)
{
    struct path found;
    int error = path_find_user(AT_FDCWD, path, LOOKUP_FOLLOW, &found);
    if (error != 0)
        return error;
    int64_t result = statfs_to(found.mount, found.name->node->file_system, to);
    path_put(&found);
    return result;
}

int64_t linux_fstatfs(int fd, uaddr_t to)
{
    struct subject subject;
    int64_t result = subject_of_fd(fd, &subject);
    if (result == 0 && subject.node == NULL) {
        const struct file_system anonymous = { .magic = MAGIC_ANONYMOUS };
        result = statfs_to(NULL, &anonymous, to);
    } else if (result == 0) {
        struct file_system shown = *subject.node->file_system;
        if (shown.magic == MAGIC_ANONYMOUS) /* one file system for both */
            shown.magic = subject.node->type == S_IFIFO ? MAGIC_PIPES : MAGIC_SOCKETS;
        result = statfs_to(subject.file->path.mount, &shown, to);
    }
    subject_end(&subject);
    return result;
}

/* mount(2) and umount(2): of what there is in memory. One mount namespace per container. */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/calls.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/memfs.h>
#include <linux/mounts.h>
#include <linux/task.h>

enum { TYPE_BYTES = 32, OPTIONS_BYTES = MACHINE_PAGE };

#define MOUNT_FLAGS                                                                                \
    (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME)

/* ---- Options of tmpfs ---- */

struct tmpfs_options {
    uint64_t size_bytes;
    uint32_t mode, uid, gid;
};

/* A number with a base, and k, m, g or % (of the container's memory) behind it. */
static bool option_number(const char *text, unsigned base, uint64_t *value_out)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at < (char)('0' + MIN(base, 10u)); at++) {
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    }
    if (at == text)
        return false;
    unsigned shift = 0;
    switch (*at) {
    case 'k':
    case 'K':
        shift = 10;
        break;
    case 'm':
    case 'M':
        shift = 20;
        break;
    case 'g':
    case 'G':
        shift = 30;
        break;
    default:
        break;
    }
    if (value > UINT64_MAX >> shift)
        return false;
    *value_out = value << shift;
    return at[shift != 0] == '\0';
}

static bool take_option(struct tmpfs_options *options, const char *option)
{
    uint64_t value;
    if (strncmp(option, "size=", 5) == 0) {
        if (!option_number(option + 5, 10, &value))
            return false;
        options->size_bytes = value;
    } else if (strncmp(option, "mode=", 5) == 0) {
        if (!option_number(option + 5, 8, &value) || value > S_PERMISSIONS)
            return false;
        options->mode = (uint32_t)value;
    } else if (strncmp(option, "uid=", 4) == 0 || strncmp(option, "gid=", 4) == 0) {
        if (!option_number(option + 4, 10, &value) || value >= UINT32_MAX)
            return false;
        *(option[0] == 'u' ? &options->uid : &options->gid) = (uint32_t)value;
    } else {
        return option[0] == '\0';
    }
    return true;
}

/* The text is cut at its commas. */
static int take_options(struct tmpfs_options *options, char *text)
{
    while (text != NULL) {
        char *comma = strchr(text, ',');
        if (comma != NULL)
            *comma = '\0';
        if (!take_option(options, text))
            return -EINVAL;
        text = comma != NULL ? comma + 1 : NULL;
    }
    return 0;
}

static int make_tmpfs(char *text, struct file_system **file_system_out, struct name **root_out)
{
    struct tmpfs_options options = { .mode = 01777,
                                     .uid = task_self()->cred->fsuid,
                                     .gid = task_self()->cred->fsgid };
    int error = take_options(&options, text);
    if (error == 0)
        error = memfs_create("tmpfs", MAGIC_TMPFS, options.mode, options.size_bytes,
                             file_system_out, root_out);
    if (error != 0)
        return error;
    (*root_out)->node->attributes.uid = options.uid;
    (*root_out)->node->attributes.gid = options.gid;
    return 0;
}

/* ---- What mount does ---- */

struct mount_request {
    struct path on;
    uint32_t flags; /* MS_ */
    uaddr_t source, type, data;
};

static int mount_fresh(const struct mount_request *request)
{
    char type[TYPE_BYTES];
    struct user_path source;
    int64_t length = copy_in_text(type, request->type, sizeof(type));
    if (length < 0)
        return length == -EFAULT ? -EFAULT : -ENODEV;
    source.text[0] = '\0';
    int error = request->source == 0 ? 0 : user_path_in_empty(&source, request->source);
    char *options = heap_alloc(OPTIONS_BYTES);
    if (options == NULL)
        return -ENOMEM;
    if (error == 0 && request->data != 0) {
        length = copy_in_text(options, request->data, OPTIONS_BYTES);
        if (length < 0)
            error = length == -EFAULT ? -EFAULT : -EINVAL;
    }
    struct file_system *file_system;
    struct name *root;
    if (error == 0)
        error = strcmp(type, "tmpfs") == 0 ? make_tmpfs(options, &file_system, &root)
                                           : pseudo_find(type, &file_system, &root);
    heap_free(options);
    struct mount *mount;
    if (error == 0)
        error = mount_create(file_system, root, &request->on, request->flags & MOUNT_FLAGS,
                             source.text[0] != '\0' ? source.text : "none", &mount);
    if (error == 0)
        mount_put(mount);
    return error;
}

static int mount_bind(const struct mount_request *request)
{
    struct path from;
    struct mount *mount;
    int error = path_find_user(AT_FDCWD, request->source, LOOKUP_FOLLOW, &from);
    if (error != 0)
        return error;
    bool from_directory = from.name->node->type == S_IFDIR;
    if (from.mount == NULL || from_directory != (request->on.name->node->type == S_IFDIR)) {
        path_put(&from);
        return from_directory ? -ENOTDIR : -EINVAL;
    }
    error = mount_create(file_system_get(from.mount->file_system), name_get(from.name),
                         &request->on, from.mount->flags, from.mount->source, &mount);
    if (error == 0)
        mount_put(mount);
    path_put(&from);
    return error;
}

static int mount_change(const struct mount_request *request)
{
    struct mount *mount = request->on.mount;
    if (request->on.name != mount->root)
        return -EINVAL;
    return mount_set_flags(mount, request->flags & MOUNT_FLAGS);
}

static int mount_elsewhere(const struct mount_request *request)
{
    struct path from;
    int error = path_find_user(AT_FDCWD, request->source, LOOKUP_FOLLOW, &from);
    if (error != 0)
        return error;
    bool from_directory = from.name->node->type == S_IFDIR;
    if (from.name != from.mount->root ||
        from_directory != (request->on.name->node->type == S_IFDIR))
        error = -EINVAL;
    if (error == 0)
        error = mount_move(from.mount, &request->on);
    path_put(&from);
    return error;
}

static int mount_as_asked(const struct mount_request *request)
{
    const uint32_t propagation = MS_PRIVATE | MS_SLAVE | MS_SHARED | MS_UNBINDABLE;
    if ((request->flags & MS_REMOUNT) != 0)
        return mount_change(request);
    if ((request->flags & MS_BIND) != 0)
        return mount_bind(request);
    /* Nobody else is there to hear of mounts, so nothing is shared whatever is asked for; only what
     * promises that is accepted. */
    if ((request->flags & propagation) != 0)
        return (request->flags & (MS_SHARED | MS_UNBINDABLE)) != 0 ? -EINVAL : 0;
    if ((request->flags & MS_MOVE) != 0)
        return mount_elsewhere(request);
    if (request->on.name->node->type != S_IFDIR)
        return -ENOTDIR;
    return mount_fresh(request);
}

int64_t linux_mount(uaddr_t source, uaddr_t target, uaddr_t type, uint64_t flags, uaddr_t data)
{
    const uint64_t magic = 0xc0ed0000, magic_mask = 0xffff0000;
    if ((flags & magic_mask) == magic)
        flags &= ~magic_mask;
    const uint64_t known = MOUNT_FLAGS | MS_REMOUNT | MS_BIND | MS_MOVE | MS_REC | MS_SILENT |
                           MS_SYNCHRONOUS | MS_STRICTATIME | MS_PRIVATE | MS_SLAVE | MS_SHARED |
                           MS_UNBINDABLE;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    if ((flags & ~known) != 0)
        return -EINVAL;
    struct mount_request request = {
        .flags = (uint32_t)flags, .source = source, .type = type, .data = data
    };
    int error = path_find_user(AT_FDCWD, target, LOOKUP_FOLLOW, &request.on);
    if (error != 0)
        return error;
    error = mount_as_asked(&request);
    path_put(&request.on);
    return error;
}

int64_t linux_umount2(uaddr_t target, uint32_t flags)
{
    if ((flags & ~(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW)) != 0)
        return -EINVAL;
    if (!capable(CAP_SYS_ADMIN))
        return -EPERM;
    struct path path;
    unsigned lookup = (flags & UMOUNT_NOFOLLOW) != 0 ? 0 : LOOKUP_FOLLOW;
    int error = path_find_user(AT_FDCWD, target, lookup, &path);
    if (error != 0)
        return error;
    struct mount *mount = mount_get(path.mount);
    bool is_root = path.name == mount->root;
    path_put(&path);
    error = is_root ? mount_remove(mount, (flags & MNT_DETACH) != 0) : -EINVAL;
    mount_put(mount);
    return error;
}

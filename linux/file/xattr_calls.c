/* Extended attributes: setxattr(2), getxattr(2), listxattr(2), xattr(7). */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/calls.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

struct xattr_name {
    char text[XATTR_NAME_MAX + 1];
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int name_in(struct xattr_name *name, uaddr_t from)
{
    int64_t length = copy_in_text(name->text, from, sizeof(name->text));
    if (length == -ENAMETOOLONG || length == 0)
        return -ERANGE;
    return length < 0 ? (int)length : 0;
}

/* By the name's space: who may, and whether there is such a thing. */
static int may_use(const struct path *path, const char *name, bool write)
{
    struct node *node = path->name->node;
    if (write && mount_is(path, MS_RDONLY))
        return -EROFS;
    if (begins(name, "system."))
        return -EOPNOTSUPP; /* no access control lists */
    if (begins(name, "trusted.")) {
        if (capable(CAP_SYS_ADMIN))
            return 0;
        return write ? -EPERM : -ENODATA;
    }
    if (begins(name, "security.")) {
        bool files = strcmp(name, XATTR_CAPABILITY) == 0;
        return !write || capable(files ? CAP_SETFCAP : CAP_SYS_ADMIN) ? 0 : -EPERM;
    }
    if (!begins(name, "user."))
        return -EOPNOTSUPP;
    if (strcmp(name, "user.") == 0)
        return -EINVAL;
    if (node->type != S_IFREG && node->type != S_IFDIR)
        return write ? -EPERM : -ENODATA;
    return node_permission(node, write ? MAY_WRITE : MAY_READ);
}

/* ---- What a call is about ---- */

struct on {
    struct path path; /* counted or a file's */
    struct file *file;
    struct name stand_in;
};

static int on_path(struct on *on, uaddr_t name, bool follow)
{
    *on = (struct on){ 0 };
    return path_find_user(AT_FDCWD, name, follow ? LOOKUP_FOLLOW : 0, &on->path);
}

static int on_file(struct on *on, int fd)
{
    *on = (struct on){ .file = fd_get(fd) };
    if (on->file == NULL)
        return -EBADF;
    if (on->file->path.name != NULL) {
        on->path = on->file->path;
    } else if (on->file->node != NULL) {
        on->stand_in.node = on->file->node;
        on->path.name = &on->stand_in;
    } else {
        file_put(on->file);
        return -EOPNOTSUPP;
    }
    return 0;
}

static void on_end(struct on *on)
{
    if (on->file != NULL)
        file_put(on->file);
    else
        path_put(&on->path);
}

/* ---- set ---- */

static int64_t set_value(const struct path *path, uaddr_t name, uaddr_t value, uint64_t size_bytes,
                         uint32_t flags)
{
    struct xattr_name text;
    struct node *node = path->name->node;
    if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0)
        return -EINVAL;
    int error = name_in(&text, name);
    if (error == 0 && size_bytes > XATTR_SIZE_MAX)
        error = -E2BIG;
    if (error == 0)
        error = may_use(path, text.text, true);
    if (error == 0 && node->ops->set_xattr == NULL)
        error = -EOPNOTSUPP;
    if (error != 0)
        return error;
    void *copy = heap_alloc(MAX((size_t)size_bytes, (size_t)1));
    if (copy == NULL)
        return -ENOMEM;
    error = copy_in(copy, value, (size_t)size_bytes);
    if (error == 0 && strcmp(text.text, XATTR_CAPABILITY) == 0 &&
        !file_capabilities_settable(copy, (size_t)size_bytes))
        error = -EINVAL;
    if (error == 0)
        error = node->ops->set_xattr(node, text.text, copy, (size_t)size_bytes, flags);
    heap_free(copy);
    return error;
}

static int64_t set_on(struct on *on, int error, uaddr_t name, uaddr_t value, uint64_t size_bytes,
                      uint32_t flags)
{
    if (error != 0)
        return error;
    int64_t result = set_value(&on->path, name, value, size_bytes, flags);
    on_end(on);
    return result;
}

int64_t linux_setxattr(uaddr_t path, uaddr_t name, uaddr_t value, uint64_t size, uint32_t flags)
{
    struct on on;
    int error = on_path(&on, path, true);
    return set_on(&on, error, name, value, size, flags);
}

int64_t linux_lsetxattr(uaddr_t path, uaddr_t name, uaddr_t value, uint64_t size, uint32_t flags)
{
    struct on on;
    int error = on_path(&on, path, false);
    return set_on(&on, error, name, value, size, flags);
}

int64_t linux_fsetxattr(int fd, uaddr_t name, uaddr_t value, uint64_t size, uint32_t flags)
{
    struct on on;
    int error = on_file(&on, fd);
    return set_on(&on, error, name, value, size, flags);
}

/* ---- get ---- */

static int64_t get_value(const struct path *path, uaddr_t name, uaddr_t to, uint64_t size_bytes)
{
    struct xattr_name text;
    struct node *node = path->name->node;
    int error = name_in(&text, name);
    if (error == 0)
        error = may_use(path, text.text, false);
    if (error == 0 && node->ops->get_xattr == NULL)
        error = -EOPNOTSUPP;
    if (error != 0)
        return error;
    size_t room = (size_t)MIN(size_bytes, (uint64_t)XATTR_SIZE_MAX);
    void *value = room == 0 ? NULL : heap_alloc(room);
    if (room != 0 && value == NULL)
        return -ENOMEM;
    int64_t length = node->ops->get_xattr(node, text.text, value, room);
    if (length > 0 && room != 0 && copy_out(to, value, (size_t)length) != 0)
        length = -EFAULT;
    heap_free(value);
    return length;
}

static int64_t get_on(struct on *on, int error, uaddr_t name, uaddr_t to, uint64_t size_bytes)
{
    if (error != 0)
        return error;
    int64_t result = get_value(&on->path, name, to, size_bytes);
    on_end(on);
    return result;
}

int64_t linux_getxattr(uaddr_t path, uaddr_t name, uaddr_t to, uint64_t size)
{
    struct on on;
    int error = on_path(&on, path, true);
    return get_on(&on, error, name, to, size);
}

int64_t linux_lgetxattr(uaddr_t path, uaddr_t name, uaddr_t to, uint64_t size)
{
    struct on on;
    int error = on_path(&on, path, false);
    return get_on(&on, error, name, to, size);
}

int64_t linux_fgetxattr(int fd, uaddr_t name, uaddr_t to, uint64_t size)
{
    struct on on;
    int error = on_file(&on, fd);
    return get_on(&on, error, name, to, size);
}

/* ---- list ---- */

/* Names that the caller may not use are not shown; what is left moves together. */
static int64_t visible(char *list, int64_t length)
{
    bool trusted = capable(CAP_SYS_ADMIN);
    int64_t kept = 0;
    for (int64_t at = 0; at < length;) {
        int64_t size_bytes = (int64_t)strlen(list + at) + 1;
        if (trusted || !begins(list + at, "trusted.")) {
            memmove(list + kept, list + at, (size_t)size_bytes);
            kept += size_bytes;
        }
        at += size_bytes;
    }
    return kept;
}

static int64_t list_names(const struct path *path, uaddr_t to, uint64_t size_bytes)
{
    struct node *node = path->name->node;
    if (node->ops->list_xattr == NULL)
        return 0;
    char *list = heap_alloc(XATTR_LIST_MAX);
    if (list == NULL)
        return -ENOMEM;
    int64_t length = node->ops->list_xattr(node, list, XATTR_LIST_MAX);
    if (length == -ERANGE)
        length = -E2BIG;
    if (length > 0)
        length = visible(list, length);
    if (length > 0 && size_bytes != 0) {
        if ((uint64_t)length > size_bytes)
            length = -ERANGE;
        else if (copy_out(to, list, (size_t)length) != 0)
            length = -EFAULT;
    }
    heap_free(list);
    return length;
}

static int64_t list_on(struct on *on, int error, uaddr_t to, uint64_t size_bytes)
{
    if (error != 0)
        return error;
    int64_t result = list_names(&on->path, to, size_bytes);
    on_end(on);
    return result;
}

int64_t linux_listxattr(uaddr_t path, uaddr_t to, uint64_t size)
{
    struct on on;
    int error = on_path(&on, path, true);
    return list_on(&on, error, to, size);
}

int64_t linux_llistxattr(uaddr_t path, uaddr_t to, uint64_t size)
{
    struct on on;
    int error = on_path(&on, path, false);
    return list_on(&on, error, to, size);
}

int64_t linux_flistxattr(int fd, uaddr_t to, uint64_t size)
{
    struct on on;
    int error = on_file(&on, fd);
    return list_on(&on, error, to, size);
}

/* ---- remove ---- */

static int64_t remove_value(const struct path *path, uaddr_t name)
{
    struct xattr_name text;
    struct node *node = path->name->node;
    int error = name_in(&text, name);
    if (error == 0)
        error = may_use(path, text.text, true);
    if (error == 0 && node->ops->remove_xattr == NULL)
        error = -EOPNOTSUPP;
    return error != 0 ? error : node->ops->remove_xattr(node, text.text);
}

static int64_t remove_on(struct on *on, int error, uaddr_t name)
{
    if (error != 0)
        return error;
    int64_t result = remove_value(&on->path, name);
    on_end(on);
    return result;
}

int64_t linux_removexattr(uaddr_t path, uaddr_t name)
{
    struct on on;
    int error = on_path(&on, path, true);
    return remove_on(&on, error, name);
}

int64_t linux_lremovexattr(uaddr_t path, uaddr_t name)
{
    struct on on;
    int error = on_path(&on, path, false);
    return remove_on(&on, error, name);
}

int64_t linux_fremovexattr(int fd, uaddr_t name)
{
    struct on on;
    int error = on_file(&on, fd);
    return remove_on(&on, error, name);
}

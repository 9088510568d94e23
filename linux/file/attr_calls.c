/* Changing attributes, and where a process stands: chmod(2), chown(2), utimensat(2), umask(2),
 * chdir(2), chroot(2), getcwd(2).
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

/* From the look at whose a file is to the change of its mode or owner: otherwise a mode that its
 * old owner may give it would meet the new one. */
static struct rt_lock owners_lock;

/* ---- chmod ---- */

static int change_mode_locked(const struct path *path, uint32_t mode)
{
    struct node *node = path->name->node;
    struct node_attributes attributes;
    if (mount_is(path, MS_RDONLY))
        return -EROFS;
    if (node->type == S_IFLNK)
        return -EOPNOTSUPP;
    int error = node_attributes(node, &attributes);
    if (error != 0)
        return error;
    struct who who;
    who_am_i(&who, false);
    if (who.uid != attributes.uid && !who_can(&who, CAP_FOWNER))
        return -EPERM;
    attributes.mode = mode & S_PERMISSIONS;
    if (!who_in_group(&who, attributes.gid) && !who_can(&who, CAP_FSETID))
        attributes.mode &= ~S_ISGID;
    return node_set_attributes(node, &attributes, SET_MODE);
}

static int change_mode(const struct path *path, uint32_t mode)
{
    rt_lock(&owners_lock);
    int error = change_mode_locked(path, mode);
    rt_unlock(&owners_lock);
    return error;
}

static int64_t change_mode_at(int directory, uaddr_t name, uint32_t mode, uint32_t flags)
{
    struct path path;
    int error = path_find_at(directory, name, flags, &path);
    if (error != 0)
        return error;
    error = change_mode(&path, mode);
    path_put(&path);
    return error;
}

int64_t linux_chmod(uaddr_t path, uint32_t mode)
{
    return change_mode_at(AT_FDCWD, path, mode, 0);
}

int64_t linux_fchmodat(int directory, uaddr_t path, uint32_t mode)
{
    return change_mode_at(directory, path, mode, 0);
}

int64_t linux_fchmodat2(int directory, uaddr_t path, uint32_t mode, uint32_t flags)
{
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    return change_mode_at(directory, path, mode, flags);
}

/* Of a file without a path the node is all there is. */
static struct path path_of(struct file *file, struct name *stand_in)
{
    if (file->path.name != NULL)
        return file->path;
    *stand_in = (struct name){ .node = file->node };
    return (struct path){ .name = stand_in };
}

int64_t linux_fchmod(int fd, uint32_t mode)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    struct name stand_in;
    struct path path = path_of(file, &stand_in);
    int64_t result = file->node == NULL ? -EINVAL : change_mode(&path, mode);
    file_put(file);
    return result;
}

/* ---- chown ---- */

#define KEEP_ID UINT32_MAX

static bool may_change_owner(const struct who *who, const struct node_attributes *old, uint32_t uid,
                             uint32_t gid)
{
    if (who_can(who, CAP_CHOWN))
        return true;
    bool owner = who->uid == old->uid;
    bool uid_same = uid == KEEP_ID || (owner && uid == old->uid);
    bool gid_mine = gid == KEEP_ID || (owner && (gid == old->gid || who_in_group(who, gid)));
    return uid_same && gid_mine;
}

static int change_owner_locked(const struct path *path, uint32_t uid, uint32_t gid)
{
    struct node *node = path->name->node;
    struct node_attributes attributes;
    if (mount_is(path, MS_RDONLY))
        return -EROFS;
    int error = node_attributes(node, &attributes);
    if (error != 0)
        return error;
    struct who who;
    who_am_i(&who, false);
    if (!may_change_owner(&who, &attributes, uid, gid))
        return -EPERM;
    unsigned which = (uid != KEEP_ID ? SET_OWNER : 0u) | (gid != KEEP_ID ? SET_GROUP : 0u);
    /* What the file could give to who runs it goes with its owner. */
    uint32_t mode = attributes.mode;
    if (node->type != S_IFDIR && (mode & (S_ISUID | S_ISGID)) != 0) {
        mode &= ~S_ISUID;
        if ((mode & S_IXGRP) != 0)
            mode &= ~S_ISGID;
        attributes.mode = mode;
        which |= SET_MODE;
    }
    attributes.uid = uid;
    attributes.gid = gid;
    if (node->type != S_IFDIR && node->ops->remove_xattr != NULL)
        (void)node->ops->remove_xattr(node, XATTR_CAPABILITY);
    return node_set_attributes(node, &attributes, which);
}

static int change_owner(const struct path *path, uint32_t uid, uint32_t gid)
{
    rt_lock(&owners_lock);
    int error = change_owner_locked(path, uid, gid);
    rt_unlock(&owners_lock);
    return error;
}

static int64_t change_owner_at(int directory, uaddr_t name, uint32_t uid, uint32_t gid,
                               uint32_t flags)
{
    struct path path;
    int error = path_find_at(directory, name, flags, &path);
    if (error != 0)
        return error;
    error = change_owner(&path, uid, gid);
    path_put(&path);
    return error;
}

int64_t linux_chown(uaddr_t path, uint32_t uid, uint32_t gid)
{
    return change_owner_at(AT_FDCWD, path, uid, gid, 0);
}

int64_t linux_lchown(uaddr_t path, uint32_t uid, uint32_t gid)
{
    return change_owner_at(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int64_t linux_fchownat(int directory, uaddr_t path, uint32_t uid, uint32_t gid, uint32_t flags)
{
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    return change_owner_at(directory, path, uid, gid, flags);
}

int64_t linux_fchown(int fd, uint32_t uid, uint32_t gid)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    struct name stand_in;
    struct path path = path_of(file, &stand_in);
    int64_t result = file->node == NULL ? -EINVAL : change_owner(&path, uid, gid);
    file_put(file);
    return result;
}

/* ---- Times ---- */

#define UTIME_NOW  0x3fffffff
#define UTIME_OMIT 0x3ffffffe

struct times {
    struct timestamp accessed, modified;
    unsigned which;
    bool now; /* both are: who may write may say so */
};

static int take_time(const struct linux_timespec *from, struct timestamp *to, unsigned bit,
                     unsigned *which)
{
    if (from->nanoseconds == UTIME_OMIT)
        return 0;
    *which |= bit;
    if (from->nanoseconds == UTIME_NOW) {
        *to = timestamp_now();
        return 0;
    }
    if (from->nanoseconds < 0 || from->nanoseconds >= (int64_t)NS_PER_SECOND)
        return -EINVAL;
    *to = (struct timestamp){ from->seconds, (uint32_t)from->nanoseconds };
    return 0;
}

static int take_times(const struct linux_timespec from[2], struct times *times)
{
    *times = (struct times){ 0 };
    int error = take_time(&from[0], &times->accessed, SET_ACCESSED, &times->which);
    if (error == 0)
        error = take_time(&from[1], &times->modified, SET_MODIFIED, &times->which);
    times->now = from[0].nanoseconds == UTIME_NOW && from[1].nanoseconds == UTIME_NOW;
    return error;
}

static const struct linux_timespec both_now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };

static int change_times(const struct path *path, const struct times *times)
{
    struct node *node = path->name->node;
    if (times->which == 0)
        return 0;
    if (mount_is(path, MS_RDONLY))
        return -EROFS;
    if (!node_owned(node)) {
        if (!times->now)
            return -EPERM;
        int error = node_permission(node, MAY_WRITE);
        if (error != 0)
            return error;
    }
    struct node_attributes attributes = { .accessed = times->accessed,
                                          .modified = times->modified };
    return node_set_attributes(node, &attributes, times->which);
}

static int64_t change_times_at(int directory, uaddr_t name, const struct times *times,
                               uint32_t flags)
{
    struct path path;
    int error = path_find_at(directory, name, flags, &path);
    if (error != 0)
        return error;
    error = change_times(&path, times);
    path_put(&path);
    return error;
}

static int64_t change_times_of(int fd, const struct times *times)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    struct name stand_in;
    struct path path = path_of(file, &stand_in);
    int64_t result = file->node == NULL ? -EINVAL : change_times(&path, times);
    file_put(file);
    return result;
}

int64_t linux_utimensat(int directory, uaddr_t path, uaddr_t times, uint32_t flags)
{
    struct linux_timespec given[2] = { both_now[0], both_now[1] };
    struct times taken;
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    int error = times == 0 ? 0 : copy_in(given, times, sizeof(given));
    if (error == 0)
        error = take_times(given, &taken);
    if (error != 0)
        return error;
    if (path == 0)
        return directory == AT_FDCWD ? -EFAULT : change_times_of(directory, &taken);
    return change_times_at(directory, path, &taken, flags);
}

int64_t linux_futimesat(int directory, uaddr_t path, uaddr_t times)
{
    struct linux_timeval given[2];
    struct linux_timespec precise[2] = { both_now[0], both_now[1] };
    struct times taken;
    if (times != 0) {
        int error = copy_in(given, times, sizeof(given));
        if (error != 0)
            return error;
        for (unsigned i = 0; i < 2; i++) {
            if (given[i].microseconds < 0 || given[i].microseconds >= 1000000)
                return -EINVAL;
            precise[i].seconds = given[i].seconds;
            precise[i].nanoseconds = given[i].microseconds * 1000;
        }
    }
    int error = take_times(precise, &taken);
    return error != 0 ? error : change_times_at(directory, path, &taken, 0);
}

int64_t linux_utimes(uaddr_t path, uaddr_t times)
{
    return linux_futimesat(AT_FDCWD, path, times);
}

int64_t linux_utime(uaddr_t path, uaddr_t times)
{
    int64_t given[2];
    struct linux_timespec precise[2] = { both_now[0], both_now[1] };
    struct times taken;
    int error = times == 0 ? 0 : copy_in(given, times, sizeof(given));
    if (error != 0)
        return error;
    for (unsigned i = 0; times != 0 && i < 2; i++)
        precise[i] = (struct linux_timespec){ given[i], 0 };
    error = take_times(precise, &taken);
    return error != 0 ? error : change_times_at(AT_FDCWD, path, &taken, 0);
}

/* ---- Where a process stands ---- */

int64_t linux_umask(uint32_t mask)
{
    struct fs_context *fs = task_self()->fs;
    rt_lock(&fs->lock);
    uint32_t old = fs->umask;
    fs->umask = mask & 0777;
    rt_unlock(&fs->lock);
    return old;
}

int64_t linux_getcwd(uaddr_t to, uint64_t size)
{
    char *text = heap_alloc(PATH_MAX);
    if (text == NULL)
        return -ENOMEM;
    struct path working = path_working();
    int64_t length = path_text(&working, text, PATH_MAX);
    rt_lock(&names_lock);
    bool gone = working.name != working.mount->root && !working.name->linked;
    rt_unlock(&names_lock);
    path_put(&working);
    int64_t result = length < 0 ? length : length + 1;
    if (gone)
        result = -ENOENT;
    else if (result > 0 && (uint64_t)result > size)
        result = -ERANGE;
    else if (result > 0 && copy_out(to, text, (size_t)result) != 0)
        result = -EFAULT;
    heap_free(text);
    return result;
}

/* The path is taken, and what was there before is put. */
static void stand_at(struct path *where, struct path *path_taken)
{
    struct fs_context *fs = task_self()->fs;
    rt_lock(&fs->lock);
    struct path old = *where;
    *where = *path_taken;
    rt_unlock(&fs->lock);
    path_put(&old);
}

static int may_enter(const struct path *path)
{
    return path->name->node->type != S_IFDIR ? -ENOTDIR : path_permission(path, MAY_EXECUTE);
}

int64_t linux_chdir(uaddr_t path)
{
    struct path found;
    int error = path_find_user(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &found);
    if (error != 0)
        return error;
    error = may_enter(&found);
    if (error == 0)
        stand_at(&task_self()->fs->working, &found);
    else
        path_put(&found);
    return error;
}

int64_t linux_fchdir(int fd)
{
    struct file *file = fd_get_any(fd);
    if (file == NULL)
        return -EBADF;
    int error = file->path.name == NULL ? -ENOTDIR : may_enter(&file->path);
    if (error == 0) {
        struct path path = path_get(&file->path);
        stand_at(&task_self()->fs->working, &path);
    }
    file_put(file);
    return error;
}

int64_t linux_chroot(uaddr_t path)
{
    struct path found;
    int error = path_find_user(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &found);
    if (error != 0)
        return error;
    error = may_enter(&found);
    if (error == 0 && !capable(CAP_SYS_CHROOT))
        error = -EPERM;
    if (error == 0)
        stand_at(&task_self()->fs->root, &found);
    else
        path_put(&found);
    return error;
}

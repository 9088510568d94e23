/* Making, moving and taking away names: mkdir(2), mknod(2), symlink(2), link(2), unlink(2),
 * rename(2).
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/calls.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

static NOINLINE int parent_of(int directory, uaddr_t name, struct path_parent *parent_out)
{
    struct user_path path;
    int error = user_path_in(&path, name);
    return error != 0 ? error : path_parent(directory, path.text, parent_out);
}

/* ---- New ones ---- */

static int64_t make(int directory, uaddr_t name, uint32_t mode, uint64_t device)
{
    struct path_parent parent;
    struct path path;
    int error = parent_of(directory, name, &parent);
    if (error != 0)
        return error;
    mode &= ~(task_self()->fs->umask & 0777);
    error = entry_create(&parent, mode, device, NULL, &path);
    if (error == 0)
        path_put(&path);
    path_parent_end(&parent);
    return error;
}

int64_t linux_mkdirat(int directory, uaddr_t path, uint32_t mode)
{
    return make(directory, path, S_IFDIR | (mode & (S_ISVTX | 0777)), 0);
}

int64_t linux_mkdir(uaddr_t path, uint32_t mode)
{
    return linux_mkdirat(AT_FDCWD, path, mode);
}

int64_t linux_mknodat(int directory, uaddr_t path, uint32_t mode, uint64_t device)
{
    uint32_t type = mode & S_IFMT;
    mode &= S_PERMISSIONS;
    switch (type) {
    case 0:
    case S_IFREG:
        return make(directory, path, S_IFREG | mode, 0);
    case S_IFIFO:
    case S_IFSOCK:
        return make(directory, path, type | mode, 0);
    case S_IFCHR:
    case S_IFBLK:
        if (!capable(CAP_MKNOD))
            return -EPERM;
        return make(directory, path, type | mode, device & UINT32_MAX);
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

int64_t linux_mknod(uaddr_t path, uint32_t mode, uint64_t device)
{
    return linux_mknodat(AT_FDCWD, path, mode, device);
}

static int link_text_in(char *text, uaddr_t from)
{
    int64_t length = copy_in_text(text, from, PATH_MAX);
    return length < 0 ? (int)length : length == 0 ? -ENOENT : 0;
}

int64_t linux_symlinkat(uaddr_t target, int directory, uaddr_t path)
{
    struct path_parent parent;
    struct path made;
    char *text = heap_alloc(PATH_MAX);
    if (text == NULL)
        return -ENOMEM;
    int error = link_text_in(text, target);
    if (error == 0)
        error = parent_of(directory, path, &parent);
    if (error == 0) {
        error = entry_create(&parent, S_IFLNK | 0777, 0, text, &made);
        if (error == 0)
            path_put(&made);
        path_parent_end(&parent);
    }
    heap_free(text);
    return error;
}

int64_t linux_symlink(uaddr_t target, uaddr_t path)
{
    return linux_symlinkat(target, AT_FDCWD, path);
}

/* ---- Another link ---- */

/* One link more, if it may have one. */
static int add_link(struct node *node)
{
    int error = 0;
    rt_lock(&node->lock);
    if (node->attributes.links == 0 && !node->linkable)
        error = -ENOENT;
    else if (node->attributes.links >= LINK_MAX)
        error = -EMLINK;
    else
        node->attributes.links++;
    if (error == 0) {
        node->linkable = false;
        node->attributes.changed = timestamp_now();
    }
    rt_unlock(&node->lock);
    return error;
}

/* May the new name be made, if there is none yet? */
static int may_link(const struct path *from, const struct path_parent *parent)
{
    const struct node *node = from->name->node;
    const struct node *into = parent->directory.name->node;
    if (mount_is(&parent->directory, MS_RDONLY))
        return -EROFS;
    if (from->mount != parent->directory.mount || node->file_system != into->file_system)
        return -EXDEV;
    int error = directory_writable(&parent->directory, &parent->who);
    if (error == 0 && (node->type == S_IFDIR || into->ops->create == NULL))
        error = -EPERM;
    return error;
}

/* With the directory's lock; `allowed` is what may_link said before. */
static int link_locked(const struct path_parent *parent, int allowed, struct node *node,
                       struct name **found_out)
{
    struct name *directory = parent->directory.name;
    struct name *name;
    int error = name_lookup_locked(directory, parent->last, parent->length, found_out);
    if (error == 0)
        return -EEXIST;
    *found_out = NULL;
    if (error != -ENOENT || directory->node->removed || parent->trailing)
        return error;
    if (allowed != 0)
        return allowed;
    error = name_create(directory, parent->last, parent->length, node, &name);
    if (error != 0)
        return error;
    error = add_link(node);
    if (error == 0) {
        name_link_locked(name, true);
        node_modified_locked(directory->node);
    }
    *found_out = name; /* to put, without the lock */
    return error;
}

static int link_to(const struct path *from, const struct path_parent *parent)
{
    struct node *into = parent->directory.name->node;
    if (part_is_special(parent->last, parent->length))
        return -EEXIST;
    int error = node_permission_as(&parent->who, into, MAY_EXECUTE);
    if (error != 0)
        return error;
    int allowed = may_link(from, parent);
    struct name *name = NULL;
    rt_lock(&into->lock);
    error = link_locked(parent, allowed, from->name->node, &name);
    rt_unlock(&into->lock);
    name_put(name);
    return error;
}

int64_t linux_linkat(int from_directory, uaddr_t from, int to_directory, uaddr_t to, uint32_t flags)
{
    struct path path;
    struct path_parent parent;
    if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0)
        return -EINVAL;
    unsigned lookup = (flags & AT_SYMLINK_FOLLOW) != 0 ? LOOKUP_FOLLOW : 0;
    if ((flags & AT_EMPTY_PATH) != 0) {
        if (!capable(CAP_DAC_READ_SEARCH))
            return -ENOENT;
        lookup |= LOOKUP_EMPTY;
    }
    int error = path_find_user(from_directory, from, lookup, &path);
    if (error != 0)
        return error;
    error = parent_of(to_directory, to, &parent);
    if (error == 0) {
        error = link_to(&path, &parent);
        path_parent_end(&parent);
    }
    path_put(&path);
    return error;
}

int64_t linux_link(uaddr_t from, uaddr_t to)
{
    return linux_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- Taking away ---- */

/* In a directory with the sticky bit only owners may: of the file or of the directory. With the
 * directory's lock; `writable` is what directory_writable said before. */
static int may_remove(const struct path_parent *parent, int writable, const struct node *node)
{
    if (writable != 0)
        return writable;
    const struct node_attributes *in = &parent->directory.name->node->attributes;
    const struct who *who = &parent->who;
    if ((in->mode & S_ISVTX) == 0 || who->uid == in->uid || who_can(who, CAP_FOWNER))
        return 0;
    return who->uid == node->attributes.uid ? 0 : -EPERM;
}

/* An empty directory takes no more names from here on. */
static int remove_directory(struct name *name)
{
    struct node *node = name->node;
    rt_lock(&node->lock);
    int error = node->ops->complete != NULL ? node->ops->complete(name) : 0;
    if (error == 0 && !tree_empty(&node->names))
        error = -ENOTEMPTY;
    if (error == 0) {
        __atomic_store_n(&node->removed, true, __ATOMIC_RELAXED);
        node->attributes.links = 0;
    }
    rt_unlock(&node->lock);
    return error;
}

/* With the directory's lock. `name_out` is counted whatever the result. */
static int unlink_locked(const struct path_parent *parent, int writable, bool directory,
                         struct name **name_out)
{
    struct name *in = parent->directory.name;
    int error = name_lookup_locked(in, parent->last, parent->length, name_out);
    if (error != 0)
        return error;
    struct name *name = *name_out;
    bool is_directory = name->node->type == S_IFDIR;
    error = may_remove(parent, writable, name->node);
    if (error != 0)
        return error;
    if (directory && !is_directory)
        return -ENOTDIR;
    if (!directory && is_directory)
        return -EISDIR;
    if (parent->trailing && !is_directory)
        return -ENOTDIR;
    if (in->node->ops->create == NULL)
        return -EPERM;
    if (name->mounts != 0)
        return -EBUSY;
    /* Otherwise the layers below would show it again. */
    error = in->node->ops->complete(in);
    if (error == 0 && directory)
        error = remove_directory(name);
    if (error != 0)
        return error;
    name_unlink_locked(name);
    if (directory)
        in->node->attributes.links--;
    node_modified_locked(in->node);
    return 0;
}

static int64_t unlink_entry(int directory, uaddr_t path, bool is_directory)
{
    struct path_parent parent;
    struct name *name = NULL;
    int error = parent_of(directory, path, &parent);
    if (error != 0)
        return error;
    bool dot = parent.length == 1 && parent.last[0] == '.';
    if (part_is_special(parent.last, parent.length)) {
        error = !is_directory ? -EISDIR : parent.length == 0 ? -EBUSY : dot ? -EINVAL : -ENOTEMPTY;
    } else {
        struct node *node = parent.directory.name->node;
        int writable = directory_writable(&parent.directory, &parent.who);
        rt_lock(&node->lock);
        /* Where nothing can change it does not matter what there is. */
        error =
            writable == -EROFS ? writable : unlink_locked(&parent, writable, is_directory, &name);
        rt_unlock(&node->lock);
    }
    if (error == 0) {
        if (!is_directory)
            node_unlinked(name->node);
        name_put(name); /* the directory's */
    }
    name_put(name);
    path_parent_end(&parent);
    return error;
}

int64_t linux_unlinkat(int directory, uaddr_t path, uint32_t flags)
{
    if ((flags & ~AT_REMOVEDIR) != 0)
        return -EINVAL;
    return unlink_entry(directory, path, (flags & AT_REMOVEDIR) != 0);
}

int64_t linux_unlink(uaddr_t path)
{
    return unlink_entry(AT_FDCWD, path, false);
}

int64_t linux_rmdir(uaddr_t path)
{
    return unlink_entry(AT_FDCWD, path, true);
}

/* ---- rename ---- */

struct rename {
    struct path_parent from, to;
    uint32_t flags;
    int from_writable, to_writable; /* directory_writable */
    struct name *source, *target;   /* counted; target NULL: there is none */
    char *source_text;              /* what it is called afterwards; heap */
    bool target_gone;               /* the directory's reference to it is ours */
};

/* Both directories: an ancestor first, otherwise in the order of addresses. With `names`, so that
 * who is above whom does not change. */
static void lock_both(struct name *a, struct name *b) NO_LOCK_ANALYSIS
{
    if (a->node == b->node) {
        rt_lock(&a->node->lock);
        return;
    }
    bool a_first = name_is_below(b, a) || (!name_is_below(a, b) && a->node < b->node);
    rt_lock(a_first ? &a->node->lock : &b->node->lock);
    rt_lock(a_first ? &b->node->lock : &a->node->lock);
}

static void unlock_both(struct name *a, struct name *b) NO_LOCK_ANALYSIS
{
    rt_unlock(&a->node->lock);
    if (a->node != b->node)
        rt_unlock(&b->node->lock);
}

static int check_kinds(const struct rename *rename)
{
    bool from_directory = rename->source->node->type == S_IFDIR;
    bool exchange = (rename->flags & RENAME_EXCHANGE) != 0;
    bool to_directory = rename->target != NULL && rename->target->node->type == S_IFDIR;
    if (!from_directory && (rename->from.trailing || (rename->to.trailing && !exchange)))
        return -ENOTDIR;
    if (exchange && rename->to.trailing && !to_directory)
        return -ENOTDIR;
    if (rename->target == NULL || exchange)
        return 0;
    if (from_directory && !to_directory)
        return -ENOTDIR;
    return !from_directory && to_directory ? -EISDIR : 0;
}

/* To move a directory elsewhere is to change its "..". */
static int may_move(const struct rename *rename, const struct name *name)
{
    bool elsewhere = rename->from.directory.name != rename->to.directory.name;
    if (!elsewhere || name == NULL || name->node->type != S_IFDIR)
        return 0;
    return who_may(&rename->from.who, &name->node->attributes, MAY_WRITE);
}

static int check_rights(const struct rename *rename)
{
    int error = may_remove(&rename->from, rename->from_writable, rename->source->node);
    if (error == 0 && rename->target == NULL)
        error = rename->to_writable;
    if (error == 0 && rename->target != NULL)
        error = may_remove(&rename->to, rename->to_writable, rename->target->node);
    if (error == 0)
        error = may_move(rename, rename->source);
    if (error == 0 && (rename->flags & RENAME_EXCHANGE) != 0)
        error = may_move(rename, rename->target);
    return error;
}

static int rename_find_locked(struct rename *rename)
{
    struct name *from = rename->from.directory.name;
    struct name *to = rename->to.directory.name;
    int error = name_lookup_locked(from, rename->from.last, rename->from.length, &rename->source);
    if (error != 0)
        return error;
    error = name_lookup_locked(to, rename->to.last, rename->to.length, &rename->target);
    if (error != 0 && error != -ENOENT)
        return error;
    if (error == -ENOENT && (to->node->removed || (rename->flags & RENAME_EXCHANGE) != 0))
        return -ENOENT;
    if (rename->target != NULL && (rename->flags & RENAME_NOREPLACE) != 0)
        return -EEXIST;
    /* Not into itself, and not onto what it is in. */
    if (name_is_below(to, rename->source))
        return -EINVAL;
    if (rename->target != NULL && name_is_below(from, rename->target))
        return (rename->flags & RENAME_EXCHANGE) != 0 ? -EINVAL : -ENOTEMPTY;
    return 0;
}

static void count_directory(struct node *from, struct node *to, const struct name *moved)
{
    if (moved->node->type != S_IFDIR)
        return;
    from->attributes.links--;
    to->attributes.links++;
}

static void rename_do_locked(struct rename *rename)
{
    struct name *from = rename->from.directory.name;
    struct name *to = rename->to.directory.name;
    bool exchange = (rename->flags & RENAME_EXCHANGE) != 0;
    if (rename->target != NULL && !exchange) {
        name_unlink_locked(rename->target);
        rename->target_gone = true;
        if (rename->target->node->type == S_IFDIR)
            to->node->attributes.links--;
    }
    count_directory(from->node, to->node, rename->source);
    if (exchange) {
        count_directory(to->node, from->node, rename->target);
        name_swap_locked(rename->source, rename->target);
    } else {
        name_move_locked(rename->source, to, rename->source_text, rename->to.length);
        rename->source_text = NULL;
    }
    rt_lock(&rename->source->node->lock);
    rename->source->node->attributes.changed = timestamp_now();
    rt_unlock(&rename->source->node->lock);
    node_modified_locked(from->node);
    node_modified_locked(to->node);
}

static int rename_locked(struct rename *rename)
{
    struct name *from = rename->from.directory.name;
    bool exchange = (rename->flags & RENAME_EXCHANGE) != 0;
    int error = rename_find_locked(rename);
    if (error == 0)
        error = check_rights(rename);
    if (error == 0)
        error = check_kinds(rename);
    if (error != 0)
        return error;
    if (from->node->file_system->magic == MAGIC_PROC && rename->target == NULL)
        return -ENOENT;
    if (from->node->ops->create == NULL)
        return -EPERM;
    if (rename->target != NULL && rename->target->node == rename->source->node)
        return 0; /* two links of one file: nothing happens */
    if (rename->source->mounts != 0 || (rename->target != NULL && rename->target->mounts != 0))
        return -EBUSY;
    error = from->node->ops->complete(from);
    if (error == 0 && rename->target != NULL && !exchange && rename->target->node->type == S_IFDIR)
        error = remove_directory(rename->target);
    if (error == 0)
        rename_do_locked(rename);
    return error;
}

static int rename_entries(struct rename *rename)
{
    struct name *from = rename->from.directory.name;
    struct name *to = rename->to.directory.name;
    if (rename->from.directory.mount != rename->to.directory.mount)
        return -EXDEV;
    if (part_is_special(rename->from.last, rename->from.length))
        return -EBUSY;
    if (part_is_special(rename->to.last, rename->to.length))
        return (rename->flags & RENAME_NOREPLACE) != 0 ? -EEXIST : -EBUSY;
    rename->from_writable = directory_writable(&rename->from.directory, &rename->from.who);
    rename->to_writable = directory_writable(&rename->to.directory, &rename->to.who);
    if (rename->from_writable == -EROFS)
        return -EROFS;
    rename->source_text = text_copy(rename->to.last, rename->to.length);
    if (rename->source_text == NULL)
        return -ENOMEM;
    rt_lock(&names_lock);
    lock_both(from, to);
    int error = rename_locked(rename);
    unlock_both(from, to);
    rt_unlock(&names_lock);
    heap_free(rename->source_text);
    if (rename->target_gone) {
        if (rename->target->node->type != S_IFDIR)
            node_unlinked(rename->target->node);
        name_put(rename->target);
    }
    name_put(rename->source);
    name_put(rename->target);
    return error;
}

int64_t linux_renameat2(int from_directory, uaddr_t from, int to_directory, uaddr_t to,
                        uint32_t flags)
{
    struct rename rename = { .flags = flags };
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    int error = parent_of(from_directory, from, &rename.from);
    if (error != 0)
        return error;
    error = parent_of(to_directory, to, &rename.to);
    if (error == 0) {
        error = rename_entries(&rename);
        path_parent_end(&rename.to);
    }
    path_parent_end(&rename.from);
    return error;
}

int64_t linux_renameat(int from_directory, uaddr_t from, int to_directory, uaddr_t to)
{
    return linux_renameat2(from_directory, from, to_directory, to, 0);
}

int64_t linux_rename(uaddr_t from, uaddr_t to)
{
    return linux_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

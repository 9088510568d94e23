/* From a text to a place in the tree. path_resolution(7), openat2(2).
 *
 * A walk goes part by part. The texts of symbolic links lie on a stack, the name itself at the
 * bottom; a part is the last when nothing but slashes follows on any level.
 */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

static int directory_path(int directory, struct path *path_out)
{
    if (directory == AT_FDCWD) {
        *path_out = path_working();
        return 0;
    }
    struct file *file = fd_get_any(directory);
    if (file == NULL)
        return -EBADF;
    int error = 0;
    if (file->path.name == NULL)
        error = -ENOTDIR;
    else
        *path_out = path_get(&file->path);
    file_put(file);
    return error;
}

int walk_begin(struct walk *walk, int directory, const char *name, uint32_t resolve, bool real_ids)
{
    memset(walk, 0, offsetof(struct walk, text[1]));
    walk->resolve = resolve;
    walk->depth = 1;
    walk->text[0].rest = name;
    who_am_i(&walk->who, real_ids);
    bool confined = (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) != 0;
    if (name[0] == '/' && !confined) {
        walk->root = path_root();
        walk->at = path_get(&walk->root);
        return 0;
    }
    if (name[0] == '/' && (resolve & RESOLVE_BENEATH) != 0)
        return -EXDEV;
    int error = directory_path(directory, &walk->at);
    if (error == 0)
        walk->root = confined ? path_get(&walk->at) : path_root();
    return error;
}

void walk_end(struct walk *walk)
{
    path_put(&walk->at);
    path_put(&walk->root);
    for (unsigned i = 1; i < walk->depth; i++)
        heap_free(walk->text[i].memory);
}

/* Is there only slashes from here on? If so, whether there are any is noted. */
static bool walk_is_last(struct walk *walk)
{
    bool slashes = false;
    for (unsigned level = walk->depth; level-- > 0;) {
        const char *rest = walk->text[level].rest;
        slashes = slashes || *rest == '/';
        while (*rest == '/')
            rest++;
        if (*rest != '\0')
            return false;
    }
    walk->trailing = slashes;
    return true;
}

/* The next part; false: there is none. It stays readable until the next call. */
static bool walk_next_part(struct walk *walk)
{
    for (;;) {
        unsigned level = walk->depth - 1;
        const char *rest = walk->text[level].rest;
        while (*rest == '/')
            rest++;
        walk->text[level].rest = rest;
        if (*rest != '\0')
            break;
        if (level == 0) {
            walk->last = rest;
            walk->last_length = 0;
            return false;
        }
        heap_free(walk->text[level].memory);
        walk->text[level].memory = NULL;
        walk->depth--;
    }
    const char *part = walk->text[walk->depth - 1].rest;
    size_t length = 0;
    while (part[length] != '\0' && part[length] != '/')
        length++;
    walk->last = part;
    walk->last_length = (uint32_t)length;
    walk->text[walk->depth - 1].rest = part + length;
    return true;
}

static bool is_dot(const char *text, size_t length)
{
    return length == 1 && text[0] == '.';
}

static bool is_dot_dot(const char *text, size_t length)
{
    return length == 2 && text[0] == '.' && text[1] == '.';
}

/* May it be walked through? With the node's lock if its attributes are its own. */
static int may_search(const struct walk *walk, struct node *node)
{
    if (node->type != S_IFDIR)
        return -ENOTDIR;
    if (node->ops->attributes != NULL)
        return node_permission_as(&walk->who, node, MAY_EXECUTE);
    return who_may(&walk->who, &node->attributes, MAY_EXECUTE);
}

static int walk_up(struct walk *walk, struct path *path_out)
{
    bool crossed;
    struct path up = path_get(&walk->at);
    bool moved = path_up(&up, &walk->root, &crossed);
    int error = 0;
    if (!moved && (walk->resolve & RESOLVE_BENEATH) != 0)
        error = -EXDEV;
    if (crossed && (walk->resolve & RESOLVE_NO_XDEV) != 0)
        error = -EXDEV;
    if (error != 0) {
        path_put(&up);
        return error;
    }
    path_enter_mounts(&up);
    *path_out = up;
    return 0;
}

static int walk_down(struct walk *walk, struct path *path_out)
{
    struct node *node = walk->at.name->node;
    struct name *found = NULL;
    if (walk->last_length > NAME_MAX)
        return node->type == S_IFDIR ? -ENAMETOOLONG : -ENOTDIR;
    bool fresh = node->ops->attributes != NULL;
    int error = fresh ? may_search(walk, node) : 0;
    if (error != 0)
        return error;
    rt_lock(&node->lock);
    error = fresh ? 0 : may_search(walk, node);
    if (error == 0)
        error = name_lookup_locked(walk->at.name, walk->last, walk->last_length, &found);
    rt_unlock(&node->lock);
    if (error != 0)
        return error;
    *path_out = (struct path){ mount_get(walk->at.mount), found };
    path_enter_mounts(path_out);
    if (path_out->mount != walk->at.mount && (walk->resolve & RESOLVE_NO_XDEV) != 0) {
        path_put(path_out);
        return -EXDEV;
    }
    return 0;
}

int walk_lookup(struct walk *walk, struct path *path_out)
{
    bool dot = is_dot(walk->last, walk->last_length);
    if (!dot && !is_dot_dot(walk->last, walk->last_length))
        return walk_down(walk, path_out);
    struct node *node = walk->at.name->node;
    int error = may_search(walk, node);
    if (error != 0)
        return error;
    if (!dot)
        return walk_up(walk, path_out);
    *path_out = path_get(&walk->at);
    return 0;
}

/* The link leads to a place by itself. */
static int walk_leap(struct walk *walk, struct node *node)
{
    if ((walk->resolve & RESOLVE_NO_MAGICLINKS) != 0)
        return -ELOOP;
    if ((walk->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) != 0)
        return -EXDEV;
    struct path to = { 0 };
    int error = node->ops->follow(node, &to);
    if (error != 0)
        return error;
    bool crossed = to.mount != walk->at.mount;
    path_put(&walk->at);
    walk->at = to;
    walk->leap = true;
    return crossed && (walk->resolve & RESOLVE_NO_XDEV) != 0 ? -EXDEV : 0;
}

int64_t path_readlink(const struct path *path, char *to, size_t size_bytes)
{
    struct node *node = path->name->node;
    if (node->ops->readlink == NULL)
        return -EINVAL;
    int64_t length = node->ops->readlink(node, to, size_bytes);
    if (length >= 0 && path_notes_access(path)) {
        rt_lock(&node->lock);
        node_accessed_locked(node);
        rt_unlock(&node->lock);
    }
    return length;
}

/* Put the text of the link on the stack. */
static int walk_push_text(struct walk *walk, const struct path *path)
{
    char *text = heap_alloc(PATH_MAX);
    if (text == NULL)
        return -ENOMEM;
    int64_t length = path_readlink(path, text, PATH_MAX - 1);
    if (length <= 0) {
        heap_free(text);
        return length == 0 ? -ENOENT : (int)length;
    }
    text[length] = '\0';
    walk->text[walk->depth].memory = text;
    walk->text[walk->depth].rest = text;
    walk->depth++;
    if (text[0] != '/')
        return 0;
    if ((walk->resolve & RESOLVE_BENEATH) != 0)
        return -EXDEV;
    bool crossed = walk->at.mount != walk->root.mount;
    path_put(&walk->at);
    walk->at = path_get(&walk->root);
    return crossed && (walk->resolve & RESOLVE_NO_XDEV) != 0 ? -EXDEV : 0;
}

int walk_into_link(struct walk *walk, struct path *path_taken)
{
    struct node *node = path_taken->name->node;
    int error = 0;
    if (walk->no_links || (walk->resolve & RESOLVE_NO_SYMLINKS) != 0 ||
        ++walk->links > SYMLINKS_MAX)
        error = -ELOOP;
    else if (node->ops->follow != NULL)
        error = walk_leap(walk, node);
    else
        error = walk_push_text(walk, path_taken);
    path_put(path_taken);
    return error;
}

int walk_to_parent(struct walk *walk)
{
    walk->trailing = false;
    while (walk_next_part(walk)) {
        walk->leap = false;
        if (walk_is_last(walk))
            return 0;
        struct path next;
        int error = walk_lookup(walk, &next);
        if (error != 0)
            return error;
        if (next.name->node->type == S_IFLNK) {
            error = walk_into_link(walk, &next);
            if (error != 0)
                return error;
        } else {
            path_put(&walk->at);
            walk->at = next;
        }
    }
    return 0;
}

int walk_to_end(struct walk *walk, unsigned flags, struct path *path_out)
{
    struct path path;
    walk->no_links = (flags & LOOKUP_NO_LINKS) != 0;
    for (;;) {
        int error = walk_to_parent(walk);
        if (error != 0)
            return error;
        if (walk->last_length == 0) {
            path = path_get(&walk->at);
            break;
        }
        error = walk_lookup(walk, &path);
        if (error != 0)
            return error;
        bool link = path.name->node->type == S_IFLNK;
        if (!link || ((flags & LOOKUP_FOLLOW) == 0 && !walk->trailing))
            break;
        error = walk_into_link(walk, &path);
        if (error != 0)
            return error;
    }
    bool directory = path.name->node->type == S_IFDIR;
    if (!directory && (walk->trailing || (flags & LOOKUP_DIRECTORY) != 0)) {
        path_put(&path);
        return -ENOTDIR;
    }
    *path_out = path;
    return 0;
}

int path_find(int directory, const char *name, unsigned flags, struct path *path_out)
{
    if (name[0] == '\0') {
        if ((flags & LOOKUP_EMPTY) == 0)
            return -ENOENT;
        return directory_path(directory, path_out);
    }
    struct walk walk;
    int error = walk_begin(&walk, directory, name, 0, (flags & LOOKUP_REAL_IDS) != 0);
    if (error == 0)
        error = walk_to_end(&walk, flags, path_out);
    walk_end(&walk);
    return error;
}

int path_parent(int directory, const char *name, struct path_parent *parent_out)
{
    struct walk walk;
    int error = walk_begin(&walk, directory, name, 0, false);
    if (error == 0)
        error = walk_to_parent(&walk);
    if (error == 0 && walk.last_length > NAME_MAX)
        error = -ENAMETOOLONG;
    if (error == 0 && walk.at.name->node->type != S_IFDIR)
        error = -ENOTDIR;
    if (error == 0) {
        parent_out->directory = path_get(&walk.at);
        parent_out->who = walk.who;
        memcpy(parent_out->text, walk.last, walk.last_length);
        parent_out->text[walk.last_length] = '\0';
        parent_out->last = parent_out->text;
        parent_out->length = walk.last_length;
        parent_out->trailing = walk.trailing;
    }
    walk_end(&walk);
    return error;
}

void path_parent_end(struct path_parent *parent)
{
    path_put(&parent->directory);
}

bool part_is_special(const char *text, size_t length)
{
    return length == 0 || is_dot(text, length) || is_dot_dot(text, length);
}

/* ---- From the guest ---- */

int user_path_in_empty(struct user_path *path, uaddr_t from)
{
    int64_t length = copy_in_text(path->text, from, sizeof(path->text));
    return length < 0 ? (int)length : 0;
}

int user_path_in(struct user_path *path, uaddr_t from)
{
    int error = user_path_in_empty(path, from);
    return error == 0 && path->text[0] == '\0' ? -ENOENT : error;
}

int path_find_user(int directory, uaddr_t name, unsigned flags, struct path *path_out)
{
    struct user_path path;
    int error = user_path_in_empty(&path, name);
    return error != 0 ? error : path_find(directory, path.text, flags, path_out);
}

int path_find_at(int directory, uaddr_t name, unsigned at_flags, struct path *path_out)
{
    unsigned flags = (at_flags & AT_SYMLINK_NOFOLLOW) != 0 ? 0 : LOOKUP_FOLLOW;
    if ((at_flags & AT_EMPTY_PATH) != 0)
        flags |= LOOKUP_EMPTY;
    return path_find_user(directory, name, flags, path_out);
}

/* ---- Rights ---- */

int path_permission_as(const struct who *who, const struct path *path, unsigned wanted)
{
    uint32_t type = path->name->node->type;
    bool stored = type == S_IFREG || type == S_IFDIR || type == S_IFLNK;
    if ((wanted & MAY_EXECUTE) != 0 && type == S_IFREG && mount_is(path, MS_NOEXEC))
        return -EACCES;
    int error = node_permission_as(who, path->name->node, wanted);
    if (error == 0 && (wanted & MAY_WRITE) != 0 && stored && mount_is(path, MS_RDONLY))
        error = -EROFS;
    return error;
}

int path_permission(const struct path *path, unsigned wanted)
{
    struct who who;
    who_am_i(&who, false);
    return path_permission_as(&who, path, wanted);
}

int directory_writable(const struct path *directory, const struct who *who)
{
    if (mount_is(directory, MS_RDONLY))
        return -EROFS;
    return node_permission_as(who, directory->name->node, MAY_WRITE | MAY_EXECUTE);
}

/* ---- New entries ---- */

/* Who it belongs to, and what of its mode it may have. inode(7) on S_ISGID. */
static void new_attributes(const struct node *directory, const struct who *who, uint32_t mode,
                           struct node_attributes *attributes)
{
    *attributes = (struct node_attributes){ .mode = mode, .uid = who->uid, .gid = who->gid };
    bool is_directory = (mode & S_IFMT) == S_IFDIR;
    if ((directory->attributes.mode & S_ISGID) != 0) {
        attributes->gid = directory->attributes.gid;
        if (is_directory)
            attributes->mode |= S_ISGID;
        else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
                 !who_in_group(who, attributes->gid) && !who_can(who, CAP_FSETID))
            attributes->mode &= ~S_ISGID;
    }
    attributes->links = is_directory ? 2 : 1;
    attributes->accessed = timestamp_now();
    attributes->modified = attributes->accessed;
    attributes->changed = attributes->accessed;
    attributes->created = attributes->accessed;
}

/* With the directory's lock; `name_out` is counted. */
static int create_locked(const struct path_parent *parent, uint32_t mode, uint64_t device,
                         const char *target, struct name **name_out)
{
    struct name *directory = parent->directory.name;
    struct node *into = directory->node;
    if (into->removed)
        return -ENOENT;
    if (into->file_system->magic == MAGIC_PROC)
        return -ENOENT; /* it has no names but those that it finds */
    if (into->ops->create == NULL)
        return (mode & S_IFMT) == S_IFREG ? -EACCES : -EPERM;
    struct node_attributes attributes;
    new_attributes(into, &parent->who, mode, &attributes);
    attributes.device = device;
    struct node *node;
    int error = into->ops->create(into, &attributes, target, &node);
    if (error != 0)
        return error;
    error = name_create(directory, parent->last, parent->length, node, name_out);
    node_put(node);
    if (error != 0)
        return error;
    name_link_locked(*name_out, true);
    if ((mode & S_IFMT) == S_IFDIR)
        into->attributes.links++;
    node_modified_locked(into);
    return 0;
}

int entry_create(const struct path_parent *parent, uint32_t mode, uint64_t device,
                 const char *target, struct path *path_out)
{
    struct node *into = parent->directory.name->node;
    if (part_is_special(parent->last, parent->length))
        return -EEXIST;
    struct name *found = NULL;
    struct name *name = NULL;
    int writable = directory_writable(&parent->directory, &parent->who);
    int error = node_permission_as(&parent->who, into, MAY_EXECUTE);
    if (error != 0)
        return error;
    rt_lock(&into->lock);
    error = name_lookup_locked(parent->directory.name, parent->last, parent->length, &found);
    if (error == 0)
        error = -EEXIST;
    else if (error == -ENOENT && parent->trailing && (mode & S_IFMT) != S_IFDIR)
        error = -ENOENT;
    else if (error == -ENOENT)
        error = writable != 0 ? writable : create_locked(parent, mode, device, target, &name);
    rt_unlock(&into->lock);
    name_put(found);
    if (error == 0)
        *path_out = (struct path){ mount_get(parent->directory.mount), name };
    return error;
}

int entry_create_unnamed(const struct path_parent *parent, uint32_t mode, bool linkable,
                         struct path *path_out)
{
    struct node *into = parent->directory.name->node;
    if (into->ops->create == NULL)
        return -EOPNOTSUPP;
    struct node_attributes attributes;
    struct node *node;
    struct name *name;
    new_attributes(into, &parent->who, mode, &attributes);
    attributes.links = 0;
    rt_lock(&into->lock);
    int error = into->removed ? -ENOENT : into->ops->create(into, &attributes, NULL, &node);
    rt_unlock(&into->lock);
    if (error != 0)
        return error;
    node->linkable = linkable;
    char text[24];
    size_t length = format_text(text, sizeof(text), "#%llu", (unsigned long long)node->inode);
    error = name_create(parent->directory.name, text, length, node, &name);
    node_put(node);
    if (error == 0)
        *path_out = (struct path){ mount_get(parent->directory.mount), name };
    return error;
}

int path_make(int directory, const char *name, uint32_t mode, uint64_t device,
              struct path *path_out)
{
    struct path_parent parent;
    if (name[0] == '\0')
        return -ENOENT;
    int error = path_parent(directory, name, &parent);
    if (error != 0)
        return error;
    mode &= ~(task_self()->fs->umask & 0777);
    error = entry_create(&parent, mode, device, NULL, path_out);
    path_parent_end(&parent);
    return error;
}

/* Mounts, working directories, and the text of a path. mount(2), getcwd(2).
 *
 * The list of mounts, what a mount is on, and names' parents and texts are under `names`.
 */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/heap.h>
#include <linux/task.h>

enum { NO_WRITERS = -1 };

struct rt_lock names_lock;
static struct list mounts = { &mounts, &mounts };
static int32_t last_mount_id = 20;

struct path path_get(const struct path *path)
{
    if (path->name != NULL)
        (void)name_get(path->name);
    if (path->mount != NULL)
        (void)mount_get(path->mount);
    return *path;
}

void path_put(struct path *path)
{
    name_put(path->name);
    if (path->mount != NULL)
        mount_put(path->mount);
    *path = (struct path){ 0 };
}

struct node *path_node(const struct path *path)
{
    return path->name->node;
}

bool path_equal(const struct path *a, const struct path *b)
{
    return a->mount == b->mount && a->name == b->name;
}

bool mount_is(const struct path *path, uint32_t flag)
{
    return path->mount != NULL &&
           (__atomic_load_n(&path->mount->flags, __ATOMIC_RELAXED) & flag) != 0;
}

bool path_gives(const struct path *path)
{
    return !mount_is(path, MS_NOSUID);
}

bool path_notes_access(const struct path *path)
{
    uint32_t quiet = MS_RDONLY | MS_NOATIME;
    if (path->name != NULL && path->name->node->type == S_IFDIR)
        quiet |= MS_NODIRATIME;
    return !mount_is(path, quiet);
}

struct mount *mount_get(struct mount *mount)
{
    (void)__atomic_fetch_add(&mount->references, 1, __ATOMIC_RELAXED);
    return mount;
}

/* The list has one reference, so the last is gone only after it was taken away. */
void mount_put(struct mount *mount)
{
    if (__atomic_sub_fetch(&mount->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    struct file_system *file_system = mount->file_system;
    if (__atomic_sub_fetch(&file_system->mounts, 1, __ATOMIC_ACQ_REL) == 0 &&
        file_system->unmounted != NULL)
        file_system->unmounted(file_system, mount->root);
    name_put(mount->root);
    file_system_put(file_system);
    heap_free(mount->source);
    heap_free(mount);
}

int mount_create(struct file_system *file_system_taken, struct name *root_taken,
                 const struct path *on, uint32_t flags, const char *source,
                 struct mount **mount_out)
{
    struct mount *mount = heap_alloc(sizeof(*mount));
    char *copy = heap_copy_text(source);
    if (mount == NULL || copy == NULL) {
        heap_free(mount);
        heap_free(copy);
        name_put(root_taken);
        file_system_put(file_system_taken);
        return -ENOMEM;
    }
    mount->references = 2;
    mount->file_system = file_system_taken;
    (void)__atomic_fetch_add(&file_system_taken->mounts, 1, __ATOMIC_RELAXED);
    mount->root = root_taken;
    mount->flags = flags;
    mount->writers = (flags & MS_RDONLY) != 0 ? NO_WRITERS : 0;
    mount->source = copy;
    if (on != NULL)
        mount->on = path_get(on);
    rt_lock(&names_lock);
    mount->id = ++last_mount_id;
    list_push_back(&mounts, &mount->link);
    if (on != NULL)
        (void)__atomic_fetch_add(&on->name->mounts, 1, __ATOMIC_RELAXED);
    rt_unlock(&names_lock);
    *mount_out = mount;
    return 0;
}

/* ---- Read only or not ---- */

int mount_begin_write(struct mount *mount)
{
    int32_t count = __atomic_load_n(&mount->writers, __ATOMIC_RELAXED);
    do {
        if (count < 0)
            return -EROFS;
    } while (!__atomic_compare_exchange_n(&mount->writers, &count, count + 1, true,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return 0;
}

void mount_end_write(struct mount *mount)
{
    (void)__atomic_fetch_sub(&mount->writers, 1, __ATOMIC_RELEASE);
}

int mount_set_flags(struct mount *mount, uint32_t flags)
{
    int error = 0;
    int32_t none = 0;
    rt_lock(&names_lock);
    bool was = (mount->flags & MS_RDONLY) != 0;
    bool becomes = (flags & MS_RDONLY) != 0;
    if (becomes && !was &&
        !__atomic_compare_exchange_n(&mount->writers, &none, NO_WRITERS, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        error = -EBUSY;
    if (error == 0)
        __atomic_store_n(&mount->flags, flags, __ATOMIC_RELAXED);
    if (was && !becomes)
        __atomic_store_n(&mount->writers, 0, __ATOMIC_RELEASE);
    rt_unlock(&names_lock);
    return error;
}

/* What is on the path; the youngest. */
static struct mount *mount_on_locked(const struct path *path)
{
    LIST_FOR_EACH(link, &mounts)
    {
        struct mount *mount = CONTAINER_OF(link, struct mount, link);
        if (mount->on.name != NULL && path_equal(&mount->on, path))
            return mount;
    }
    return NULL;
}

void path_enter_mounts(struct path *path)
{
    while (__atomic_load_n(&path->name->mounts, __ATOMIC_RELAXED) != 0) {
        rt_lock(&names_lock);
        struct mount *mount = mount_on_locked(path);
        struct path inside = { 0 };
        if (mount != NULL)
            inside = path_get(&(struct path){ mount, mount->root });
        rt_unlock(&names_lock);
        if (mount == NULL)
            return;
        path_put(path);
        *path = inside;
    }
}

struct mount *mount_next(struct mount *mount)
{
    rt_lock(&names_lock);
    struct list *link = mount == NULL               ? mounts.next
                        : list_linked(&mount->link) ? mount->link.next
                                                    : &mounts;
    struct mount *next = NULL;
    if (link != &mounts)
        next = mount_get(CONTAINER_OF(link, struct mount, link));
    rt_unlock(&names_lock);
    if (mount != NULL)
        mount_put(mount);
    return next;
}

/* ---- Taking away ---- */

static bool is_below_locked(const struct mount *mount, const struct mount *top)
{
    while (mount != NULL && mount != top)
        mount = mount->on.mount;
    return mount == top;
}

static bool has_mounts_locked(const struct mount *top)
{
    LIST_FOR_EACH(link, &mounts)
    {
        if (CONTAINER_OF(link, struct mount, link)->on.mount == top)
            return true;
    }
    return false;
}

/* Off the list; the reference is the caller's. Where it was it still knows: others may lie in it.
 */
static void mount_take_locked(struct mount *mount, struct list *taken)
{
    list_remove(&mount->link);
    list_push_back(taken, &mount->taken);
    if (mount->on.name != NULL)
        (void)__atomic_fetch_sub(&mount->on.name->mounts, 1, __ATOMIC_RELAXED);
}

/* Off what they were on, before the lock is let go: who stands in one looks there. */
static void mounts_detach_locked(struct list *taken)
{
    LIST_FOR_EACH(link, taken)
    {
        struct mount *mount = CONTAINER_OF(link, struct mount, taken);
        mount->was_on = mount->on;
        mount->on = (struct path){ 0 };
    }
}

static void put_taken(struct list *taken)
{
    struct list *link;
    while ((link = list_pop_front(taken)) != NULL) {
        struct mount *mount = CONTAINER_OF(link, struct mount, taken);
        path_put(&mount->was_on);
        mount_put(mount);
    }
}

int mount_remove(struct mount *mount, bool lazily)
{
    struct list taken;
    list_init(&taken);
    int error = 0;
    rt_lock(&names_lock);
    /* The list's reference, and the caller's. */
    bool busy = __atomic_load_n(&mount->references, __ATOMIC_RELAXED) > 2;
    if (mount->on.name == NULL || !list_linked(&mount->link)) {
        error = -EINVAL;
    } else if (!lazily && (busy || has_mounts_locked(mount))) {
        error = -EBUSY;
    } else {
        LIST_FOR_EACH_SAFE(link, &mounts)
        {
            struct mount *other = CONTAINER_OF(link, struct mount, link);
            if (is_below_locked(other, mount))
                mount_take_locked(other, &taken);
        }
    }
    mounts_detach_locked(&taken);
    rt_unlock(&names_lock);
    put_taken(&taken);
    return error;
}

void mounts_detach_all(void)
{
    struct list taken;
    list_init(&taken);
    rt_lock(&names_lock);
    while (!list_empty(&mounts))
        mount_take_locked(CONTAINER_OF(mounts.prev, struct mount, link), &taken);
    mounts_detach_locked(&taken);
    rt_unlock(&names_lock);
    put_taken(&taken);
}

int mount_move(struct mount *mount, const struct path *to)
{
    int error = 0;
    struct path old = { 0 };
    struct path on = path_get(to);
    rt_lock(&names_lock);
    if (mount->on.name == NULL || !list_linked(&mount->link)) {
        error = -EINVAL;
    } else if (is_below_locked(to->mount, mount)) {
        error = -ELOOP;
    } else {
        old = mount->on;
        (void)__atomic_fetch_sub(&old.name->mounts, 1, __ATOMIC_RELAXED);
        mount->on = on;
        (void)__atomic_fetch_add(&to->name->mounts, 1, __ATOMIC_RELAXED);
        list_remove(&mount->link);
        list_push_back(&mounts, &mount->link);
    }
    rt_unlock(&names_lock);
    path_put(error == 0 ? &old : &on);
    return error;
}

/* ---- Up, and the text of a path ---- */

/* To where `path` is mounted, if it is a mount's root, as often as that is so; false at the top.
 * Nothing is counted. */
static bool leave_mounts_locked(struct path *path, const struct path *root)
{
    while (!path_equal(path, root) && path->name == path->mount->root) {
        if (path->mount->on.name == NULL)
            return false;
        *path = path->mount->on;
    }
    return !path_equal(path, root);
}

bool path_up(struct path *path, const struct path *root, bool *crossed_out)
{
    rt_lock(&names_lock);
    struct path up = *path;
    bool moved = leave_mounts_locked(&up, root) && up.name->parent != NULL;
    if (moved)
        up.name = up.name->parent;
    else
        up = *path;
    up = path_get(&up);
    rt_unlock(&names_lock);
    *crossed_out = up.mount != path->mount;
    path_put(path);
    *path = up;
    return moved;
}

/* Put it before what is there: false if there is no room. */
static bool prepend(char *to, size_t *at, const char *text, size_t length)
{
    if (*at < length)
        return false;
    *at -= length;
    memcpy(to + *at, text, length);
    return true;
}

int64_t path_text_from(const struct path *path, const struct path *root, char *to,
                       size_t size_bytes)
{
    static const char deleted[] = " (deleted)";
    size_t at = size_bytes;
    bool fits = prepend(to, &at, "", 1);
    rt_lock(&names_lock);
    struct path here = *path;
    if (here.mount != NULL && here.name != here.mount->root && !here.name->linked)
        fits = fits && prepend(to, &at, deleted, sizeof(deleted) - 1);
    bool any = false;
    bool alone = false; /* a name that never had a directory: memfd */
    while (fits && !alone && here.mount != NULL && leave_mounts_locked(&here, root)) {
        fits = prepend(to, &at, here.name->text, here.name->length) && prepend(to, &at, "/", 1);
        alone = here.name->parent == NULL;
        here.name = here.name->parent;
        any = true;
    }
    bool reached = alone || (here.mount != NULL && path_equal(&here, root));
    if (!any)
        fits = fits && prepend(to, &at, "/", 1);
    rt_unlock(&names_lock);
    static const char unreachable[] = "(unreachable)";
    if (!reached)
        fits = fits && prepend(to, &at, unreachable, sizeof(unreachable) - 1);
    if (!fits)
        return -ENAMETOOLONG;
    memmove(to, to + at, size_bytes - at);
    return (int64_t)(size_bytes - at - 1);
}

int64_t path_text(const struct path *path, char *to, size_t size_bytes)
{
    struct path root = path_root();
    int64_t length = path_text_from(path, &root, to, size_bytes);
    path_put(&root);
    return length;
}

bool name_is_below(const struct name *name, const struct name *top)
{
    while (name != NULL && name != top)
        name = name->parent;
    return name == top;
}

/* ---- Working directories ---- */

int fs_context_create(struct fs_context **context_out)
{
    struct fs_context *context = heap_alloc(sizeof(*context));
    if (context == NULL)
        return -ENOMEM;
    context->references = 1;
    context->umask = 022;
    rt_lock(&names_lock);
    struct mount *mount = CONTAINER_OF(mounts.next, struct mount, link);
    struct path root = { mount, mount->root };
    context->root = path_get(&root);
    context->working = path_get(&root);
    rt_unlock(&names_lock);
    path_enter_mounts(&context->root);
    path_enter_mounts(&context->working);
    *context_out = context;
    return 0;
}

struct fs_context *fs_context_get(struct fs_context *context)
{
    (void)__atomic_fetch_add(&context->references, 1, __ATOMIC_RELAXED);
    return context;
}

void fs_context_put(struct fs_context *context)
{
    if (__atomic_sub_fetch(&context->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    path_put(&context->root);
    path_put(&context->working);
    heap_free(context);
}

int fs_context_copy(struct fs_context *context, struct fs_context **context_out)
{
    struct fs_context *copy = heap_alloc(sizeof(*copy));
    if (copy == NULL)
        return -ENOMEM;
    copy->references = 1;
    rt_lock(&context->lock);
    copy->umask = context->umask;
    copy->root = path_get(&context->root);
    copy->working = path_get(&context->working);
    rt_unlock(&context->lock);
    *context_out = copy;
    return 0;
}

struct path path_root(void)
{
    struct fs_context *fs = task_self()->fs;
    rt_lock(&fs->lock);
    struct path root = path_get(&fs->root);
    rt_unlock(&fs->lock);
    return root;
}

struct path path_working(void)
{
    struct fs_context *fs = task_self()->fs;
    rt_lock(&fs->lock);
    struct path working = path_get(&fs->working);
    rt_unlock(&fs->lock);
    return working;
}

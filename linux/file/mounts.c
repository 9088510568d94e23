/* The tree that a container begins with (see mounts.h), and file systems of which there is one. */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/file_impl.h>
#include <linux/machine.h>
#include <linux/mounts.h>

enum { PSEUDO_MAX = 8 };
#define SHM_BYTES ((uint64_t)64 << 20)

static struct {
    struct rt_lock lock;
    unsigned count;
    struct {
        struct file_system *file_system;
        struct name *root;
    } entry[PSEUDO_MAX];
} pseudo;

void pseudo_register(struct file_system *file_system_taken, struct name *root_taken)
{
    rt_lock(&pseudo.lock);
    pseudo.entry[pseudo.count].file_system = file_system_taken;
    pseudo.entry[pseudo.count].root = root_taken;
    pseudo.count++;
    rt_unlock(&pseudo.lock);
    /* As if it were mounted: what is in it stays, wherever it is shown. */
    (void)__atomic_fetch_add(&file_system_taken->mounts, 1, __ATOMIC_RELAXED);
}

int pseudo_find(const char *type, struct file_system **file_system_out, struct name **root_out)
{
    int error = -ENODEV;
    rt_lock(&pseudo.lock);
    for (unsigned i = 0; i < pseudo.count; i++) {
        if (strcmp(pseudo.entry[i].file_system->type, type) == 0) {
            *file_system_out = file_system_get(pseudo.entry[i].file_system);
            *root_out = name_get(pseudo.entry[i].root);
            error = 0;
        }
    }
    rt_unlock(&pseudo.lock);
    return error;
}

static void pseudo_end(void)
{
    for (unsigned i = 0; i < pseudo.count; i++) {
        struct file_system *file_system = pseudo.entry[i].file_system;
        if (__atomic_sub_fetch(&file_system->mounts, 1, __ATOMIC_ACQ_REL) == 0 &&
            file_system->unmounted != NULL)
            file_system->unmounted(file_system, pseudo.entry[i].root);
        name_put(pseudo.entry[i].root);
        file_system_put(file_system);
    }
    pseudo.count = 0;
}

void mounts_end(void)
{
    mounts_detach_all();
    pseudo_end();
    memfs_end();
}

/* ---- Entries without a caller ---- */

/* An entry of a directory in memory, root's; -EEXIST. */
static int entry_make(struct name *directory, const char *text, uint32_t mode, uint64_t device,
                      const char *target)
{
    struct node *into = directory->node;
    struct node *node;
    struct name *name = NULL;
    size_t length = strlen(text);
    struct timestamp now = timestamp_now();
    struct node_attributes attributes = {
        .mode = mode,
        .device = device,
        .accessed = now,
        .modified = now,
        .changed = now,
        .created = now,
        .links = (mode & S_IFMT) == S_IFDIR ? 2 : 1,
    };
    rt_lock(&into->lock);
    int error = name_lookup_locked(directory, text, length, &name);
    if (error == 0)
        error = -EEXIST;
    else if (error == -ENOENT)
        error = into->ops->create(into, &attributes, target, &node);
    if (error == 0) {
        error = name_create(directory, text, length, node, &name);
        node_put(node);
    }
    if (error == 0) {
        name_link_locked(name, true);
        into->attributes.links += (mode & S_IFMT) == S_IFDIR;
    }
    rt_unlock(&into->lock);
    name_put(name);
    return error;
}

/* The directory `text` of the place, whatever is mounted there; made if there is none. */
static int directory_make(const struct path *in, const char *text, uint32_t mode,
                          struct path *path_out)
{
    struct name *name;
    int error = entry_make(in->name, text, S_IFDIR | mode, 0, NULL);
    if (error != 0 && error != -EEXIST)
        return error;
    error = name_lookup(in->name, text, strlen(text), &name);
    if (error != 0)
        return error;
    *path_out = (struct path){ mount_get(in->mount), name };
    path_enter_mounts(path_out);
    if (path_out->name->node->type == S_IFDIR)
        return 0;
    path_put(path_out);
    return -ENOTDIR;
}

/* ---- What is where ---- */

/* Something is mounted on `in`/`text`. */
static int mount_at(const struct path *in, const char *text, struct file_system *file_system_taken,
                    struct name *root_taken, uint32_t flags, const char *source)
{
    struct path on;
    struct mount *mount;
    int error = directory_make(in, text, 0755, &on);
    if (error != 0) {
        name_put(root_taken);
        file_system_put(file_system_taken);
        return error;
    }
    error = mount_create(file_system_taken, root_taken, &on, flags | MS_RELATIME, source, &mount);
    if (error == 0)
        mount_put(mount);
    path_put(&on);
    return error;
}

static int mount_tmpfs(const struct path *in, const char *text, uint32_t mode, uint64_t limit_bytes,
                       uint32_t flags, const char *source)
{
    struct file_system *file_system;
    struct name *root;
    int error = memfs_create("tmpfs", MAGIC_TMPFS, mode, limit_bytes, &file_system, &root);
    return error != 0 ? error : mount_at(in, text, file_system, root, flags, source);
}

static int mount_pseudo(const struct path *in, const char *text, const char *type, uint32_t flags)
{
    struct file_system *file_system;
    struct name *root;
    int error = pseudo_find(type, &file_system, &root);
    return error != 0 ? error : mount_at(in, text, file_system, root, flags, type);
}

static const struct {
    const char *name;
    uint32_t mode, major, minor;
    const char *target;
} devices[] = {
    { "null", S_IFCHR | 0666, 1, 3, NULL },
    { "zero", S_IFCHR | 0666, 1, 5, NULL },
    { "full", S_IFCHR | 0666, 1, 7, NULL },
    { "random", S_IFCHR | 0666, 1, 8, NULL },
    { "urandom", S_IFCHR | 0666, 1, 9, NULL },
    { "tty", S_IFCHR | 0666, 5, 0, NULL },
    { "console", S_IFCHR | 0620, 5, 1, NULL },
    { "ptmx", S_IFLNK | 0777, 0, 0, "pts/ptmx" },
    { "fd", S_IFLNK | 0777, 0, 0, "/proc/self/fd" },
    { "stdin", S_IFLNK | 0777, 0, 0, "/proc/self/fd/0" },
    { "stdout", S_IFLNK | 0777, 0, 0, "/proc/self/fd/1" },
    { "stderr", S_IFLNK | 0777, 0, 0, "/proc/self/fd/2" },
};

static int fill_devices(const struct path *dev)
{
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(devices) && error == 0; i++) {
        error = entry_make(dev->name, devices[i].name, devices[i].mode,
                           device_number(devices[i].major, devices[i].minor), devices[i].target);
    }
    if (error == 0)
        error = mount_pseudo(dev, "pts", "devpts", MS_NOSUID | MS_NOEXEC);
    if (error == 0)
        error = mount_tmpfs(dev, "shm", 01777, SHM_BYTES, MS_NOSUID | MS_NODEV | MS_NOEXEC, "shm");
    return error;
}

static int mount_dev(const struct path *root)
{
    struct path dev;
    int error = mount_tmpfs(root, "dev", 0755, 0, MS_NOSUID, "tmpfs");
    if (error == 0)
        error = directory_make(root, "dev", 0755, &dev);
    if (error != 0)
        return error;
    error = fill_devices(&dev);
    path_put(&dev);
    return error;
}

static int mount_sys(const struct path *root)
{
    const uint32_t flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    struct path sys, fs;
    int error = mount_pseudo(root, "sys", "sysfs", flags);
    if (error == 0)
        error = directory_make(root, "sys", 0755, &sys);
    if (error != 0)
        return error;
    error = directory_make(&sys, "fs", 0755, &fs);
    if (error == 0) {
        error = mount_pseudo(&fs, "cgroup", "cgroup2", flags);
        path_put(&fs);
    }
    path_put(&sys);
    return error;
}

static int mount_root(const struct layer *layers, unsigned count, struct path *root_out)
{
    struct file_system *file_system;
    struct name *root;
    struct mount *mount;
    int error = memfs_create_layered(layers, count, &file_system, &root);
    if (error == 0)
        error = mount_create(file_system, root, NULL, MS_RELATIME, "overlay", &mount);
    if (error == 0)
        *root_out = (struct path){ mount, name_get(mount->root) };
    return error;
}

/* ---- devpts ---- */

static struct name *pts_root; /* kept by the registry */

static int devpts_create(void)
{
    struct file_system *file_system;
    int error = memfs_create("devpts", MAGIC_DEVPTS, 0755, 0, &file_system, &pts_root);
    if (error != 0)
        return error;
    pseudo_register(file_system, pts_root);
    return entry_make(pts_root, "ptmx", S_IFCHR | 0666, device_number(5, 2), NULL);
}

enum { PTS_MAJOR = 136, PTS_MINORS = 256 };

int devpts_add(uint32_t number, uint32_t uid, uint32_t gid, uint32_t mode)
{
    char text[12];
    struct name *name;
    size_t length = format_text(text, sizeof(text), "%u", number);
    uint64_t device = device_number(PTS_MAJOR + number / PTS_MINORS, number % PTS_MINORS);
    int error = entry_make(pts_root, text, S_IFCHR | mode, device, NULL);
    if (error == 0)
        error = name_lookup(pts_root, text, length, &name);
    if (error != 0)
        return error;
    struct node_attributes owner = { .uid = uid, .gid = gid };
    error = node_set_attributes(name->node, &owner, SET_OWNER | SET_GROUP);
    name_put(name);
    return error;
}

void devpts_remove(uint32_t number)
{
    char text[12];
    size_t length = format_text(text, sizeof(text), "%u", number);
    rt_lock(&pts_root->node->lock);
    struct name *name = name_find_locked(pts_root, text, length);
    if (name != NULL)
        name_unlink_locked(name);
    rt_unlock(&pts_root->node->lock);
    if (name == NULL)
        return;
    node_unlinked(name->node);
    name_put(name);
}

int mounts_keep_root(void)
{
    struct mount *root = mount_next(NULL);
    uint32_t flags = __atomic_load_n(&root->flags, __ATOMIC_RELAXED);
    int error = mount_set_flags(root, flags | MS_RDONLY);
    mount_put(root);
    return error;
}

int mounts_start(const struct layer *layers, unsigned count)
{
    struct path root;
    int error = mount_root(layers, count, &root);
    if (error != 0)
        return error;
    error = devpts_create();
    if (error == 0)
        error = proc_create();
    if (error == 0)
        error = sys_create();
    if (error == 0)
        error = mount_pseudo(&root, "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    if (error == 0)
        error = mount_sys(&root);
    if (error == 0)
        error = mount_dev(&root);
    path_put(&root);
    return error;
}

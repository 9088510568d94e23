/* Several threads make, move, list, write and take away the same few names. What they find is
 * whatever it is; nothing may be lost, and nothing may wait for ever.
 */
#include "fixture.h"
#include "image.h"
#include <base/fmt.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/stat.h>
#include <linux/heap.h>
#include <linux/pool.h>
#include <linux/single.h>
#include <string.h>

enum { THREADS = 4, STEPS = 1500, NAMES = 4, ROOM = 16384, OWNER_TURNS = 8 };

struct worker {
    struct guest_space *space;
    uaddr_t room; /* of its own in the guest */
    uint64_t random;
    uint32_t done; /* atomic */
    void (*step)(struct worker *worker);
    struct file_table *files; /* that all share; NULL: each has his own */
    unsigned index, turn;
};

static uint64_t roll(struct worker *w, uint64_t sides)
{
    return test_random(&w->random) % sides;
}

/* "/m/a/b" or shorter. */
static uaddr_t random_path(struct worker *w, unsigned slot)
{
    char path[16] = "/m";
    unsigned depth = (unsigned)roll(w, 3) + 1;
    for (unsigned i = 0; i < depth; i++) {
        size_t length = strlen(path);
        (void)format_text(path + length, sizeof(path) - length, "/%c",
                          (char)('a' + roll(w, NAMES)));
    }
    uaddr_t at = w->room + 16 * slot;
    EXPECT_EQ(copy_out(at, path, sizeof(path)), 0);
    return at;
}

static void become(uint32_t user)
{
    struct cred *cred;
    struct task *self = task_self();
    EXPECT_EQ(cred_create(user, user, NULL, 0, 0, &cred), 0);
    struct cred *old = self->cred;
    self->cred = cred;
    cred_put(old);
}

static void use_file(struct worker *w, uaddr_t path)
{
    uint32_t flags = roll(w, 2) == 0 ? O_RDWR | O_CREAT : O_RDWR;
    int fd = (int)linux_openat(AT_FDCWD, path, flags | (roll(w, 4) == 0 ? O_TRUNC : 0), 0644);
    if (fd < 0)
        return;
    uaddr_t buffer = w->room + 4096;
    (void)linux_pwrite64(fd, buffer, roll(w, 8192), (int64_t)roll(w, 30000));
    (void)linux_pread64(fd, buffer, roll(w, 8192), (int64_t)roll(w, 30000));
    (void)linux_ftruncate(fd, (int64_t)roll(w, 30000));
    EXPECT_EQ(linux_close(fd), 0);
}

static void list(struct worker *w, uaddr_t path)
{
    int fd = (int)linux_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return;
    while (linux_getdents64(fd, w->room + 4096, 100) > 0)
        ;
    (void)linux_close(fd); /* somebody else may have */
}

static void step_names(struct worker *w)
{
    uaddr_t a = random_path(w, 0);
    uaddr_t b = random_path(w, 1);
    switch (roll(w, 10)) {
    case 0:
    case 1:
        (void)linux_mkdirat(AT_FDCWD, a, 0755);
        break;
    case 2:
        (void)linux_unlinkat(AT_FDCWD, a, 0);
        break;
    case 3:
        (void)linux_unlinkat(AT_FDCWD, a, AT_REMOVEDIR);
        break;
    case 4:
        (void)linux_renameat(AT_FDCWD, a, AT_FDCWD, b);
        break;
    case 5:
        (void)linux_renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
        break;
    case 6:
        (void)linux_linkat(AT_FDCWD, a, AT_FDCWD, b, 0);
        break;
    case 7:
        (void)linux_chdir(a);
        (void)linux_getcwd(w->room + 4096, 64);
        break;
    case 8:
        list(w, a);
        break;
    default:
        use_file(w, a);
        break;
    }
}

/* Texts of /proc that all have open, read at positions of their own while they are made. */
static void step_texts(struct worker *w)
{
    int fd = (int)roll(w, 4);
    switch (roll(w, 8)) {
    case 0:
        (void)linux_close(fd);
        break;
    case 1:
    case 2:
        EXPECT_EQ(copy_out(w->room, "/proc/self/limits", 18), 0);
        fd = (int)linux_openat(AT_FDCWD, w->room, O_RDONLY, 0);
        if (fd >= 4)
            (void)linux_close(fd);
        break;
    default:
        (void)linux_pread64(fd, w->room + 4096, 8192, roll(w, 2) == 0 ? 0 : (int64_t)roll(w, 2000));
        break;
    }
}

/* Descriptors of one table, and what /proc says of them. */
static void step_descriptors(struct worker *w)
{
    char path[32];
    int fd = (int)roll(w, 100);
    uaddr_t at = w->room + 64;
    switch (roll(w, 9)) {
    case 0:
    case 1:
        EXPECT_EQ(copy_out(at, "/m/b", 5), 0);
        (void)linux_openat(AT_FDCWD, at, O_RDWR, 0);
        break;
    case 2:
        (void)linux_dup(fd);
        break;
    case 3:
        (void)linux_dup3(fd, (int)roll(w, 300), O_CLOEXEC);
        break;
    case 4:
        (void)linux_close(fd);
        break;
    case 5:
        (void)linux_read(fd, w->room + 4096, 10);
        (void)linux_lseek(fd, 0, SEEK_SET);
        break;
    case 6:
        (void)linux_fcntl(fd, F_SETFL, roll(w, 2) == 0 ? O_APPEND : 0);
        (void)linux_flock(fd, roll(w, 2) == 0 ? LOCK_SH | LOCK_NB : LOCK_UN);
        break;
    case 7:
        (void)format_text(path, sizeof(path), "/proc/self/fd/%d", fd);
        EXPECT_EQ(copy_out(at, path, sizeof(path)), 0);
        (void)linux_readlinkat(AT_FDCWD, at, w->room + 4096, 64);
        break;
    default:
        if (roll(w, 50) == 0)
            (void)linux_close_range((unsigned)roll(w, 300), 300, 0);
        EXPECT_EQ(copy_out(at, "/proc/1/fd", 11), 0);
        list(w, at);
        break;
    }
}

/* Mounts that come and go under those who stand in them and those who list them. */
static void step_mounts(struct worker *w)
{
    char path[8];
    (void)format_text(path, sizeof(path), "/m/%c", (char)('a' + 2 * roll(w, 2)));
    uaddr_t at = w->room;
    uaddr_t type = w->room + 16;
    uaddr_t up = w->room + 32;
    EXPECT_EQ(copy_out(at, path, sizeof(path)), 0);
    EXPECT_EQ(copy_out(type, "tmpfs", 6), 0);
    EXPECT_EQ(copy_out(up, "..", 3), 0);
    switch (roll(w, 10)) {
    case 0:
        (void)linux_mount(type, at, type, 0, 0);
        break;
    case 1:
    case 6:
    case 7: /* more than come, or they would pile up */
        (void)linux_umount2(at, roll(w, 3) == 0 ? 0 : MNT_DETACH);
        break;
    case 2:
        (void)linux_mkdirat(AT_FDCWD, at, 0755);
        (void)linux_mount(at, at, 0, MS_BIND, 0);
        break;
    case 3:
        EXPECT_EQ(copy_out(up, "/m/c", 5), 0);
        (void)linux_mount(at, up, 0, MS_MOVE, 0);
        break;
    case 4:
    case 5:
        (void)linux_chdir(roll(w, 2) == 0 ? at : up);
        (void)linux_getcwd(w->room + 4096, 64);
        break;
    default:
        EXPECT_EQ(copy_out(at, "/proc/self/mounts", 18), 0);
        int fd = (int)linux_openat(AT_FDCWD, at, O_RDONLY, 0);
        EXPECT(fd >= 0);
        (void)linux_read(fd, w->room + 4096, 4096);
        (void)linux_close(fd);
        break;
    }
}

/* One gives a file away and takes it back, the others make it a set-id program meanwhile: as
 * nobody's but their own. */
static void step_owners(struct worker *w)
{
    const uint32_t user = 1000;
    struct linux_statx out = { 0 };
    EXPECT_EQ(copy_out(w->room, "/m/b", 5), 0);
    if (w->index != 0 && task_self()->cred->fsuid == 0)
        become(user);
    for (unsigned i = 0; w->index != 0 && i < OWNER_TURNS; i++)
        (void)linux_chmod(w->room, 04755);
    for (unsigned i = 0; w->index == 0 && i < OWNER_TURNS; i++) {
        EXPECT_EQ(linux_chown(w->room, 0, 0), 0);
        EXPECT_EQ(linux_statx(AT_FDCWD, w->room, 0, STATX_BASIC, w->room + 4096), 0);
        EXPECT_EQ(copy_in(&out, w->room + 4096, sizeof(out)), 0);
        EXPECT_EQ(out.mode & S_ISUID, 0);
        EXPECT_EQ(linux_chown(w->room, user, user), 0);
    }
}

static void work(void *argument)
{
    struct worker *w = argument;
    EXPECT_EQ(vcpu_attach(vcpu_self(), w->space), 0);
    struct task *task = single_task_begin();
    if (w->files != NULL) {
        struct file_table *own = task->files;
        rt_lock(&task->lock);
        task->files = file_table_get(w->files);
        rt_unlock(&task->lock);
        file_table_put(own);
    }
    for (unsigned i = 0; i < STEPS; i++)
        w->step(w);
    single_task_end(task);
    EXPECT_EQ(vcpu_attach(vcpu_self(), NULL), 0);
    __atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
    machine_wake(&w->done, 1);
    vcpu_exit();
}

static const struct image_entry layer_entries[] = {
    { .path = "m", .mode = S_IFDIR | 0755 },
    { .path = "m/a", .mode = S_IFDIR | 0755 },
    { .path = "m/a/a", .mode = S_IFREG | 0644, .text = "layer", .repeat = 1000 },
    { .path = "m/a/b", .mode = S_IFREG | 0644, .text = "=m/a/a" },
    { .path = "m/b", .mode = S_IFREG | 0644, .text = "small", .inlined = true },
    { .path = "m/c", .mode = S_IFDIR | 0755 },
    { .path = "m/c/a", .mode = S_IFDIR | 0755 },
};

/* ---- Hard links of a layer that are looked up at once ---- */

enum { LINKED = 14 };
static uint32_t arrived;                 /* atomic: in the rounds so far */
static uint64_t inodes[LINKED][THREADS]; /* what each found */

/* Each by a name of its own, in a directory of its own. */
static void step_links(struct worker *w)
{
    char path[24];
    if (w->turn == LINKED)
        return;
    (void)format_text(path, sizeof(path), "/n/%u/%u", w->index, w->turn);
    EXPECT_EQ(copy_out(w->room, path, sizeof(path)), 0);
    (void)__atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) < (w->turn + 1) * THREADS)
        ;
    struct linux_statx out = { 0 };
    EXPECT_EQ(linux_statx(AT_FDCWD, w->room, 0, STATX_BASIC, w->room + 4096), 0);
    EXPECT_EQ(copy_in(&out, w->room + 4096, sizeof(out)), 0);
    inodes[w->turn++][w->index] = out.inode;
}

static void run_on(const struct image_entry *entries, size_t count, void (*step)(struct worker *),
                   bool shared)
{
    struct worker workers[THREADS];
    struct file_fixture f;
    struct layer layer;
    struct vcpu *vcpu;
    uint64_t seed = test_seed();
    image_layer(entries, count, &layer);
    file_fixture_init(&f, &layer, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .space = f.space,
                                      .room = guest_room(&f, ROOM),
                                      .random = seed * (i + 1) + i,
                                      .step = step,
                                      .index = i,
                                      .files = shared ? f.task->files : NULL };
        EXPECT_EQ(vcpu_create(work, &workers[i], NULL, &vcpu), 0);
        vcpu_start(vcpu);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        while (__atomic_load_n(&workers[i].done, __ATOMIC_ACQUIRE) == 0)
            machine_wait(&workers[i].done, 0, MACHINE_NEVER);
    }
    host_wait_for_threads();
    fd_close_range(0, UINT32_MAX, false);
    file_fixture_end_layers(&f);
    image_layer_end(&layer);
    EXPECT_EQ(heap_counts().blocks, 0);
}

static void run(void (*step)(struct worker *), bool shared)
{
    run_on(layer_entries, ARRAY_LEN(layer_entries), step, shared);
}

TEST(hard_links_that_are_looked_up_at_once_are_one_file)
{
    static struct image_entry entries[1 + THREADS * (1 + LINKED)];
    static char names[ARRAY_LEN(entries)][2][16];
    size_t count = 0;
    entries[count++] = (struct image_entry){ .path = "n", .mode = S_IFDIR | 0755 };
    for (unsigned i = 0; i < THREADS * (1 + LINKED); i++) {
        unsigned directory = i / (1 + LINKED), file = i % (1 + LINKED);
        struct image_entry *entry = &entries[count];
        (void)format_text(names[count][0], 16, file == 0 ? "n/%u" : "n/%u/%u", directory, file - 1);
        (void)format_text(names[count][1], 16, "=n/0/%u", file - 1);
        *entry = (struct image_entry){ .path = names[count][0],
                                       .mode = (file == 0 ? S_IFDIR : S_IFREG) | 0755,
                                       .text = file == 0        ? NULL
                                               : directory == 0 ? "text"
                                                                : names[count][1] };
        count++;
    }
    for (unsigned round = 0; round < 12; round++) {
        arrived = 0;
        run_on(entries, count, step_links, false);
        for (unsigned i = 0; i < LINKED; i++) {
            for (unsigned t = 1; t < THREADS; t++)
                EXPECT_EQ(inodes[i][t], inodes[i][0]);
        }
    }
}

TEST(threads_on_the_same_names)
{
    run(step_names, false);
}

TEST(threads_on_the_same_descriptors)
{
    run(step_descriptors, true);
}

TEST(threads_on_the_same_mounts)
{
    run(step_mounts, false);
}

TEST(a_mode_of_the_old_owners_never_meets_the_new_one)
{
    run(step_owners, false);
}

TEST(threads_on_the_same_texts)
{
    run(step_texts, true);
}

/* The root over layers: what is merged, hidden, copied up. */
#include "fixture.h"
#include "image.h"
#include <base/fmt.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/stat.h>
#include <linux/heap.h>
#include <string.h>

#define AT(text) guest_text(&f, text)

static const struct image_entry base[] = {
    { .path = "bin", .mode = S_IFDIR | 0755 },
    { .path = "bin/sh", .mode = S_IFREG | 0755, .text = "shell", .repeat = 2000 },
    { .path = "bin/ash", .mode = S_IFREG, .text = "=bin/sh" },
    { .path = "bin/link", .mode = S_IFLNK | 0777, .text = "sh" },
    { .path = "etc", .mode = S_IFDIR | 0755 },
    { .path = "etc/passwd", .mode = S_IFREG | 0644, .text = "root:x:0:0\n", .uid = 1, .gid = 2 },
    { .path = "etc/shadow", .mode = S_IFREG | 0600, .text = "secret" },
    { .path = "etc/old", .mode = S_IFDIR | 0700 },
    { .path = "etc/old/x", .mode = S_IFREG | 0644, .text = "x" },
    { .path = "opt", .mode = S_IFDIR | 0755 },
    { .path = "opt/a", .mode = S_IFREG | 0644, .text = "lower a" },
    { .path = "split",
      .mode = S_IFREG | 0644,
      .text = "0123456789",
      .repeat = 500,
      .inlined = true },
    { .path = "small", .mode = S_IFREG | 0644, .text = "tiny", .inlined = true },
    { .path = "empty", .mode = S_IFREG | 0644 },
};

static const struct image_entry top[] = {
    { .path = "etc", .mode = S_IFDIR | 0711 },
    { .path = "etc/shadow", .mode = S_IFCHR },
    { .path = "etc/old", .mode = S_IFREG | 0644, .text = "a file now" },
    { .path = "etc/new", .mode = S_IFREG | 0644, .text = "new" },
    { .path = "opt", .mode = S_IFDIR | 0750, .opaque = true },
    { .path = "opt/b", .mode = S_IFREG | 0644, .text = "upper b" },
};

/* Directories that only paths go through, over what base says of them. */
static const struct image_entry passing[] = {
    { .path = "etc", .mode = S_IFDIR | 0755, .implicit = true },
    { .path = "etc/more", .mode = S_IFREG | 0644, .text = "more" },
    { .path = "etc/old", .mode = S_IFDIR | 0755, .implicit = true, .opaque = true },
    { .path = "etc/old/y", .mode = S_IFREG | 0644, .text = "y" },
    { .path = "fresh", .mode = S_IFDIR | 0755, .implicit = true },
    { .path = "fresh/z", .mode = S_IFREG | 0644, .text = "z" },
    { .path = "small", .mode = S_IFDIR | 0755, .implicit = true },
};
static const struct image_entry described[] = {
    { .path = "etc", .mode = S_IFDIR | 0710, .uid = 3, .gid = 4 },
    { .path = "etc/old", .mode = S_IFDIR | 0730, .uid = 5, .gid = 6 },
    { .path = "etc/old/x", .mode = S_IFREG | 0644, .text = "x" },
    { .path = "small", .mode = S_IFREG | 0600, .text = "file" },
};

struct layered {
    struct file_fixture f;
    struct layer layers[2];
};

static void layered_init(struct layered *l)
{
    image_layer(top, ARRAY_LEN(top), &l->layers[0]);
    image_layer(base, ARRAY_LEN(base), &l->layers[1]);
    file_fixture_init(&l->f, l->layers, 2);
}

static void layered_end(struct layered *l)
{
    struct heap_counts counts;
    file_fixture_end_layers(&l->f);
    counts = heap_counts();
    EXPECT_EQ(counts.blocks, 2); /* the layers' Memory */
    image_layer_end(&l->layers[0]);
    image_layer_end(&l->layers[1]);
    EXPECT_EQ(heap_counts().blocks, 0);
}

static int64_t read_at(struct layered *l, const char *path, char *to)
{
    return file_fixture_read(&l->f, path, to, 32);
}

TEST(layers_are_merged_and_whiteouts_hide)
{
    struct layered l;
    char bytes[32];
    layered_init(&l);
    EXPECT_EQ(read_at(&l, "/etc/passwd", bytes), 11);
    EXPECT_STR(bytes, "root:x:0:0\n");
    EXPECT_EQ(read_at(&l, "/etc/shadow", bytes), -ENOENT);
    EXPECT_EQ(read_at(&l, "/etc/old", bytes), 10);
    EXPECT_EQ(read_at(&l, "/etc/old/x", bytes), -ENOTDIR);
    EXPECT_EQ(read_at(&l, "/etc/new", bytes), 3);
    EXPECT_EQ(read_at(&l, "/opt/a", bytes), -ENOENT);
    EXPECT_EQ(read_at(&l, "/opt/b", bytes), 7);
    EXPECT_EQ(read_at(&l, "/bin/link", bytes), 31);
    EXPECT_EQ(read_at(&l, "/small", bytes), 4);
    EXPECT_EQ(read_at(&l, "/empty", bytes), 0);
    layered_end(&l);
}

static void stat_at(struct layered *l, const char *path, struct linux_statx *out)
{
    uaddr_t to = guest_room(&l->f, sizeof(*out));
    EXPECT_EQ(linux_statx(AT_FDCWD, guest_text(&l->f, path), AT_SYMLINK_NOFOLLOW, STATX_BASIC, to),
              0);
    EXPECT_EQ(copy_in(out, to, sizeof(*out)), 0);
}

TEST(attributes_are_the_uppermost_layers)
{
    struct layered l;
    struct linux_statx a;
    struct linux_statx b;
    layered_init(&l);
    stat_at(&l, "/etc", &a);
    EXPECT_EQ(a.mode, S_IFDIR | 0711);
    stat_at(&l, "/etc/passwd", &a);
    EXPECT_EQ(a.mode, S_IFREG | 0644);
    EXPECT_EQ(a.uid, 1);
    EXPECT_EQ(a.gid, 2);
    EXPECT_EQ(a.modified.seconds, 1000000000);
    EXPECT_EQ(a.modified.nanoseconds, 5);
    stat_at(&l, "/bin/sh", &a);
    stat_at(&l, "/bin/ash", &b);
    EXPECT_EQ(a.inode, b.inode);
    EXPECT_EQ(a.links, 2);
    EXPECT_EQ(a.size_bytes, 10000);
    EXPECT_EQ(a.blocks, 24);
    stat_at(&l, "/bin/link", &a);
    EXPECT_EQ(a.size_bytes, 2);
    layered_end(&l);
}

TEST(a_directory_that_only_a_path_implies_is_what_a_lower_layer_says)
{
    struct layered l;
    struct linux_statx a;
    char bytes[32];
    image_layer(passing, ARRAY_LEN(passing), &l.layers[0]);
    image_layer(described, ARRAY_LEN(described), &l.layers[1]);
    file_fixture_init(&l.f, l.layers, 2);
    stat_at(&l, "/etc", &a);
    EXPECT_EQ(a.mode, S_IFDIR | 0710);
    EXPECT_EQ(a.uid, 3);
    EXPECT_EQ(a.gid, 4);
    EXPECT_EQ(read_at(&l, "/etc/more", bytes), 4);
    /* What it had is hidden, not what it was. */
    stat_at(&l, "/etc/old", &a);
    EXPECT_EQ(a.mode, S_IFDIR | 0730);
    EXPECT_EQ(a.uid, 5);
    EXPECT_EQ(read_at(&l, "/etc/old/x", bytes), -ENOENT);
    EXPECT_EQ(read_at(&l, "/etc/old/y", bytes), 1);
    /* Nobody says anything, or it was something else. */
    stat_at(&l, "/fresh", &a);
    EXPECT_EQ(a.mode, S_IFDIR | 0755);
    EXPECT_EQ(a.uid, 0);
    stat_at(&l, "/small", &a);
    EXPECT_EQ(a.mode, S_IFDIR | 0755);
    EXPECT_EQ(linux_getxattr(guest_text(&l.f, "/etc"),
                             guest_text(&l.f, "trusted.themelios.implicit"), 0, 0),
              -ENODATA);
    EXPECT_EQ(linux_listxattr(guest_text(&l.f, "/fresh"), 0, 0), 0);
    layered_end(&l);
}

TEST(what_is_changed_is_changed_under_all_its_names)
{
    struct layered l;
    char bytes[32];
    layered_init(&l);
    struct file_fixture *f = &l.f;
    int fd = (int)linux_openat(AT_FDCWD, guest_text(f, "/bin/ash"), O_RDWR, 0);
    EXPECT_EQ(linux_pwrite64(fd, guest_text(f, "SH"), 2, 1), 2);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(read_at(&l, "/bin/sh", bytes), 31);
    EXPECT_EQ(memcmp(bytes, "sSHll", 5), 0);
    /* A change stays with the file when one name goes, also if no other name was seen yet. */
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, guest_text(f, "/bin/ash"), 0), 0);
    EXPECT_EQ(read_at(&l, "/bin/ash", bytes), -ENOENT);
    EXPECT_EQ(read_at(&l, "/bin/sh", bytes), 31);
    EXPECT_EQ(memcmp(bytes, "sSHll", 5), 0);
    layered_end(&l);
}

TEST(what_is_taken_away_stays_away)
{
    struct layered l;
    char bytes[32];
    layered_init(&l);
    struct file_fixture *f = &l.f;
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, guest_text(f, "/etc/passwd"), 0), 0);
    EXPECT_EQ(read_at(&l, "/etc/passwd", bytes), -ENOENT);
    EXPECT_EQ(file_fixture_write(f, "/etc/passwd", "mine"), 4);
    EXPECT_EQ(read_at(&l, "/etc/passwd", bytes), 4);
    EXPECT_EQ(linux_renameat(AT_FDCWD, guest_text(f, "/opt"), AT_FDCWD, guest_text(f, "/etc/opt")),
              0);
    EXPECT_EQ(read_at(&l, "/opt/b", bytes), -ENOENT);
    EXPECT_EQ(read_at(&l, "/etc/opt/b", bytes), 7);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, guest_text(f, "/opt"), 0755), 0);
    EXPECT_EQ(read_at(&l, "/opt/b", bytes), -ENOENT);
    /* A new file takes the place of a layer's and goes: the layer's does not come back. */
    EXPECT_EQ(
        linux_renameat(AT_FDCWD, guest_text(f, "/etc/passwd"), AT_FDCWD, guest_text(f, "/small")),
        0);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, guest_text(f, "/small"), 0), 0);
    EXPECT_EQ(read_at(&l, "/small", bytes), -ENOENT);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, guest_text(f, "/bin"), AT_REMOVEDIR), -ENOTEMPTY);
    layered_end(&l);
}

TEST(a_layers_file_is_cut_or_grows)
{
    struct layered l;
    char bytes[32];
    layered_init(&l);
    struct file_fixture *f = &l.f;
    EXPECT_EQ(linux_truncate(guest_text(f, "/bin/sh"), 3), 0);
    EXPECT_EQ(read_at(&l, "/bin/sh", bytes), 3);
    EXPECT_STR(bytes, "she");
    EXPECT_EQ(linux_truncate(guest_text(f, "/small"), 6), 0);
    EXPECT_EQ(read_at(&l, "/small", bytes), 6);
    EXPECT_EQ(memcmp(bytes, "tiny\0\0", 6), 0);
    int fd = (int)linux_openat(AT_FDCWD, guest_text(f, "/split"), O_RDWR, 0);
    uaddr_t room = guest_room(f, 16);
    EXPECT_EQ(linux_pread64(fd, room, 10, 4990), 10);
    EXPECT_EQ(copy_in(bytes, room, 10), 0);
    EXPECT_EQ(memcmp(bytes, "0123456789", 10), 0);
    EXPECT_EQ(linux_pwrite64(fd, guest_text(f, "x"), 1, 0), 1);
    EXPECT_EQ(linux_pread64(fd, room, 10, 0), 10);
    EXPECT_EQ(copy_in(bytes, room, 10), 0);
    EXPECT_EQ(memcmp(bytes, "x123456789", 10), 0);
    EXPECT_EQ(linux_close(fd), 0);
    layered_end(&l);
}

TEST(pages_are_the_layers_own_until_somebody_may_write)
{
    struct layered l;
    struct path path;
    struct memory *memory;
    uint64_t offset;
    uint64_t bytes;
    layered_init(&l);
    EXPECT_EQ(path_find(AT_FDCWD, "/bin/sh", LOOKUP_FOLLOW, &path), 0);
    struct node *node = path_node(&path);
    EXPECT_EQ(node->ops->pages(node, 4096, false, &memory, &offset, &bytes), 0);
    EXPECT_EQ(memory, l.layers[1].memory);
    EXPECT_EQ(bytes, 8192);
    EXPECT_EQ(memcmp((const char *)l.layers[1].base + offset, "hells", 5), 0);
    memory_put(memory);
    EXPECT_EQ(node->ops->pages(node, 12288, false, &memory, &offset, &bytes), 0);
    EXPECT_EQ(bytes, 0);
    EXPECT_EQ(node->ops->pages(node, 0, true, &memory, &offset, &bytes), 0);
    EXPECT(memory != l.layers[1].memory);
    EXPECT_EQ(bytes, 12288);
    memory_put(memory);
    path_put(&path);
    layered_end(&l);
}

struct lister {
    struct directory_sink sink;
    char names[512];
};

static bool list_entry(struct directory_sink *sink, const char *name, size_t length, uint64_t inode,
                       uint32_t type, uint64_t next)
{
    struct lister *lister = CONTAINER_OF(sink, struct lister, sink);
    (void)inode;
    (void)next;
    size_t at = strlen(lister->names);
    (void)format_text(lister->names + at, sizeof(lister->names) - at, "%.*s%s", (int)length, name,
                      type == S_IFDIR ? "/ " : " ");
    return true;
}

TEST(a_listing_has_every_name_once)
{
    struct layered l;
    struct lister lister = { .sink.entry = list_entry };
    layered_init(&l);
    EXPECT_EQ(file_fixture_write(&l.f, "/etc/mine", ""), 0);
    int fd = (int)linux_openat(AT_FDCWD, guest_text(&l.f, "/etc"), O_RDONLY | O_DIRECTORY, 0);
    struct file *file = fd_get(fd);
    EXPECT_EQ(file->ops->readdir(file, &lister.sink), 0);
    EXPECT_STR(lister.names, "./ ../ mine new old passwd ");
    file_put(file);
    EXPECT_EQ(linux_close(fd), 0);
    layered_end(&l);
}

TEST(every_allocation_of_a_copy_up_may_fail)
{
    for (uint64_t n = 1; n < 100; n++) {
        struct layered l;
        char bytes[32];
        layered_init(&l);
        uaddr_t path = guest_text(&l.f, "/bin/sh");
        uaddr_t text = guest_text(&l.f, "new");
        heap_fail_after(n);
        int64_t fd = linux_openat(AT_FDCWD, path, O_WRONLY, 0);
        int64_t written = fd < 0 ? fd : linux_write((int)fd, text, 3);
        heap_fail_after(0);
        if (fd >= 0)
            EXPECT_EQ(linux_close((int)fd), 0);
        EXPECT(written == 3 || written == -ENOMEM);
        EXPECT_EQ(read_at(&l, "/bin/sh", bytes), 31);
        EXPECT_EQ(memcmp(bytes, written == 3 ? "newll" : "shell", 5), 0);
        layered_end(&l);
        if (written == 3)
            break;
        EXPECT(n < 99);
    }
}

/* Walks: links, "..", slashes, rights, confined ones. path_resolution(7), openat2(2). */
#include "fixture.h"
#include <base/fmt.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/stat.h>
#include <linux/heap.h>
#include <string.h>

#define AT(text) guest_text(&f, text)

/* /a/b/file, /a/link -> b, /a/abs -> /a/b/file, /a/loop -> loop, /a/up -> .., /a/file */
static void names_init(struct file_fixture *f)
{
    file_fixture_init(f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, guest_text(f, "/a"), 0755), 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, guest_text(f, "/a/b"), 0755), 0);
    EXPECT_EQ(file_fixture_write(f, "/a/b/file", "inner"), 5);
    EXPECT_EQ(file_fixture_write(f, "/a/file", "outer"), 5);
    EXPECT_EQ(linux_symlinkat(guest_text(f, "b"), AT_FDCWD, guest_text(f, "/a/link")), 0);
    EXPECT_EQ(linux_symlinkat(guest_text(f, "/a/b/file"), AT_FDCWD, guest_text(f, "/a/abs")), 0);
    EXPECT_EQ(linux_symlinkat(guest_text(f, "loop"), AT_FDCWD, guest_text(f, "/a/loop")), 0);
    EXPECT_EQ(linux_symlinkat(guest_text(f, ".."), AT_FDCWD, guest_text(f, "/a/up")), 0);
    file_fixture_forget(f);
}

static int64_t open_and_close(int64_t fd)
{
    if (fd < 0)
        return fd;
    EXPECT_EQ(linux_close((int)fd), 0);
    return 0;
}

TEST(every_rule_of_a_walk)
{
    static const struct {
        const char *path;
        uint32_t flags;
        int result;
    } cases[] = {
        { "/a/b/file", 0, 0 },
        { "//a///b//file", 0, 0 },
        { "/a/./b/../b/./file", 0, 0 },
        { "/../../a/file", 0, 0 },
        { "/a/link/file", 0, 0 },
        { "/a/link/../file", 0, 0 },
        { "/a/up/a/up/a/link/file", 0, 0 },
        { "/a/abs", 0, 0 },
        { "/a/abs/", 0, -ENOTDIR },
        { "/a/file/", 0, -ENOTDIR },
        { "/a/file/.", 0, -ENOTDIR },
        { "/a/file/x", 0, -ENOTDIR },
        { "/a/file/..", 0, -ENOTDIR },
        { "/a/none", 0, -ENOENT },
        { "/a/none/x", 0, -ENOENT },
        { "/a/loop", 0, -ELOOP },
        { "/a/loop/x", 0, -ELOOP },
        { "/a/link", O_NOFOLLOW, -ELOOP },
        { "/a/link/", O_NOFOLLOW, 0 },
        { "/a/link", O_NOFOLLOW | O_DIRECTORY, -ENOTDIR },
        { "/a/link", O_NOFOLLOW | O_PATH, 0 },
        { "/a/link", O_DIRECTORY, 0 },
        { "/a/abs", O_DIRECTORY, -ENOTDIR },
        { "/a", O_WRONLY, -EISDIR },
        { "/a", O_CREAT, -EISDIR },
        { "/a/new/", O_CREAT, -EISDIR },
        { "/a/file", O_CREAT | O_EXCL, -EEXIST },
        { "/a/loop", O_CREAT | O_EXCL, -EEXIST },
        { "/a/none/new", O_CREAT | O_WRONLY, -ENOENT },
        { "", 0, -ENOENT },
        { "/", 0, 0 },
        { "/dev/..", 0, 0 },
        { "/dev/../a/file", 0, 0 },
    };
    struct file_fixture f;
    names_init(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t result =
            open_and_close(linux_openat(AT_FDCWD, AT(cases[i].path), cases[i].flags, 0644));
        if (result != cases[i].result)
            test_note("%s", cases[i].path);
        EXPECT_EQ(result, cases[i].result);
    }
    file_fixture_end(&f);
}

TEST(names_have_a_length)
{
    struct file_fixture f;
    char name[PATH_MAX + 2];
    file_fixture_init(&f, NULL, 0);
    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[NAME_MAX + 1] = '\0';
    EXPECT_EQ(file_fixture_write(&f, name, "long"), 4);
    name[NAME_MAX + 1] = 'x';
    name[NAME_MAX + 2] = '\0';
    EXPECT_EQ(file_fixture_write(&f, name, "long"), -ENAMETOOLONG);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT(name), 0755), -ENAMETOOLONG);
    memset(name, '/', sizeof(name));
    name[PATH_MAX - 1] = '\0';
    EXPECT_EQ(open_and_close(linux_openat(AT_FDCWD, AT(name), O_RDONLY, 0)), 0);
    name[PATH_MAX - 1] = '/';
    name[PATH_MAX] = '\0';
    EXPECT_EQ(linux_openat(AT_FDCWD, AT(name), O_RDONLY, 0), -ENAMETOOLONG);
    file_fixture_end(&f);
}

TEST(forty_links_and_no_more)
{
    struct file_fixture f;
    char name[8];
    char target[8];
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_write(&f, "/0", "end"), 3);
    for (int i = 1; i <= SYMLINKS_MAX + 1; i++) {
        (void)format_text(name, sizeof(name), "/%d", i);
        (void)format_text(target, sizeof(target), "%d", i - 1);
        EXPECT_EQ(linux_symlinkat(AT(target), AT_FDCWD, AT(name)), 0);
    }
    EXPECT_EQ(open_and_close(linux_openat(AT_FDCWD, AT("/40"), O_RDONLY, 0)), 0);
    EXPECT_EQ(open_and_close(linux_openat(AT_FDCWD, AT("/41"), O_RDONLY, 0)), -ELOOP);
    file_fixture_end(&f);
}

TEST(a_link_to_nothing_is_made_through)
{
    struct file_fixture f;
    char bytes[16];
    names_init(&f);
    EXPECT_EQ(linux_symlinkat(AT("b/made"), AT_FDCWD, AT("/a/dangling")), 0);
    EXPECT_EQ(file_fixture_write(&f, "/a/dangling", "through"), 7);
    EXPECT_EQ(file_fixture_read(&f, "/a/b/made", bytes, sizeof(bytes)), 7);
    file_fixture_end(&f);
}

static int64_t open_2(struct file_fixture *f, int directory, const char *path, uint64_t flags,
                      uint64_t resolve)
{
    struct linux_open_how how = { .flags = flags, .resolve = resolve };
    return open_and_close(linux_openat2(directory, guest_text(f, path),
                                        guest_bytes(f, &how, sizeof(how)), sizeof(how)));
}

TEST(confined_walks)
{
    struct file_fixture f;
    names_init(&f);
    int a = (int)linux_openat(AT_FDCWD, AT("/a"), O_PATH | O_DIRECTORY, 0);
    static const struct {
        const char *path;
        uint64_t resolve;
        int result;
    } cases[] = {
        { "b/file", RESOLVE_BENEATH, 0 },
        { "link/file", RESOLVE_BENEATH, 0 },
        { "abs", RESOLVE_BENEATH, -EXDEV },
        { "/a/file", RESOLVE_BENEATH, -EXDEV },
        { "..", RESOLVE_BENEATH, -EXDEV },
        { "b/../..", RESOLVE_BENEATH, -EXDEV },
        { "b/../file", RESOLVE_BENEATH, 0 },
        { "up/a/file", RESOLVE_BENEATH, -EXDEV },
        { "/b/file", RESOLVE_IN_ROOT, 0 },
        { "../../b/file", RESOLVE_IN_ROOT, 0 },
        { "abs", RESOLVE_IN_ROOT, -ENOENT },
        { "up/file", RESOLVE_IN_ROOT, 0 },
        { "link/file", RESOLVE_NO_SYMLINKS, -ELOOP },
        { "b/file", RESOLVE_NO_SYMLINKS, 0 },
        { "/proc/self/exe", RESOLVE_NO_MAGICLINKS, -ELOOP },
        { "/dev/null", RESOLVE_NO_XDEV, -EXDEV },
        { "b/file", RESOLVE_NO_XDEV, 0 },
        { "b/file", RESOLVE_CACHED, 0 },
        { "b/file", RESOLVE_BENEATH | RESOLVE_IN_ROOT, -EINVAL },
        { "b/file", 0x40, -EINVAL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t result = open_2(&f, a, cases[i].path, O_RDONLY, cases[i].resolve);
        if (result != cases[i].result)
            test_note("%s %llx", cases[i].path, (unsigned long long)cases[i].resolve);
        EXPECT_EQ(result, cases[i].result);
    }
    EXPECT_EQ(open_2(&f, a, "b/file", (uint64_t)1 << 40, 0), -EINVAL);
    EXPECT_EQ(open_2(&f, a, "b/file", O_PATH | O_RDWR, 0), -EINVAL);
    EXPECT_EQ(linux_openat2(a, AT("b"), AT("x"), 8), -EINVAL);
    /* A longer structure is fine if what we do not know is nothing. */
    struct {
        struct linux_open_how how;
        uint64_t more;
    } longer = { .more = 0 };
    uaddr_t at = guest_bytes(&f, &longer, sizeof(longer));
    EXPECT_EQ(open_and_close(linux_openat2(a, AT("b/file"), at, sizeof(longer))), 0);
    longer.more = 1;
    at = guest_bytes(&f, &longer, sizeof(longer));
    EXPECT_EQ(linux_openat2(a, AT("b/file"), at, sizeof(longer)), -E2BIG);
    EXPECT_EQ(linux_read(a, at, 1), -EBADF);
    EXPECT_EQ(linux_close(a), 0);
    file_fixture_end(&f);
}

TEST(a_root_is_not_left)
{
    struct file_fixture f;
    char bytes[64] = { 0 };
    names_init(&f);
    EXPECT_EQ(linux_chdir(AT("/a/b")), 0);
    EXPECT_EQ(linux_chroot(AT("/a")), 0);
    EXPECT_EQ(file_fixture_read(&f, "/file", bytes, sizeof(bytes)), 5);
    EXPECT_STR(bytes, "outer");
    EXPECT_EQ(file_fixture_read(&f, "/../../../file", bytes, sizeof(bytes)), 5);
    EXPECT_EQ(file_fixture_read(&f, "../file", bytes, sizeof(bytes)), 5);
    EXPECT_EQ(file_fixture_read(&f, "../../../a/file", bytes, sizeof(bytes)), -ENOENT);
    EXPECT_EQ(file_fixture_read(&f, "/abs", bytes, sizeof(bytes)), -ENOENT);
    uaddr_t room = guest_room(&f, 64);
    EXPECT_EQ(linux_getcwd(room, 64), 3);
    EXPECT_EQ(copy_in(bytes, room, 3), 0);
    EXPECT_STR(bytes, "/b");
    EXPECT_EQ(linux_getcwd(room, 2), -ERANGE);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(linux_chroot(AT("/b")), -EPERM);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(another_user_may_do_what_modes_say)
{
    struct file_fixture f;
    char bytes[16];
    names_init(&f);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/tmp"), 01777), 0);
    EXPECT_EQ(linux_chmod(AT("/tmp"), 01777), 0);
    EXPECT_EQ(file_fixture_write(&f, "/tmp/roots", "r"), 1);
    EXPECT_EQ(file_fixture_write(&f, "/a/private", "p"), 1);
    EXPECT_EQ(linux_chmod(AT("/a/private"), 0600), 0);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(file_fixture_read(&f, "/a/private", bytes, sizeof(bytes)), -EACCES);
    EXPECT_EQ(file_fixture_read(&f, "/a/file", bytes, sizeof(bytes)), 5);
    EXPECT_EQ(file_fixture_write(&f, "/a/file", "x"), -EACCES);
    EXPECT_EQ(file_fixture_write(&f, "/a/new", "x"), -EACCES);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/a/file"), 0), -EACCES);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/a/none"), 0), -ENOENT);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/file"), AT_FDCWD, AT("/tmp/file")), -EACCES);
    EXPECT_EQ(linux_faccessat(AT_FDCWD, AT("/a/file"), MAY_READ), 0);
    EXPECT_EQ(linux_faccessat(AT_FDCWD, AT("/a/file"), MAY_WRITE), -EACCES);
    EXPECT_EQ(linux_faccessat(AT_FDCWD, AT("/a/file"), MAY_EXECUTE), -EACCES);
    EXPECT_EQ(linux_chmod(AT("/a/file"), 0777), -EPERM);
    EXPECT_EQ(linux_chown(AT("/a/file"), 1000, 1000), -EPERM);
    EXPECT_EQ(linux_utimensat(AT_FDCWD, AT("/a/file"), 0, 0), -EACCES);
    /* In a directory with the sticky bit only one's own can be taken away. */
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/tmp/roots"), 0), -EPERM);
    EXPECT_EQ(file_fixture_write(&f, "/tmp/mine", "m"), 1);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/tmp/mine"), AT_FDCWD, AT("/tmp/roots")), -EPERM);
    EXPECT_EQ(linux_chown(AT("/tmp/mine"), 1000, 1000), 0);
    EXPECT_EQ(linux_chown(AT("/tmp/mine"), 0, UINT32_MAX), -EPERM);
    EXPECT_EQ(linux_chown(AT("/tmp/mine"), UINT32_MAX, 5), -EPERM);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/tmp/mine"), 0), 0);
    EXPECT_EQ(linux_mknodat(AT_FDCWD, AT("/tmp/null"), S_IFCHR | 0666, device_number(1, 3)),
              -EPERM);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(set_id_bits_go_when_others_write_or_own)
{
    struct file_fixture f;
    struct node_attributes attributes;
    struct path path;
    names_init(&f);
    EXPECT_EQ(linux_chmod(AT("/a/file"), 06777), 0);
    EXPECT_EQ(path_find(AT_FDCWD, "/a/file", 0, &path), 0);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(file_fixture_write(&f, "/a/file", "x"), 1);
    EXPECT_EQ(node_attributes(path_node(&path), &attributes), 0);
    EXPECT_EQ(attributes.mode & 07777, 0777);
    file_fixture_become(&f, 0, 0);
    EXPECT_EQ(linux_chmod(AT("/a/file"), 06777), 0);
    EXPECT_EQ(linux_chown(AT("/a/file"), 5, 6), 0);
    EXPECT_EQ(node_attributes(path_node(&path), &attributes), 0);
    EXPECT_EQ(attributes.mode & 07777, 0777);
    EXPECT_EQ(attributes.uid, 5);
    EXPECT_EQ(attributes.gid, 6);
    path_put(&path);
    /* What is made in a directory with the group bit has its group. */
    EXPECT_EQ(linux_chown(AT("/a/b"), 0, 77), 0);
    EXPECT_EQ(linux_chmod(AT("/a/b"), 02755), 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/a/b/sub"), 0755), 0);
    EXPECT_EQ(path_find(AT_FDCWD, "/a/b/sub", 0, &path), 0);
    EXPECT_EQ(node_attributes(path_node(&path), &attributes), 0);
    EXPECT_EQ(attributes.gid, 77);
    EXPECT_EQ(attributes.mode & 07777, 02755);
    path_put(&path);
    file_fixture_end(&f);
}

TEST(a_program_that_runs_is_not_written_to)
{
    struct file_fixture f;
    struct path path;
    struct file *program;
    names_init(&f);
    EXPECT_EQ(linux_chmod(AT("/a/file"), 0755), 0);
    EXPECT_EQ(path_find(AT_FDCWD, "/a/file", 0, &path), 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/a/file"), O_WRONLY, 0);
    EXPECT_EQ(file_open_program(&path, &program), -ETXTBSY);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(file_open_program(&path, &program), 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/a/file"), O_WRONLY, 0), -ETXTBSY);
    EXPECT_EQ(linux_truncate(AT("/a/file"), 0), -ETXTBSY);
    file_put(file_get(program)); /* a process that was forked ends */
    EXPECT_EQ(linux_truncate(AT("/a/file"), 0), -ETXTBSY);
    file_put(program);
    EXPECT_EQ(linux_truncate(AT("/a/file"), 0), 0);
    path_put(&path);
    file_fixture_end(&f);
}

/* The calls on files, as a program makes them, on a tree without layers. */
#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/stat.h>
#include <linux/heap.h>
#include <string.h>

#define AT(text) guest_text(&f, text)

TEST(what_is_written_is_read_again)
{
    struct file_fixture f;
    char bytes[64];
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_read(&f, "/file", bytes, sizeof(bytes)), -ENOENT);
    EXPECT_EQ(file_fixture_write(&f, "/file", "hello"), 5);
    EXPECT_EQ(file_fixture_read(&f, "/file", bytes, sizeof(bytes)), 5);
    EXPECT_STR(bytes, "hello");
    EXPECT_EQ(file_fixture_write(&f, "/file", "new"), 3);
    EXPECT_EQ(file_fixture_read(&f, "/file", bytes, sizeof(bytes)), 3);
    EXPECT_STR(bytes, "new");
    file_fixture_end(&f);
}

TEST(descriptors_are_the_lowest_that_are_free)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    uaddr_t null = AT("/dev/null");
    EXPECT_EQ(linux_openat(AT_FDCWD, null, O_RDWR, 0), 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, null, O_RDWR | O_CLOEXEC, 0), 1);
    EXPECT_EQ(linux_dup(0), 2);
    EXPECT_EQ(linux_close(1), 0);
    EXPECT_EQ(linux_close(1), -EBADF);
    EXPECT_EQ(linux_fcntl(2, F_DUPFD, 0), 1);
    EXPECT_EQ(linux_fcntl(2, F_DUPFD_CLOEXEC, 100), 100);
    EXPECT_EQ(linux_fcntl(100, F_GETFD, 0), FD_CLOSE_ON_EXEC);
    EXPECT_EQ(linux_fcntl(1, F_GETFD, 0), 0);
    EXPECT_EQ(linux_fcntl(2, F_DUPFD, 1024), -EINVAL);
    EXPECT_EQ(linux_dup2(0, 0), 0);
    EXPECT_EQ(linux_dup2(7, 7), -EBADF);
    EXPECT_EQ(linux_dup3(0, 0, 0), -EINVAL);
    EXPECT_EQ(linux_dup3(0, 1024, 0), -EBADF);
    EXPECT_EQ(linux_dup3(0, 5, O_CLOEXEC), 5);
    file_table_close_on_exec(f.task->files);
    EXPECT_EQ(linux_fcntl(5, F_GETFD, 0), -EBADF);
    EXPECT_EQ(linux_fcntl(100, F_GETFD, 0), -EBADF);
    EXPECT_EQ(linux_close_range(1, 2, 8), -EINVAL);
    EXPECT_EQ(linux_close_range(2, 1, 0), -EINVAL);
    EXPECT_EQ(linux_close_range(1, UINT32_MAX, 0), 0);
    EXPECT_EQ(fd_next(f.task, 0), 0);
    EXPECT_EQ(fd_next(f.task, 1), -1);
    EXPECT_EQ(linux_close(0), 0);
    file_fixture_end(&f);
}

TEST(a_table_is_full_at_its_limit)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    uaddr_t null = AT("/dev/null");
    f.task->process->limit[RLIMIT_NOFILE].soft = 200;
    for (int i = 0; i < 200; i++)
        EXPECT_EQ(linux_openat(AT_FDCWD, null, O_RDWR, 0), i);
    EXPECT_EQ(linux_openat(AT_FDCWD, null, O_RDWR, 0), -EMFILE);
    EXPECT_EQ(linux_dup(3), -EMFILE);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/new"), O_RDWR | O_CREAT, 0644), -EMFILE);
    EXPECT_EQ(linux_faccessat(AT_FDCWD, AT("/new"), 0), -ENOENT); /* nothing was made */
    EXPECT_EQ(linux_close_range(0, UINT32_MAX, 0), 0);
    file_fixture_end(&f);
}

TEST(positions_seek_and_positioned_io)
{
    struct file_fixture f;
    char bytes[16] = { 0 };
    file_fixture_init(&f, NULL, 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/f"), O_RDWR | O_CREAT, 0600);
    uaddr_t text = AT("0123456789");
    uaddr_t room = guest_room(&f, 64);
    EXPECT_EQ(linux_write(fd, text, 10), 10);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_CUR), 10);
    EXPECT_EQ(linux_lseek(fd, -4, SEEK_END), 6);
    EXPECT_EQ(linux_read(fd, room, 64), 4);
    EXPECT_EQ(linux_read(fd, room, 64), 0);
    EXPECT_EQ(linux_pread64(fd, room, 3, 2), 3);
    EXPECT_EQ(copy_in(bytes, room, 3), 0);
    EXPECT_STR(bytes, "234");
    EXPECT_EQ(linux_pread64(fd, room, 3, -1), -EINVAL);
    EXPECT_EQ(linux_pwrite64(fd, text, 2, 20), 2);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_END), 22);
    EXPECT_EQ(linux_lseek(fd, -1, SEEK_SET), -EINVAL);
    EXPECT_EQ(linux_lseek(fd, 0, 9), -EINVAL);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_DATA), 0);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_HOLE), 22);
    EXPECT_EQ(linux_lseek(fd, 22, SEEK_DATA), -ENXIO);
    EXPECT_EQ(linux_pread64(fd, room, 12, 10), 12);
    EXPECT_EQ(copy_in(bytes, room, 12), 0);
    EXPECT_EQ(bytes[0], 0);
    EXPECT_EQ(bytes[10], '0');
    EXPECT_EQ(linux_read(fd, FIXTURE_AT + FIXTURE_BYTES, 5), 0);
    EXPECT_EQ(linux_pread64(fd, FIXTURE_AT + FIXTURE_BYTES, 5, 0), -EFAULT);
    EXPECT_EQ(linux_pread64(fd, UINT64_MAX - 1, 5, 0), -EFAULT);
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

TEST(appending_goes_to_the_end_whatever_the_position)
{
    struct file_fixture f;
    char bytes[16];
    file_fixture_init(&f, NULL, 0);
    uaddr_t path = AT("/log");
    int a = (int)linux_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int b = (int)linux_openat(AT_FDCWD, path, O_WRONLY | O_APPEND, 0);
    EXPECT_EQ(linux_write(a, AT("one"), 3), 3);
    EXPECT_EQ(linux_write(b, AT("two"), 3), 3);
    EXPECT_EQ(linux_write(a, AT("six"), 3), 3);
    EXPECT_EQ(linux_read(a, path, 1), -EBADF);
    EXPECT_EQ(file_fixture_read(&f, "/log", bytes, sizeof(bytes)), 9);
    EXPECT_STR(bytes, "onetwosix");
    EXPECT_EQ(linux_close(a), 0);
    EXPECT_EQ(linux_close(b), 0);
    file_fixture_end(&f);
}

TEST(large_files_with_holes)
{
    struct file_fixture f;
    struct linux_statx out;
    file_fixture_init(&f, NULL, 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/big"), O_RDWR | O_CREAT, 0644);
    uaddr_t room = guest_room(&f, 300000);
    uint8_t byte = 0x5a;
    EXPECT_EQ(copy_out(room + 299999, &byte, 1), 0);
    EXPECT_EQ(linux_pwrite64(fd, room, 300000, (int64_t)5 << 30), 300000);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_DATA), (int64_t)5 << 30);
    EXPECT_EQ(linux_lseek(fd, (int64_t)5 << 30, SEEK_HOLE), ((int64_t)5 << 30) + 300000);
    uaddr_t to = guest_room(&f, sizeof(out));
    EXPECT_EQ(linux_statx(fd, AT(""), AT_EMPTY_PATH, STATX_BASIC, to), 0);
    EXPECT_EQ(copy_in(&out, to, sizeof(out)), 0);
    EXPECT_EQ(out.size_bytes, ((uint64_t)5 << 30) + 300000);
    EXPECT_EQ(out.blocks, 74 * 8);
    EXPECT_EQ(linux_pread64(fd, to, 1, ((int64_t)5 << 30) + 299999), 1);
    EXPECT_EQ(copy_in(&byte, to, 1), 0);
    EXPECT_EQ(byte, 0x5a);
    /* Cut within a page, and made longer again: zeroes come, not what was there. */
    EXPECT_EQ(linux_ftruncate(fd, ((int64_t)5 << 30) + 299000), 0);
    EXPECT_EQ(linux_ftruncate(fd, ((int64_t)5 << 30) + 300000), 0);
    EXPECT_EQ(linux_pread64(fd, to, 1, ((int64_t)5 << 30) + 299999), 1);
    EXPECT_EQ(copy_in(&byte, to, 1), 0);
    EXPECT_EQ(byte, 0);
    EXPECT_EQ(linux_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (int64_t)6 << 30),
              0);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_DATA), -ENXIO);
    EXPECT_EQ(linux_fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), -EOPNOTSUPP);
    EXPECT_EQ(linux_fallocate(fd, 0, 0, 0), -EINVAL);
    EXPECT_EQ(linux_fallocate(fd, 0, 100, 10000), 0);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_DATA), 0);
    EXPECT_EQ(linux_fallocate(fd, 0, 0, (int64_t)1 << 40), -ENOSPC);
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

TEST(directories_names_and_links)
{
    struct file_fixture f;
    char bytes[64];
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/d"), 0777), 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/d"), 0777), -EEXIST);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/d/"), 0777), -EEXIST);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/d/e/"), 0777), 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/no/e"), 0777), -ENOENT);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/"), 0777), -EEXIST);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT(""), 0777), -ENOENT);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, 0, 0777), -EFAULT);
    EXPECT_EQ(file_fixture_write(&f, "/d/e/x", "content"), 7);
    EXPECT_EQ(linux_linkat(AT_FDCWD, AT("/d/e/x"), AT_FDCWD, AT("/d/y"), 0), 0);
    EXPECT_EQ(linux_linkat(AT_FDCWD, AT("/d/e"), AT_FDCWD, AT("/d/z"), 0), -EPERM);
    EXPECT_EQ(linux_symlinkat(AT("e/x"), AT_FDCWD, AT("/d/s")), 0);
    EXPECT_EQ(file_fixture_read(&f, "/d/s", bytes, sizeof(bytes)), 7);
    uaddr_t room = guest_room(&f, 64);
    EXPECT_EQ(linux_readlinkat(AT_FDCWD, AT("/d/s"), room, 64), 3);
    EXPECT_EQ(linux_readlinkat(AT_FDCWD, AT("/d/s"), room, 2), 2);
    EXPECT_EQ(linux_readlinkat(AT_FDCWD, AT("/d/y"), room, 64), -EINVAL);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/e"), 0), -EISDIR);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/e"), AT_REMOVEDIR), -ENOTEMPTY);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/y/"), 0), -ENOTDIR);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/y"), AT_REMOVEDIR), -ENOTDIR);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/e/x"), 0), 0);
    EXPECT_EQ(file_fixture_read(&f, "/d/s", bytes, sizeof(bytes)), -ENOENT);
    EXPECT_EQ(file_fixture_read(&f, "/d/y", bytes, sizeof(bytes)), 7);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/e/."), AT_REMOVEDIR), -EINVAL);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/e/.."), AT_REMOVEDIR), -ENOTEMPTY);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/"), AT_REMOVEDIR), -EBUSY);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d/e"), AT_REMOVEDIR), 0);
    EXPECT_EQ(linux_mknodat(AT_FDCWD, AT("/d/fifo"), S_IFIFO | 0600, 0), 0);
    EXPECT_EQ(linux_mknodat(AT_FDCWD, AT("/d/dir"), S_IFDIR | 0600, 0), -EPERM);
    file_fixture_end(&f);
}

TEST(rename_moves_replaces_and_refuses)
{
    struct file_fixture f;
    char bytes[16];
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/a"), 0755), 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/a/b"), 0755), 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/c"), 0755), 0);
    EXPECT_EQ(file_fixture_write(&f, "/a/1", "one"), 3);
    EXPECT_EQ(file_fixture_write(&f, "/c/2", "two"), 3);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a"), AT_FDCWD, AT("/a/b/x")), -EINVAL);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/b"), AT_FDCWD, AT("/a")), -ENOTEMPTY);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/1"), AT_FDCWD, AT("/c")), -EISDIR);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a"), AT_FDCWD, AT("/c/2")), -ENOTDIR);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a"), AT_FDCWD, AT("/c")), -ENOTEMPTY);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/1"), AT_FDCWD, AT("/c/")), -ENOTDIR);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/none"), AT_FDCWD, AT("/x")), -ENOENT);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/."), AT_FDCWD, AT("/x")), -EBUSY);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/dev"), AT_FDCWD, AT("/x")), -EBUSY);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/1"), AT_FDCWD, AT("/dev/x")), -EXDEV);
    EXPECT_EQ(linux_renameat2(AT_FDCWD, AT("/a/1"), AT_FDCWD, AT("/c/2"), RENAME_NOREPLACE),
              -EEXIST);
    EXPECT_EQ(linux_renameat2(AT_FDCWD, AT("/a/1"), AT_FDCWD, AT("/c/9"), RENAME_EXCHANGE),
              -ENOENT);
    EXPECT_EQ(linux_renameat2(AT_FDCWD, AT("/a/1"), AT_FDCWD, AT("/c/2"), RENAME_EXCHANGE), 0);
    EXPECT_EQ(file_fixture_read(&f, "/a/1", bytes, sizeof(bytes)), 3);
    EXPECT_STR(bytes, "two");
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/1"), AT_FDCWD, AT("/c/2")), 0);
    EXPECT_EQ(file_fixture_read(&f, "/c/2", bytes, sizeof(bytes)), 3);
    EXPECT_STR(bytes, "two");
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/a/b"), AT_FDCWD, AT("/c/b")), 0);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/c/b"), AT_FDCWD, AT("/a")), 0);
    EXPECT_EQ(linux_linkat(AT_FDCWD, AT("/c/2"), AT_FDCWD, AT("/c/3"), 0), 0);
    EXPECT_EQ(linux_renameat(AT_FDCWD, AT("/c/2"), AT_FDCWD, AT("/c/3")), 0);
    EXPECT_EQ(file_fixture_read(&f, "/c/2", bytes, sizeof(bytes)), 3);
    file_fixture_end(&f);
}

TEST(what_has_no_name_lives_while_it_is_open)
{
    struct file_fixture f;
    char bytes[64];
    file_fixture_init(&f, NULL, 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/t"), O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(linux_write(fd, AT("abc"), 3), 3);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/t"), 0), 0);
    uaddr_t room = guest_room(&f, 64);
    EXPECT_EQ(linux_pread64(fd, room, 3, 0), 3);
    int64_t length = linux_readlinkat(AT_FDCWD, AT("/proc/self/fd/0"), room, 64);
    EXPECT_EQ(length, 12);
    EXPECT_EQ(copy_in(bytes, room, 12), 0);
    EXPECT_EQ(memcmp(bytes, "/t (deleted)", 12), 0);
    EXPECT_EQ(linux_linkat(AT_FDCWD, AT("/proc/self/fd/0"), AT_FDCWD, AT("/u"), AT_SYMLINK_FOLLOW),
              -ENOENT);
    EXPECT_EQ(linux_close(fd), 0);

    fd = (int)linux_openat(AT_FDCWD, AT("/"), O_RDWR | O_TMPFILE, 0600);
    EXPECT_EQ(fd, 0);
    EXPECT_EQ(linux_write(fd, AT("abc"), 3), 3);
    EXPECT_EQ(linux_linkat(AT_FDCWD, AT("/proc/self/fd/0"), AT_FDCWD, AT("/u"), AT_SYMLINK_FOLLOW),
              0);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(file_fixture_read(&f, "/u", bytes, sizeof(bytes)), 3);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/"), O_RDONLY | O_TMPFILE, 0600), -EINVAL);
    file_fixture_end(&f);
}

TEST(a_directory_that_is_gone_takes_nothing)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/d"), 0755), 0);
    EXPECT_EQ(linux_chdir(AT("/d")), 0);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/d"), AT_REMOVEDIR), 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("x"), O_CREAT | O_WRONLY, 0644), -ENOENT);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("x"), 0755), -ENOENT);
    EXPECT_EQ(linux_getcwd(guest_room(&f, 64), 64), -ENOENT);
    EXPECT_EQ(linux_chdir(AT("..")), 0);
    EXPECT_EQ(linux_getcwd(guest_room(&f, 64), 64), 2);
    file_fixture_end(&f);
}

/* Calls on files one by one: listings, mounts, attributes, locks, times, copies, limits, seals. */
#include "fixture.h"
#include <base/fmt.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/stat.h>
#include <linux/abi/time.h>
#include <linux/container.h>
#include <linux/mm.h>
#include <linux/pool.h>
#include <string.h>

#define AT(text) guest_text(&f, text)

struct names {
    struct directory_sink sink;
    unsigned count, left;
    char text[1024];
};

static bool take_name(struct directory_sink *sink, const char *name, size_t length, uint64_t inode,
                      uint32_t type, uint64_t next)
{
    struct names *names = CONTAINER_OF(sink, struct names, sink);
    (void)inode;
    (void)type;
    (void)next;
    if (names->left == 0)
        return false;
    names->left--;
    names->count++;
    size_t at = strlen(names->text);
    (void)format_text(names->text + at, sizeof(names->text) - at, "%.*s ", (int)length, name);
    return true;
}

/* A few at a time, until the end. */
static void list(struct file_fixture *f, const char *path, unsigned portion, struct names *names)
{
    *names = (struct names){ .sink.entry = take_name };
    int fd = (int)linux_openat(AT_FDCWD, guest_text(f, path), O_RDONLY | O_DIRECTORY, 0);
    struct file *file = fd_get(fd);
    REQUIRE(file != NULL);
    unsigned before;
    do {
        before = names->count;
        names->left = portion;
        EXPECT_EQ(file->ops->readdir(file, &names->sink), 0);
    } while (names->count != before);
    file_put(file);
    EXPECT_EQ(linux_close(fd), 0);
}

TEST(listings_come_in_portions)
{
    struct file_fixture f;
    struct names names;
    file_fixture_init(&f, NULL, 0);
    list(&f, "/dev", 3, &names);
    EXPECT_STR(names.text, ". .. null zero full random urandom tty console ptmx fd stdin stdout "
                           "stderr pts shm ");
    list(&f, "/proc", 2, &names);
    EXPECT(strstr(names.text, " meminfo ") != NULL);
    char pid[16];
    (void)format_text(pid, sizeof(pid), " %d ", f.task->process->pid);
    EXPECT(strstr(names.text, pid) != NULL);
    list(&f, "/proc/self/fd", 1, &names);
    EXPECT_STR(names.text, ". .. 0 ");
    list(&f, "/proc/self/ns", 3, &names);
    EXPECT_STR(names.text, ". .. cgroup ipc mnt net pid user uts ");
    list(&f, "/proc/self/task", 1, &names);
    EXPECT_EQ(names.count, 3);
    file_fixture_end(&f);
}

TEST(getdents_has_both_forms)
{
    struct file_fixture f;
    uint8_t bytes[256];
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/d"), 0755), 0);
    EXPECT_EQ(file_fixture_write(&f, "/d/name", ""), 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/d"), O_RDONLY, 0);
    uaddr_t room = guest_room(&f, 256);
    EXPECT_EQ(linux_getdents64(fd, room, 10), -EINVAL);
    EXPECT_EQ(linux_getdents64(fd, room, 256), 24 + 24 + 24);
    EXPECT_EQ(copy_in(bytes, room, 72), 0);
    EXPECT_EQ(bytes[48 + 16], 24);
    EXPECT_EQ(bytes[48 + 18], 8);
    EXPECT_STR((char *)&bytes[48 + 19], "name");
    EXPECT_EQ(linux_getdents64(fd, room, 256), 0);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_SET), 0);
    EXPECT_EQ(linux_getdents(fd, room, 256), 72);
    EXPECT_EQ(copy_in(bytes, room, 72), 0);
    EXPECT_STR((char *)&bytes[48 + 18], "name");
    EXPECT_EQ(bytes[48 + 23], 8);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_SET), 0);
    EXPECT_EQ(linux_getdents64(fd, FIXTURE_AT + FIXTURE_BYTES, 256), -EFAULT);
    EXPECT_EQ(linux_read(fd, room, 10), -EISDIR);
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

TEST(mounts_come_and_go)
{
    struct file_fixture f;
    char bytes[64];
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/m"), 0755), 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/n"), 0755), 0);
    EXPECT_EQ(file_fixture_write(&f, "/m/below", "b"), 1);
    EXPECT_EQ(linux_mount(AT("none"), AT("/m"), AT("tmpfs"), MS_NOSUID, AT("size=8k,mode=700")), 0);
    EXPECT_EQ(file_fixture_read(&f, "/m/below", bytes, sizeof(bytes)), -ENOENT);
    EXPECT_EQ(file_fixture_write(&f, "/m/x", "data"), 4);
    EXPECT_EQ(linux_truncate(AT("/m/x"), 8192), 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/m/x"), O_RDWR, 0);
    EXPECT_EQ(linux_fallocate(fd, 0, 0, 8192), 0);
    EXPECT_EQ(linux_pwrite64(fd, AT("y"), 1, 8192), -ENOSPC);
    EXPECT_EQ(linux_umount2(AT("/m"), 0), -EBUSY);
    EXPECT_EQ(linux_mount(AT("/m"), AT("/n"), 0, MS_BIND, 0), 0);
    EXPECT_EQ(file_fixture_read(&f, "/n/x", bytes, 5), 4);
    EXPECT_EQ(linux_mount(0, AT("/n"), 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0), 0);
    EXPECT_EQ(file_fixture_write(&f, "/n/x", "z"), -EROFS);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/n/dir"), 0755), -EROFS);
    EXPECT_EQ(linux_umount2(AT("/n"), 0), 0);
    EXPECT_EQ(linux_umount2(AT("/n"), 0), -EINVAL);
    EXPECT_EQ(linux_umount2(AT("/m"), MNT_DETACH), 0);
    EXPECT_EQ(file_fixture_read(&f, "/m/below", bytes, sizeof(bytes)), 1);
    EXPECT_EQ(linux_pread64(fd, guest_room(&f, 8), 4, 0), 4);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(linux_mount(AT("none"), AT("/m"), AT("ext4"), 0, 0), -ENODEV);
    EXPECT_EQ(linux_mount(AT("none"), AT("/m"), AT("tmpfs"), 0, AT("size=x")), -EINVAL);
    EXPECT_EQ(linux_mount(AT("none"), AT("/m"), AT("tmpfs"), 1 << 30, 0), -EINVAL);
    EXPECT_EQ(linux_mount(AT("proc"), AT("/m"), AT("proc"), 0, 0), 0);
    EXPECT_EQ(file_fixture_read(&f, "/m/version", bytes, sizeof(bytes)) > 0, true);
    EXPECT_EQ(linux_mount(AT("/m"), AT("/n"), 0, MS_MOVE, 0), 0);
    EXPECT_EQ(file_fixture_read(&f, "/n/version", bytes, sizeof(bytes)) > 0, true);
    EXPECT_EQ(linux_umount2(AT("/n"), 0), 0);
    EXPECT_EQ(linux_umount2(AT("/"), 0), -EINVAL);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(linux_mount(AT("none"), AT("/m"), AT("tmpfs"), 0, 0), -EPERM);
    EXPECT_EQ(linux_umount2(AT("/proc"), 0), -EPERM);
    file_fixture_become(&f, 0, 0);
    file_fixture_end(&f);
}

TEST(extended_attributes)
{
    struct file_fixture f;
    char bytes[64] = { 0 };
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_write(&f, "/x", ""), 0);
    uaddr_t x = AT("/x");
    uaddr_t name = AT("user.a");
    uaddr_t value = AT("value");
    uaddr_t room = guest_room(&f, 64);
    EXPECT_EQ(linux_getxattr(x, name, room, 64), -ENODATA);
    EXPECT_EQ(linux_setxattr(x, name, value, 5, XATTR_REPLACE), -ENODATA);
    EXPECT_EQ(linux_setxattr(x, name, value, 5, XATTR_CREATE), 0);
    EXPECT_EQ(linux_setxattr(x, name, value, 5, XATTR_CREATE), -EEXIST);
    EXPECT_EQ(linux_setxattr(x, name, value, 5, 4), -EINVAL);
    EXPECT_EQ(linux_setxattr(x, name, value, 65537, 0), -E2BIG);
    EXPECT_EQ(linux_setxattr(x, AT(""), value, 5, 0), -ERANGE);
    EXPECT_EQ(linux_setxattr(x, AT("what.a"), value, 5, 0), -EOPNOTSUPP);
    EXPECT_EQ(linux_setxattr(x, AT("system.posix_acl_access"), value, 5, 0), -EOPNOTSUPP);
    EXPECT_EQ(linux_setxattr(AT("/dev/null"), name, value, 5, 0), -EPERM);
    EXPECT_EQ(linux_getxattr(x, name, 0, 0), 5);
    EXPECT_EQ(linux_getxattr(x, name, room, 4), -ERANGE);
    EXPECT_EQ(linux_getxattr(x, name, room, 64), 5);
    EXPECT_EQ(copy_in(bytes, room, 5), 0);
    EXPECT_STR(bytes, "value");
    EXPECT_EQ(linux_setxattr(x, AT("trusted.t"), value, 0, 0), 0);
    EXPECT_EQ(linux_listxattr(x, 0, 0), 17);
    EXPECT_EQ(linux_listxattr(x, room, 16), -ERANGE);
    EXPECT_EQ(linux_listxattr(x, room, 64), 17);
    EXPECT_EQ(linux_chmod(x, 0644), 0);
    file_fixture_become(&f, 1000, 1000);
    EXPECT_EQ(linux_listxattr(x, room, 64), 7);
    EXPECT_EQ(linux_getxattr(x, AT("trusted.t"), room, 64), -ENODATA);
    EXPECT_EQ(linux_setxattr(x, name, value, 5, 0), -EACCES);
    file_fixture_become(&f, 0, 0);
    EXPECT_EQ(linux_removexattr(x, name), 0);
    EXPECT_EQ(linux_removexattr(x, name), -ENODATA);
    EXPECT_EQ(linux_removexattr(x, AT("trusted.t")), 0);
    EXPECT_EQ(linux_listxattr(x, 0, 0), 0);
    file_fixture_end(&f);
}

static int64_t lock(struct file_fixture *f, int fd, int command, int16_t type, int64_t start,
                    int64_t length)
{
    struct linux_flock flock = { .type = type, .start = start, .length = length };
    uaddr_t at = guest_bytes(f, &flock, sizeof(flock));
    int64_t result = linux_fcntl(fd, command, at);
    if (result != 0 || (command != F_GETLK && command != F_OFD_GETLK))
        return result;
    EXPECT_EQ(copy_in(&flock, at, sizeof(flock)), 0);
    return flock.type == F_UNLCK ? 0 : 100 + flock.start;
}

TEST(locks_by_range_and_by_file)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    uaddr_t path = AT("/x");
    int a = (int)linux_openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0644);
    int b = (int)linux_openat(AT_FDCWD, path, O_RDWR, 0);
    int r = (int)linux_openat(AT_FDCWD, path, O_RDONLY, 0);
    /* A process does not stand in its own way; open files do. */
    EXPECT_EQ(lock(&f, a, F_SETLK, F_WRLCK, 0, 100), 0);
    EXPECT_EQ(lock(&f, b, F_SETLK, F_WRLCK, 50, 100), 0);
    EXPECT_EQ(lock(&f, b, F_OFD_SETLK, F_WRLCK, 99, 1), -EAGAIN);
    EXPECT_EQ(lock(&f, b, F_OFD_GETLK, F_WRLCK, 99, 1), 100);
    EXPECT_EQ(lock(&f, b, F_OFD_SETLK, F_WRLCK, 150, 0), 0);
    EXPECT_EQ(lock(&f, a, F_SETLK, F_RDLCK, 200, 1), -EAGAIN);
    EXPECT_EQ(lock(&f, a, F_GETLK, F_RDLCK, 200, 1), 250);
    /* A hole in the middle of it. */
    EXPECT_EQ(lock(&f, a, F_SETLK, F_UNLCK, 40, 20), 0);
    EXPECT_EQ(lock(&f, b, F_OFD_SETLK, F_WRLCK, 45, 5), 0);
    EXPECT_EQ(lock(&f, b, F_OFD_SETLK, F_WRLCK, 39, 1), -EAGAIN);
    EXPECT_EQ(lock(&f, b, F_OFD_SETLK, F_WRLCK, 60, 1), -EAGAIN);
    EXPECT_EQ(lock(&f, r, F_SETLK, F_WRLCK, 0, 1), -EBADF);
    EXPECT_EQ(lock(&f, r, F_SETLK, F_RDLCK, -1, 1), -EINVAL);
    EXPECT_EQ(lock(&f, r, F_SETLK, 7, 0, 1), -EINVAL);
    /* Any close lets go of the process's, and the last of an open file of its own. */
    EXPECT_EQ(linux_close(r), 0);
    EXPECT_EQ(lock(&f, b, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
    EXPECT_EQ(linux_close(b), 0);
    EXPECT_EQ(lock(&f, a, F_GETLK, F_WRLCK, 0, 0), 0);
    b = (int)linux_openat(AT_FDCWD, path, O_RDONLY, 0);
    EXPECT_EQ(linux_flock(a, LOCK_SH), 0);
    EXPECT_EQ(linux_flock(b, LOCK_SH | LOCK_NB), 0);
    EXPECT_EQ(linux_flock(a, LOCK_EX | LOCK_NB), -EAGAIN);
    EXPECT_EQ(linux_flock(b, LOCK_UN), 0);
    EXPECT_EQ(linux_flock(a, LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(linux_flock(b, LOCK_SH | LOCK_NB), -EAGAIN);
    EXPECT_EQ(linux_flock(b, 7), -EINVAL);
    EXPECT_EQ(linux_close(a), 0);
    EXPECT_EQ(linux_flock(b, LOCK_SH | LOCK_NB), 0);
    EXPECT_EQ(linux_close(b), 0);
    file_fixture_end(&f);
}

TEST(times_are_set_and_kept)
{
    struct file_fixture f;
    struct linux_statx out;
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_write(&f, "/x", "x"), 1);
    const struct linux_timespec given[2] = { { 100, 5 }, { 200, 0x3ffffffe } };
    const struct linux_timespec wrong[2] = { { 100, 1000000000 }, { 200, 0 } };
    uaddr_t room = guest_room(&f, sizeof(out));
    EXPECT_EQ(linux_utimensat(AT_FDCWD, AT("/x"), guest_bytes(&f, given, sizeof(given)), 0), 0);
    EXPECT_EQ(linux_utimensat(AT_FDCWD, AT("/x"), guest_bytes(&f, wrong, sizeof(wrong)), 0),
              -EINVAL);
    EXPECT_EQ(linux_statx(AT_FDCWD, AT("/x"), 0, STATX_BASIC, room), 0);
    EXPECT_EQ(copy_in(&out, room, sizeof(out)), 0);
    EXPECT_EQ(out.accessed.seconds, 100);
    EXPECT_EQ(out.accessed.nanoseconds, 5);
    EXPECT(out.modified.seconds > 1000000000);
    EXPECT_EQ(linux_statx(AT_FDCWD, 0, 0, STATX_BASIC, 0), -EFAULT);
    EXPECT_EQ(linux_statx(AT_FDCWD, AT("/x"), 0x8000, STATX_BASIC, room), -EINVAL);
    file_fixture_end(&f);
}

TEST(copies_from_file_to_file)
{
    struct file_fixture f;
    char bytes[32];
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_write(&f, "/x", "0123456789"), 10);
    int in = (int)linux_openat(AT_FDCWD, AT("/x"), O_RDONLY, 0);
    int out = (int)linux_openat(AT_FDCWD, AT("/y"), O_RDWR | O_CREAT, 0644);
    EXPECT_EQ(linux_sendfile(out, in, 0, 4), 4);
    uint64_t offset = 8;
    uaddr_t at = guest_bytes(&f, &offset, sizeof(offset));
    EXPECT_EQ(linux_sendfile(out, in, at, 100), 2);
    EXPECT_EQ(copy_in(&offset, at, sizeof(offset)), 0);
    EXPECT_EQ(offset, 10);
    EXPECT_EQ(linux_copy_file_range(in, 0, out, 0, 100, 0), 6);
    EXPECT_EQ(linux_copy_file_range(in, 0, out, 0, 100, 1), -EINVAL);
    EXPECT_EQ(linux_sendfile(in, out, 0, 4), -EBADF);
    EXPECT_EQ(file_fixture_read(&f, "/y", bytes, sizeof(bytes)), 12);
    EXPECT_STR(bytes, "012389456789");
    uint64_t zero = 0;
    uint64_t two = 2;
    EXPECT_EQ(
        linux_copy_file_range(out, guest_bytes(&f, &zero, 8), out, guest_bytes(&f, &two, 8), 5, 0),
        -EINVAL);
    EXPECT_EQ(linux_close(in), 0);
    EXPECT_EQ(linux_close(out), 0);
    file_fixture_end(&f);
}

TEST(sizes_have_a_limit)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    f.task->process->limit[RLIMIT_FSIZE].soft = 4;
    int fd = (int)linux_openat(AT_FDCWD, AT("/x"), O_RDWR | O_CREAT, 0644);
    EXPECT_EQ(linux_write(fd, AT("012345"), 6), 4);
    EXPECT_EQ(linux_write(fd, AT("6"), 1), -EFBIG);
    EXPECT_EQ(linux_ftruncate(fd, 5), -EFBIG);
    EXPECT_EQ(linux_ftruncate(fd, -1), -EINVAL);
    f.task->process->limit[RLIMIT_FSIZE].soft = RLIM_INFINITY;
    EXPECT_EQ(linux_pwrite64(fd, AT("x"), 1, INT64_MAX), -EINVAL);
    EXPECT_EQ(linux_ftruncate(fd, INT64_MAX), 0);
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

TEST(memory_that_ends_is_no_space_and_nothing_else)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/x"), O_RDWR | O_CREAT, 0644);
    uaddr_t text = AT("text");
    host_memory_fail_after(1);
    EXPECT_EQ(linux_write(fd, text, 4), 4); /* the second try, page by page, succeeds */
    host_memory_fail_after(0);
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

TEST(room_that_cannot_be_had_is_not_kept)
{
    struct file_fixture f;
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/m"), 0755), 0);
    EXPECT_EQ(linux_mount(AT("none"), AT("/m"), AT("tmpfs"), 0, AT("size=64k")), 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/m/x"), O_RDWR | O_CREAT, 0644);
    EXPECT_EQ(linux_pwrite64(fd, AT("text"), 4, 5 * 4096), 4);
    uint64_t before = pool_pages();
    EXPECT_EQ(linux_fallocate(fd, 0, 0, 1 << 20), -ENOSPC);
    EXPECT(pool_pages() <= before);
    EXPECT_EQ(linux_fallocate(fd, 0, 0, 1ll << 60), -ENOSPC);
    /* Nor are places in the pool, which there are fewer of than of these. */
    before = pool_pages();
    for (int64_t i = 1; i < 64; i++) {
        EXPECT_EQ(linux_fallocate(fd, 0, i << 21, 1 << 20), -ENOSPC);
        EXPECT_EQ(linux_pwrite64(fd, 64, 4, i << 21), -EFAULT);
    }
    EXPECT_EQ(pool_pages(), before);
    EXPECT_EQ(file_fixture_write(&f, "/m/y", "other"), 5);
    EXPECT_EQ(linux_fallocate(fd, 0, 0, 15ll * 4096), 0);
    EXPECT_EQ(linux_close(fd), 0);
    /* Nor where memory ends. */
    fd = (int)linux_openat(AT_FDCWD, AT("/x"), O_RDWR | O_CREAT, 0644);
    before = pool_pages();
    host_memory_fail_after(3);
    EXPECT_EQ(linux_fallocate(fd, 0, 0, 1 << 20), -ENOSPC);
    host_memory_fail_after(0);
    EXPECT_EQ(pool_pages(), before);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(linux_umount2(AT("/m"), 0), 0);
    file_fixture_end(&f);
}

TEST(host_names_are_written_into_files_alone)
{
    struct file_fixture f;
    char text[80];
    file_fixture_init(&f, NULL, 0);
    session_write_names("early"); /* there is no /etc */
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/etc"), 0755), 0);
    EXPECT_EQ(linux_mknod(AT("/etc/hosts"), S_IFIFO | 0644, 0), 0);
    EXPECT_EQ(file_fixture_write(&f, "/etc/hostname", "a name that is longer"), 21);
    session_write_names("box"); /* it would wait for who reads the pipe */
    EXPECT(file_fixture_read(&f, "/etc/hostname", text, sizeof(text)) > 0);
    EXPECT_STR(text, "box\n");
    EXPECT_EQ(linux_unlink(AT("/etc/hosts")), 0);
    EXPECT_EQ(linux_symlink(AT("hostname"), AT("/etc/hosts")), 0);
    session_write_names("box");
    EXPECT(file_fixture_read(&f, "/etc/hostname", text, sizeof(text)) > 0);
    EXPECT(strncmp(text, "127.0.0.1", 9) == 0);
    file_fixture_end(&f);
}

TEST(a_program_is_not_written_while_it_runs)
{
    struct file_fixture f;
    struct path path;
    struct file *file;
    struct mm *mm;
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(file_fixture_write(&f, "/program", "text"), 4);
    EXPECT_EQ(linux_chmod(AT("/program"), 0755), 0);
    EXPECT_EQ(path_find(AT_FDCWD, "/program", LOOKUP_FOLLOW, &path), 0);
    EXPECT_EQ(file_open_program(&path, &file), 0);
    path_put(&path);
    EXPECT_EQ(mm_create(&mm), 0);
    mm->executable = file;
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/program"), O_RDWR, 0), -ETXTBSY);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/program"), O_RDONLY | O_TRUNC, 0), -ETXTBSY);
    EXPECT_EQ(linux_truncate(AT("/program"), 0), -ETXTBSY);
    mm_put(mm);
    EXPECT_EQ(file_fixture_write(&f, "/program", "other"), 5);
    EXPECT_EQ(linux_truncate(AT("/program"), 0), 0);
    file_fixture_end(&f);
}

TEST(a_mount_may_keep_programs_from_gaining)
{
    struct file_fixture f;
    struct program_gifts gifts;
    struct path path;
    struct file *file;
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/m"), 0755), 0);
    for (unsigned turn = 0; turn < 2; turn++) {
        EXPECT_EQ(linux_mount(AT("none"), AT("/m"), AT("tmpfs"), turn == 0 ? 0 : MS_NOSUID, 0), 0);
        EXPECT_EQ(file_fixture_write(&f, "/m/program", "text"), 4);
        EXPECT_EQ(linux_chmod(AT("/m/program"), 06755), 0);
        EXPECT_EQ(path_find(AT_FDCWD, "/m/program", LOOKUP_FOLLOW, &path), 0);
        EXPECT_EQ(file_open_program(&path, &file), 0);
        EXPECT_EQ(program_gifts_of(file, &gifts), 0);
        EXPECT_EQ(gifts.mode, turn == 0 ? S_IFREG | 06755 : 0);
        file_put(file);
        path_put(&path);
        EXPECT_EQ(linux_umount2(AT("/m"), 0), 0);
    }
    file_fixture_end(&f);
}

TEST(unnamed_files_have_seals)
{
    struct file_fixture f;
    struct file *file;
    file_fixture_init(&f, NULL, 0);
    EXPECT_EQ(memfs_create_file("memfd:test", 0600, &file), 0);
    int fd = fd_install(file, 0, 0);
    char bytes[64] = { 0 };
    uaddr_t room = guest_room(&f, 64);
    EXPECT_EQ(linux_readlinkat(AT_FDCWD, AT("/proc/self/fd/0"), room, 64), 21);
    EXPECT_EQ(copy_in(bytes, room, 21), 0);
    EXPECT_STR(bytes, "/memfd:test (deleted)");
    EXPECT_EQ(linux_write(fd, AT("abcd"), 4), 4);
    EXPECT_EQ(linux_fcntl(fd, F_GET_SEALS, 0), 0);
    EXPECT_EQ(linux_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    EXPECT_EQ(linux_ftruncate(fd, 3), -EPERM);
    EXPECT_EQ(linux_ftruncate(fd, 5), -EPERM);
    EXPECT_EQ(linux_write(fd, AT("e"), 1), -EPERM);
    EXPECT_EQ(linux_pwrite64(fd, AT("e"), 1, 0), 1);
    EXPECT_EQ(linux_pwrite64(fd, AT("ef"), 2, 3), -EPERM);
    EXPECT_EQ(linux_fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
    EXPECT_EQ(linux_pwrite64(fd, AT("e"), 1, 0), -EPERM);
    EXPECT_EQ(linux_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4), -EPERM);
    EXPECT_EQ(linux_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL), 0);
    EXPECT_EQ(linux_pwrite64(fd, AT("e"), 1, 0), -EPERM);
    EXPECT_EQ(linux_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -EPERM);
    EXPECT_EQ(linux_fcntl(fd, F_ADD_SEALS, 0x100), -EINVAL);
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

/* Devices, /proc and /sys, mounts, extended attributes, locks, times, listings. */
#include "fixture.h"
#include <base/fmt.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/mman.h>
#include <linux/abi/stat.h>
#include <linux/abi/time.h>
#include <linux/container.h>
#include <linux/heap.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/pool.h>
#include <linux/table.h>
#include <linux/world.h>
#include <stdlib.h>
#include <string.h>

#define AT(text) guest_text(&f, text)
#define MAP_AT   ((uint64_t)0x50000000)

static void read_all(struct file_fixture *f, const char *path, char *to, size_t size_bytes)
{
    int64_t length = file_fixture_read(f, path, to, size_bytes);
    if (length < 0) {
        test_note("%s: %lld", path, (long long)length);
        to[0] = '\0';
    }
    EXPECT(length >= 0);
}

TEST(devices_of_memory)
{
    struct file_fixture f;
    char bytes[32];
    file_fixture_init(&f, NULL, 0);
    uaddr_t room = guest_bytes(&f, "xxxxxxxxxxxxxxxx", 16);
    EXPECT_EQ(file_fixture_read(&f, "/dev/null", bytes, sizeof(bytes)), 0);
    EXPECT_EQ(file_fixture_write(&f, "/dev/null", "gone"), 4);
    EXPECT_EQ(file_fixture_write(&f, "/dev/full", "no"), -ENOSPC);
    int zero = (int)linux_openat(AT_FDCWD, AT("/dev/zero"), O_RDWR, 0);
    EXPECT_EQ(linux_read(zero, room, 8), 8);
    EXPECT_EQ(copy_in(bytes, room, 16), 0);
    EXPECT_EQ(memcmp(bytes, "\0\0\0\0\0\0\0\0xxxxxxxx", 16), 0);
    uaddr_t large = guest_room(&f, 1 << 17);
    EXPECT_EQ(linux_read(zero, large, 1 << 17), 1 << 17);
    EXPECT_EQ(linux_getrandom(large, 1 << 14, 0), 1 << 14);
    f.task->notice = 1; /* a signal is not kept waiting */
    EXPECT_EQ(linux_read(zero, large, 1 << 17), 1 << 16);
    EXPECT_EQ(linux_getrandom(large, 1 << 14, 0), MACHINE_PAGE);
    EXPECT_EQ(linux_getrandom(large, 300, 0), 300);
    f.task->notice = 0;
    EXPECT_EQ(linux_lseek(zero, 100, SEEK_SET), 0);
    EXPECT_EQ(linux_ioctl(zero, 0x5401, room), -ENOTTY);
    EXPECT_EQ(linux_close(zero), 0);
    int random = (int)linux_openat(AT_FDCWD, AT("/dev/urandom"), O_RDONLY, 0);
    EXPECT_EQ(linux_read(random, room, 16), 16);
    EXPECT_EQ(linux_read(random, FIXTURE_AT + FIXTURE_BYTES - 8, 16), 8);
    EXPECT_EQ(linux_ioctl(random, 0x5401, room), -EINVAL);
    EXPECT_EQ(linux_close(random), 0);
    EXPECT_EQ(linux_mknodat(AT_FDCWD, AT("/strange"), S_IFCHR | 0666, device_number(77, 3)), 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/strange"), O_RDONLY, 0), -ENXIO);
    EXPECT_EQ(linux_mknodat(AT_FDCWD, AT("/socket"), S_IFSOCK | 0666, 0), 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/socket"), O_RDONLY, 0), -ENXIO);
    file_fixture_end(&f);
}

/* Two pages of /dev/zero at MAP_AT. */
static int64_t map_zero(int64_t fd, uint64_t protection, uint64_t flags)
{
    return CALL(mmap, MAP_AT, 8192, protection, flags | MAP_FIXED, (uint64_t)fd, 4096);
}

static void writes(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    guest_store(at, 9);
}

static void maps_zero(uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t both = PROT_READ | PROT_WRITE;
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(copy_out(GUEST_DATA, "/dev/zero", sizeof("/dev/zero")), 0);
    int64_t reads = CALL(openat, (uint64_t)AT_FDCWD, GUEST_DATA, O_RDONLY);
    int64_t fd = CALL(openat, (uint64_t)AT_FDCWD, GUEST_DATA, O_RDWR);

    EXPECT_EQ(map_zero(reads, both, MAP_PRIVATE), (int64_t)MAP_AT);
    EXPECT_EQ(guest_load(MAP_AT + 4096), 0);
    guest_store(MAP_AT + 4096, 7);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(writes, MAP_AT + 4096)), 0);
    EXPECT_EQ(guest_load(MAP_AT + 4096), 7);

    EXPECT_EQ(map_zero(reads, both, MAP_SHARED), -EACCES);
    EXPECT_EQ(map_zero(fd, both, MAP_SHARED), (int64_t)MAP_AT);
    EXPECT_EQ(guest_load(MAP_AT + 4096), 0);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(writes, MAP_AT + 4096)), 0);
    EXPECT_EQ(guest_load(MAP_AT + 4096), 9);
    EXPECT_EQ(CALL(munmap, MAP_AT, 8192), 0);
}

TEST(a_mapping_of_dev_zero_is_anonymous_memory)
{
    file_world_run(maps_zero);
}

TEST(proc_tells_of_the_caller)
{
    struct file_fixture f;
    char text[4096];
    char expected[64];
    file_fixture_init(&f, NULL, 0);
    int32_t pid = f.task->process->pid;
    task_rename(f.task, "tester");
    read_all(&f, "/proc/self/stat", text, sizeof(text));
    (void)format_text(expected, sizeof(expected), "%d (tester) R 0 ", pid);
    EXPECT_EQ(strncmp(text, expected, strlen(expected)), 0);
    unsigned fields = 1;
    for (const char *at = strchr(text, ')'); *at != '\0'; at++)
        fields += *at == ' ';
    EXPECT_EQ(fields, 51 + 0); /* behind the name: 50 blanks and the first */
    read_all(&f, "/proc/thread-self/status", text, sizeof(text));
    EXPECT(strstr(text, "Name:\ttester\n") != NULL);
    EXPECT(strstr(text, "Uid:\t0\t0\t0\t0\n") != NULL);
    EXPECT(strstr(text, "CapEff:\t000001ffffffffff\n") != NULL);
    EXPECT_EQ(file_fixture_write(&f, "/proc/self/comm", "renamed\n"), 8);
    read_all(&f, "/proc/self/comm", text, sizeof(text));
    EXPECT_STR(text, "renamed\n");
    read_all(&f, "/proc/self/limits", text, sizeof(text));
    EXPECT(
        strstr(text, "Max open files            1024                 4096                 files") !=
        NULL);
    read_all(&f, "/proc/self/cgroup", text, sizeof(text));
    EXPECT_STR(text, "0::/\n");
    EXPECT_EQ(file_fixture_write(&f, "/proc/self/oom_score_adj", "-500\n"), 5);
    read_all(&f, "/proc/self/oom_score_adj", text, sizeof(text));
    EXPECT_STR(text, "-500\n");
    EXPECT_EQ(file_fixture_write(&f, "/proc/self/oom_score_adj", "1001"), -EINVAL);
    EXPECT_EQ(file_fixture_write(&f, "/proc/self/oom_score_adj", "x"), -EINVAL);
    EXPECT_EQ(file_fixture_read(&f, "/proc/4194000/stat", text, sizeof(text)), -ENOENT);
    EXPECT_EQ(file_fixture_read(&f, "/proc/self/nothing", text, sizeof(text)), -ENOENT);
    EXPECT_EQ(file_fixture_write(&f, "/proc/new", "x"), -ENOENT);
    EXPECT_EQ(linux_mkdirat(AT_FDCWD, AT("/proc/self/x"), 0755), -ENOENT);
    EXPECT_EQ(linux_unlinkat(AT_FDCWD, AT("/proc/self/comm"), 0), -EPERM);
    file_fixture_end(&f);
}

TEST(proc_and_sys_tell_of_the_system)
{
    static const struct {
        const char *path, *part;
    } files[] = {
        { "/proc/meminfo", "MemTotal:" },
        { "/proc/stat", "btime " },
        { "/proc/cpuinfo", "processor\t: 0\n" },
        { "/proc/uptime", "." },
        { "/proc/loadavg", "0.00 0.00 0.00 " },
        { "/proc/version", "Linux version " },
        { "/proc/filesystems", "nodev\tproc\n" },
        { "/proc/mounts", "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n" },
        { "/proc/self/mountinfo",
          " /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=" },
        { "/proc/sys/kernel/ngroups_max", "65536\n" },
        { "/proc/sys/kernel/osrelease", "6." },
        { "/proc/sys/kernel/random/uuid", "-" },
        { "/proc/net/dev", "lo:" },
        { "/proc/tty/drivers", "pty_slave" },
        { "/sys/devices/system/cpu/online", "0" },
        { "/sys/fs/cgroup/memory.max", "1048576\n" },
        { "/sys/fs/cgroup/cpu.max", "50000 100000\n" },
        { "/sys/fs/cgroup/pids.max", "max\n" },
        { "/sys/fs/cgroup/cgroup.procs", "\n" },
    };
    struct file_fixture f;
    char text[8192];
    const struct container_limits limits = { .memory_bytes = 1048576,
                                             .cpu_quota_us = 50000,
                                             .cpu_period_us = 100000 };
    container_set_limits(&limits);
    file_fixture_init(&f, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        read_all(&f, files[i].path, text, sizeof(text));
        if (strstr(text, files[i].part) == NULL)
            test_note("%s: %s", files[i].path, text);
        EXPECT(strstr(text, files[i].part) != NULL);
    }
    EXPECT_EQ(file_fixture_write(&f, "/sys/fs/cgroup/pids.max", "1"), -EROFS);
    EXPECT_EQ(file_fixture_write(&f, "/proc/sys/kernel/hostname", "box\n"), 4);
    read_all(&f, "/proc/sys/kernel/hostname", text, sizeof(text));
    EXPECT_STR(text, "box\n");
    container_set_limits(&(struct container_limits){ 0 });
    file_fixture_end(&f);
}

TEST(a_proc_file_is_made_anew_from_its_start)
{
    struct file_fixture f;
    char bytes[16];
    file_fixture_init(&f, NULL, 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/proc/self/comm"), O_RDONLY, 0);
    uaddr_t room = guest_room(&f, 16);
    task_rename(f.task, "first");
    EXPECT_EQ(linux_read(fd, room, 2), 2);
    task_rename(f.task, "second");
    EXPECT_EQ(linux_read(fd, room, 16), 4);
    EXPECT_EQ(copy_in(bytes, room, 4), 0);
    EXPECT_EQ(memcmp(bytes, "rst\n", 4), 0);
    EXPECT_EQ(linux_pread64(fd, room, 16, 0), 7);
    EXPECT_EQ(linux_lseek(fd, 0, SEEK_SET), 0);
    EXPECT_EQ(linux_read(fd, room, 16), 7);
    EXPECT_EQ(linux_read(fd, room, 16), 0);
    EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f);
}

TEST(descriptors_are_links_that_open_again)
{
    struct file_fixture f;
    char bytes[64] = { 0 };
    file_fixture_init(&f, NULL, 0);
    int fd = (int)linux_openat(AT_FDCWD, AT("/x"), O_RDWR | O_CREAT, 0644);
    EXPECT_EQ(linux_write(fd, AT("hello"), 5), 5);
    EXPECT_EQ(file_fixture_read(&f, "/dev/fd/0", bytes, sizeof(bytes)), 5);
    EXPECT_EQ(file_fixture_read(&f, "/dev/stdin", bytes, sizeof(bytes)), 5);
    EXPECT_STR(bytes, "hello");
    EXPECT_EQ(file_fixture_read(&f, "/proc/self/fd/1", bytes, sizeof(bytes)), -ENOENT);
    uaddr_t room = guest_room(&f, 64);
    EXPECT_EQ(linux_readlinkat(AT_FDCWD, AT("/proc/self/fd/0"), room, 64), 2);
    EXPECT_EQ(file_fixture_read(&f, "/proc/self/fdinfo/0", bytes, sizeof(bytes)) > 30, true);
    EXPECT_EQ(strncmp(bytes, "pos:\t5\nflags:\t0100002\n", 22), 0);
    EXPECT_EQ(linux_close(fd), 0);
    EXPECT_EQ(file_fixture_read(&f, "/proc/self/fd/0", bytes, sizeof(bytes)), -ENOENT);
    file_fixture_end(&f);
}

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
    read_all(&f, "/etc/hostname", text, sizeof(text));
    EXPECT_STR(text, "box\n");
    EXPECT_EQ(linux_unlink(AT("/etc/hosts")), 0);
    EXPECT_EQ(linux_symlink(AT("hostname"), AT("/etc/hosts")), 0);
    session_write_names("box");
    read_all(&f, "/etc/hostname", text, sizeof(text));
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

/* The fields of /proc/PID/stat that are addresses: start_code to start_stack, and from start_data
 * on. */
static uint64_t stat_field(const char *text, unsigned number)
{
    const char *at = strrchr(text, ')') + 1;
    for (unsigned i = 2; i < number - 1; i++)
        at = strchr(at + 1, ' ');
    return strtoull(at, NULL, 10);
}

static void reads_stat(uint64_t looks, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    char text[1024] = { 0 };
    if (looks == 0)
        EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    EXPECT_EQ(copy_out(GUEST_DATA, "/proc/1/stat", 13), 0);
    int64_t fd = CALL(openat, (uint64_t)AT_FDCWD, GUEST_DATA, O_RDONLY, 0);
    EXPECT(fd >= 0);
    int64_t length = CALL(read, (uint64_t)fd, GUEST_DATA, sizeof(text) - 1);
    EXPECT(length > 0);
    EXPECT_EQ(copy_in(text, GUEST_DATA, (size_t)length), 0);
    EXPECT_EQ(stat_field(text, 26), looks != 0 ? 0x5555000 : 1);
    EXPECT_EQ(stat_field(text, 28), looks != 0 ? 0x7fff000 : 0);
    EXPECT_EQ(stat_field(text, 47), looks != 0 ? 0x6666000 : 0);
    EXPECT_EQ(CALL(close, (uint64_t)fd), 0);
}

static void is_looked_at(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    struct mm *mm = task_self()->mm;
    mm->code_start = 0x5555000;
    mm->stack_top = 0x7fff000;
    mm->brk_start = mm->brk = 0x6666000;
    EXPECT_EQ(guest_wait((int32_t)guest_fork(reads_stat, 0)), 0);
    EXPECT_EQ(guest_wait((int32_t)guest_fork(reads_stat, 1)), 0);
}

TEST(where_a_program_lies_is_for_those_who_may_look)
{
    file_world_run(is_looked_at);
}

static int64_t open_at(const char *path)
{
    EXPECT_EQ(copy_out(GUEST_DATA, path, strlen(path) + 1), 0);
    return CALL(openat, (uint64_t)AT_FDCWD, GUEST_DATA, O_RDONLY, 0);
}

static const char *const memory_files[] = { "maps", "smaps", "environ", "auxv" };

static void opens_without_rights(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(setresuid, 1000, 1000, 1000), 0);
    for (unsigned i = 0; i < ARRAY_LEN(memory_files); i++) {
        char path[32];
        (void)format_text(path, sizeof(path), "/proc/1/%s", memory_files[i]);
        EXPECT_EQ(open_at(path), -EACCES);
    }
    EXPECT(open_at("/proc/1/cmdline") >= 0);
}

/* Another memory, as execve does it. */
static void executes(void)
{
    struct exec_change change = { 0 };
    struct cred *cred;
    struct mm *mm;
    bool secure;
    EXPECT_EQ(cred_for_exec(&(struct program_gifts){ .mode = 0755 }, &cred, &secure), 0);
    EXPECT_EQ(mm_fork(task_self()->mm, &mm), 0);
    EXPECT_EQ(task_exec_begin(cred, false, &change), 0);
    task_exec_commit(&change, mm, cred, "program");
}

static void is_opened(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(guest_wait((int32_t)guest_fork(opens_without_rights, 0)), 0);
    int64_t maps = open_at("/proc/self/maps");
    int64_t auxv = open_at("/proc/self/auxv");
    EXPECT(CALL(read, (uint64_t)maps, GUEST_DATA, 1000) > 0);
    EXPECT(CALL(pread64, (uint64_t)auxv, GUEST_DATA, 1000, 0) > 0);
    executes();
    EXPECT_EQ(CALL(pread64, (uint64_t)maps, GUEST_DATA, 1000, 0), 0);
    EXPECT_EQ(CALL(pread64, (uint64_t)auxv, GUEST_DATA, 1000, 0), 0);
    EXPECT(CALL(read, (uint64_t)open_at("/proc/self/maps"), GUEST_DATA, 1000) > 0);
}

TEST(who_opens_a_programs_memory_must_be_allowed_to)
{
    file_world_run(is_opened);
}

static bool task_find_is(int64_t tid)
{
    struct task *task = task_find((int32_t)tid);
    if (task != NULL)
        task_put(task);
    return task != NULL;
}

static void ends_when_told(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    while (guest_load(at) == 0)
        guest_poll();
    (void)CALL(exit, 0);
}

/* As if ids had come round: another thread gets the id of one that has ended. */
static void reads_of_a_thread_that_ended(uint64_t a, uint64_t b, uint64_t c)
{
    static const char *const files[] = { "stat", "status", "comm", "maps", "limits" };
    const uaddr_t go = GUEST_DATA + 0x1000;
    int64_t fd[ARRAY_LEN(files)];
    struct task_view view;
    (void)a;
    (void)b;
    (void)c;
    int64_t first = guest_thread(ends_when_told, go, 1, GUEST_DATA + 0x2000);
    int64_t second = guest_thread(ends_when_told, go + 8, 2, GUEST_DATA + 0x2008);
    for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
        char path[48];
        (void)format_text(path, sizeof(path), "/proc/self/task/%lld/%s", (long long)first,
                          files[i]);
        EXPECT((fd[i] = open_at(path)) >= 0);
        EXPECT(CALL(pread64, (uint64_t)fd[i], GUEST_DATA, 1000, 0) > 0);
    }
    struct task *ended = task_find((int32_t)first);
    struct task *other = task_find((int32_t)second);
    guest_store(go, 1);
    while (task_find_is(first))
        guest_poll();
    rt_lock(&processes_lock);
    table_rename_task(other, (int32_t)first);
    rt_unlock(&processes_lock);
    EXPECT_EQ(task_view(ended, &view), -ESRCH);
    EXPECT_EQ(task_view(other, &view), 0);
    for (unsigned i = 0; i < ARRAY_LEN(files); i++)
        EXPECT_EQ(CALL(pread64, (uint64_t)fd[i], GUEST_DATA, 1000, 0), -ESRCH);
    task_put(ended);
    task_put(other);
    guest_store(go + 8, 1);
    guest_join(GUEST_DATA + 0x2008);
}

TEST(a_file_of_a_thread_that_ended_tells_of_no_other)
{
    file_world_run(reads_of_a_thread_that_ended);
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

/* Devices, /proc and /sys: files whose contents are made when they are read. */
#include "fixture.h"
#include <base/fmt.h>
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/mman.h>
#include <linux/abi/stat.h>
#include <linux/limits.h>
#include <linux/mm.h>
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

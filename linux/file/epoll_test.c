#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/time.h>
#include <linux/heap.h>
#include <linux/poll.h>
#include <linux/world.h>
#include <string.h>

enum { ADD = 1, DEL = 2, MOD = 3 };
#define EPOLLEXCLUSIVE ((uint32_t)1 << 28)
#define EPOLLONESHOT   ((uint32_t)1 << 30)
#define EPOLLET        ((uint32_t)1 << 31)

struct epoll_fixture {
    struct file_fixture files;
    int epoll;
    uaddr_t room;
};

static void epoll_init(struct epoll_fixture *f)
{
    file_fixture_init(&f->files, NULL, 0);
    f->epoll = (int)linux_epoll_create1(0);
    EXPECT_EQ(f->epoll, 0);
    f->room = guest_room(&f->files, 4096);
}

static void epoll_end(struct epoll_fixture *f)
{
    for (int fd; (fd = fd_next(f->files.task, 0)) >= 0;)
        EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f->files);
}

static int64_t ctl(struct epoll_fixture *f, int operation, int fd, uint32_t events)
{
    uint8_t event[EPOLL_EVENT_MAX] = { 0 };
    uint64_t data = (uint64_t)fd * 1000;
    memcpy(event, &events, 4);
    memcpy(event + epoll_layout.data, &data, 8);
    EXPECT_EQ(copy_out(f->room, event, epoll_layout.size_bytes), 0);
    return linux_epoll_ctl(f->epoll, operation, fd, f->room);
}

/* The events of a wait that does not wait: descriptors and bits of the first. */
static int64_t look(struct epoll_fixture *f, int *fd_out, uint32_t *events_out)
{
    uint8_t event[EPOLL_EVENT_MAX];
    uint64_t data = 0;
    int64_t count = linux_epoll_pwait(f->epoll, f->room, 16, 0, 0, 0);
    *events_out = 0;
    *fd_out = -1;
    if (count <= 0)
        return count;
    EXPECT_EQ(copy_in(event, f->room, epoll_layout.size_bytes), 0);
    memcpy(events_out, event, 4);
    memcpy(&data, event + epoll_layout.data, 8);
    *fd_out = (int)(data / 1000);
    return count;
}

static bool sees(struct epoll_fixture *f, int fd, uint32_t events)
{
    int seen_fd;
    uint32_t seen;
    return look(f, &seen_fd, &seen) == 1 && seen_fd == fd && seen == events;
}

static bool sees_nothing(struct epoll_fixture *f)
{
    int fd;
    uint32_t events;
    return look(f, &fd, &events) == 0;
}

static void give(struct epoll_fixture *f, int fd, uint64_t value)
{
    EXPECT_EQ(copy_out(f->room, &value, 8), 0);
    EXPECT_EQ(linux_write(fd, f->room, 8), 8);
}

static uint64_t take(struct epoll_fixture *f, int fd)
{
    uint64_t value = 0;
    EXPECT_EQ(linux_read(fd, f->room, 8), 8);
    EXPECT_EQ(copy_in(&value, f->room, 8), 0);
    return value;
}

TEST(levels_edges_and_single_shots)
{
    struct epoll_fixture f;
    epoll_init(&f);
    int event = (int)linux_eventfd2(0, O_NONBLOCK);
    EXPECT_EQ(ctl(&f, ADD, event, POLL_IN), 0);
    EXPECT(sees_nothing(&f));
    give(&f, event, 1);
    EXPECT(sees(&f, event, POLL_IN));
    EXPECT(sees(&f, event, POLL_IN)); /* a level */
    EXPECT_EQ(take(&f, event), 1);
    EXPECT(sees_nothing(&f));

    EXPECT_EQ(ctl(&f, MOD, event, POLL_IN | EPOLLET), 0);
    give(&f, event, 1);
    EXPECT(sees(&f, event, POLL_IN));
    EXPECT(sees_nothing(&f)); /* an edge, */
    give(&f, event, 1);
    EXPECT(sees(&f, event, POLL_IN)); /* and another */
    EXPECT_EQ(ctl(&f, MOD, event, POLL_IN | EPOLLONESHOT), 0);
    EXPECT(sees(&f, event, POLL_IN));
    give(&f, event, 1);
    EXPECT(sees_nothing(&f));
    EXPECT_EQ(ctl(&f, MOD, event, POLL_IN | POLL_OUT | EPOLLONESHOT), 0);
    EXPECT(sees(&f, event, POLL_IN | POLL_OUT));
    EXPECT_EQ(ctl(&f, DEL, event, 0), 0);
    give(&f, event, 1);
    EXPECT(sees_nothing(&f));
    epoll_end(&f);
}

TEST(every_write_to_a_pipe_is_an_edge)
{
    struct epoll_fixture f;
    int fd[2];
    epoll_init(&f);
    EXPECT_EQ(linux_pipe2(f.room, O_NONBLOCK), 0);
    EXPECT_EQ(copy_in(fd, f.room, sizeof(fd)), 0);
    EXPECT_EQ(ctl(&f, ADD, fd[0], POLL_IN | EPOLLET), 0);
    EXPECT_EQ(linux_write(fd[1], f.room, 1), 1);
    EXPECT(sees(&f, fd[0], POLL_IN));
    EXPECT(sees_nothing(&f));
    EXPECT_EQ(linux_write(fd[1], f.room, 1), 1);
    EXPECT(sees(&f, fd[0], POLL_IN)); /* though there were bytes before */
    epoll_end(&f);
}

TEST(what_cannot_be_watched_is_refused)
{
    struct epoll_fixture f;
    epoll_init(&f);
    int event = (int)linux_eventfd2(0, 0);
    EXPECT_EQ(linux_epoll_create1(1), -EINVAL);
    EXPECT_EQ(ctl(&f, ADD, 77, POLL_IN), -EBADF);
    EXPECT_EQ(ctl(&f, ADD, f.epoll, POLL_IN), -EINVAL);
    EXPECT_EQ(ctl(&f, 4, event, POLL_IN), -EINVAL);
    EXPECT_EQ(ctl(&f, MOD, event, POLL_IN), -ENOENT);
    EXPECT_EQ(ctl(&f, DEL, event, POLL_IN), -ENOENT);
    EXPECT_EQ(ctl(&f, ADD, event, POLL_IN), 0);
    EXPECT_EQ(ctl(&f, ADD, event, POLL_IN), -EEXIST);
    EXPECT_EQ(ctl(&f, MOD, event, POLL_IN | EPOLLEXCLUSIVE), -EINVAL);
    EXPECT_EQ(linux_epoll_ctl(f.epoll, ADD, event, 8), -EFAULT);
    EXPECT_EQ(linux_epoll_ctl(event, ADD, f.epoll, f.room), -EINVAL);
    EXPECT_EQ(file_fixture_write(&f.files, "/file", "x"), 1);
    int file = (int)linux_openat(AT_FDCWD, guest_text(&f.files, "/file"), O_RDONLY, 0);
    int null = (int)linux_openat(AT_FDCWD, guest_text(&f.files, "/dev/null"), O_RDONLY, 0);
    EXPECT_EQ(ctl(&f, ADD, file, POLL_IN), -EPERM);
    EXPECT_EQ(ctl(&f, ADD, null, POLL_IN), -EPERM);
    give(&f, event, 1);
    EXPECT_EQ(linux_epoll_pwait(f.epoll, f.room, 0, 0, 0, 0), -EINVAL);
    EXPECT_EQ(linux_epoll_pwait(event, f.room, 1, 0, 0, 0), -EINVAL);
    EXPECT_EQ(linux_epoll_pwait(77, f.room, 1, 0, 0, 0), -EBADF);
    EXPECT_EQ(linux_epoll_pwait(f.epoll, 8, 1, 0, 0, 0), -EFAULT);
    EXPECT(sees(&f, event, POLL_IN)); /* it stayed */
    epoll_end(&f);
}

TEST(what_is_closed_is_not_watched_any_more)
{
    struct epoll_fixture f;
    epoll_init(&f);
    int event = (int)linux_eventfd2(1, 0);
    EXPECT_EQ(ctl(&f, ADD, event, POLL_IN), 0);
    int other = (int)linux_dup(event);
    EXPECT_EQ(ctl(&f, ADD, other, POLL_OUT), 0);
    EXPECT_EQ(linux_close(event), 0);
    int fd;
    uint32_t events;
    EXPECT_EQ(look(&f, &fd, &events), 2); /* the file is open still */
    EXPECT_EQ(linux_close(other), 0);
    EXPECT(sees_nothing(&f));
    event = (int)linux_eventfd2(1, 0);
    EXPECT_EQ(ctl(&f, ADD, event, POLL_IN), 0);
    EXPECT_EQ(linux_close(f.epoll), 0);
    EXPECT_EQ(take(&f, event), 1);
    epoll_end(&f);
}

TEST(epolls_watch_epolls_but_not_in_circles)
{
    struct epoll_fixture f;
    int chain[6];
    epoll_init(&f);
    int event = (int)linux_eventfd2(0, 0);
    chain[0] = f.epoll;
    for (int i = 1; i < 6; i++)
        chain[i] = (int)linux_epoll_create1(0);
    EXPECT_EQ(ctl(&f, ADD, event, POLL_IN), 0);
    for (int i = 1; i < 5; i++) {
        f.epoll = chain[i];
        EXPECT_EQ(ctl(&f, ADD, chain[i - 1], POLL_IN), 0);
    }
    f.epoll = chain[5];
    EXPECT_EQ(ctl(&f, ADD, chain[4], POLL_IN), -ELOOP); /* too long */
    f.epoll = chain[0];
    EXPECT_EQ(ctl(&f, ADD, chain[2], POLL_IN), -ELOOP); /* a circle */
    f.epoll = chain[4];
    EXPECT(sees_nothing(&f));
    give(&f, event, 1);
    EXPECT(sees(&f, chain[3], POLL_IN));
    EXPECT_EQ(take(&f, event), 1);
    EXPECT(sees_nothing(&f));
    epoll_end(&f);
}

/* Each epoll watches the next by very many descriptors: the ways down have eleven digits. */
TEST(epolls_with_many_ways_between_them_are_looked_at_once)
{
    enum { LEVELS = 5, WAYS = 900 };
    struct epoll_fixture f;
    int level[LEVELS];
    epoll_init(&f);
    const uint64_t limit[2] = { 8192, 8192 };
    EXPECT_EQ(copy_out(f.room, limit, sizeof(limit)), 0);
    EXPECT_EQ(linux_setrlimit(RLIMIT_NOFILE, f.room), 0);
    for (unsigned i = 0; i < LEVELS; i++)
        level[i] = (int)linux_epoll_create1(0);
    for (unsigned i = LEVELS - 1; i > 0; i--) {
        f.epoll = level[i - 1];
        for (unsigned n = 0; n < WAYS; n++)
            EXPECT_EQ(ctl(&f, ADD, (int)linux_dup(level[i]), POLL_IN), 0);
    }
    f.epoll = level[LEVELS - 1];
    EXPECT_EQ(ctl(&f, ADD, level[0], POLL_IN), -ELOOP);
    int end = (int)linux_epoll_create1(0);
    EXPECT_EQ(ctl(&f, ADD, end, POLL_IN), -ELOOP); /* too long */
    epoll_end(&f);
}

TEST(counters_count_and_wait)
{
    struct epoll_fixture f;
    epoll_init(&f);
    int event = (int)linux_eventfd2(3, O_NONBLOCK | 1);
    EXPECT_EQ(take(&f, event), 1);
    EXPECT_EQ(take(&f, event), 1);
    EXPECT_EQ(take(&f, event), 1);
    EXPECT_EQ(linux_read(event, f.room, 8), -EAGAIN);
    EXPECT_EQ(linux_read(event, f.room, 7), -EINVAL);
    EXPECT_EQ(linux_write(event, f.room, 4), -EINVAL);
    give(&f, event, UINT64_MAX - 1);
    uint64_t value = 1;
    EXPECT_EQ(copy_out(f.room, &value, 8), 0);
    EXPECT_EQ(linux_write(event, f.room, 8), -EAGAIN);
    value = UINT64_MAX;
    EXPECT_EQ(copy_out(f.room, &value, 8), 0);
    EXPECT_EQ(linux_write(event, f.room, 8), -EINVAL);
    EXPECT_EQ(linux_eventfd2(0, 2), -EINVAL);
    epoll_end(&f);
}

TEST(timers_expire_again_and_again)
{
    struct epoll_fixture f;
    epoll_init(&f);
    int timer = (int)linux_timerfd_create(CLOCK_MONOTONIC, O_NONBLOCK);
    EXPECT_EQ(ctl(&f, ADD, timer, POLL_IN), 0);
    uint64_t spec[4] = { 0, 5000000, 0, 5000000 };
    uaddr_t at = guest_bytes(&f.files, spec, sizeof(spec));
    EXPECT_EQ(linux_timerfd_settime(timer, 0, at, 0), 0);
    EXPECT_EQ(linux_read(timer, f.room, 7), -EINVAL);
    EXPECT_EQ(linux_epoll_pwait(f.epoll, f.room, 1, -1, 0, 0), 1);
    EXPECT(take(&f, timer) >= 1);
    EXPECT_EQ(linux_epoll_pwait(f.epoll, f.room, 1, -1, 0, 0), 1);
    EXPECT_EQ(linux_timerfd_gettime(timer, at), 0);
    EXPECT_EQ(copy_in(spec, at, sizeof(spec)), 0);
    EXPECT_EQ(spec[1], 5000000);
    memset(spec, 0, sizeof(spec));
    EXPECT_EQ(copy_out(at, spec, sizeof(spec)), 0);
    EXPECT_EQ(linux_timerfd_settime(timer, 0, at, at), 0);
    EXPECT_EQ(linux_read(timer, f.room, 8), -EAGAIN);
    EXPECT_EQ(linux_timerfd_settime(timer, 8, at, 0), -EINVAL);
    /* What is over when it is set can be read at once. */
    const uint64_t past[4] = { 0, 1000000, 0, 1 };
    EXPECT_EQ(copy_out(at, past, sizeof(past)), 0);
    EXPECT_EQ(linux_timerfd_settime(timer, 1, at, 0), 0);
    EXPECT(take(&f, timer) >= 1);
    EXPECT_EQ(copy_out(at, spec, sizeof(spec)), 0);
    EXPECT_EQ(linux_timerfd_settime(timer, 0, at, 0), 0);
    EXPECT_EQ(linux_timerfd_settime(f.epoll, 0, at, 0), -EINVAL);
    EXPECT_EQ(linux_timerfd_settime(99, 0, at, 0), -EBADF);
    spec[3] = 1000000000;
    EXPECT_EQ(copy_out(at, spec, sizeof(spec)), 0);
    EXPECT_EQ(linux_timerfd_settime(timer, 0, at, 0), -EINVAL);
    EXPECT_EQ(linux_timerfd_create(77, 0), -EINVAL);
    EXPECT_EQ(linux_timerfd_create(CLOCK_MONOTONIC, 1), -EINVAL);
    host_advance_clock((uint64_t)60 * 1000000000); /* the timers' thread is idle for long enough */
    host_wait_for_threads();
    epoll_end(&f);
}

TEST(signals_can_be_read)
{
    struct epoll_fixture f;
    uint32_t info[32];
    epoll_init(&f);
    signal_set set = SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGKILL);
    uaddr_t at = guest_bytes(&f.files, &set, sizeof(set));
    int fd = (int)linux_signalfd4(-1, at, 8, O_NONBLOCK);
    EXPECT_EQ(ctl(&f, ADD, fd, POLL_IN), 0);
    f.files.task->blocked = SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGUSR2);
    EXPECT(sees_nothing(&f));
    EXPECT_EQ(linux_read(fd, f.room, 128), -EAGAIN);
    EXPECT_EQ(linux_read(fd, f.room, 127), -EINVAL);
    signal_send_self(SIGUSR1);
    signal_send_self(SIGUSR2);
    EXPECT(sees(&f, fd, POLL_IN));
    EXPECT_EQ(linux_read(fd, f.room, 1024), 128);
    EXPECT_EQ(copy_in(info, f.room, sizeof(info)), 0);
    EXPECT_EQ(info[0], SIGUSR1);
    EXPECT_EQ(info[3], f.files.task->process->pid);
    EXPECT(sees_nothing(&f));
    set = SIGNAL_BIT(SIGUSR2);
    EXPECT_EQ(copy_out(at, &set, sizeof(set)), 0);
    EXPECT_EQ(linux_signalfd4(fd, at, 8, 0), fd);
    EXPECT(sees(&f, fd, POLL_IN));
    EXPECT_EQ(linux_signalfd4(f.epoll, at, 8, 0), -EINVAL);
    EXPECT_EQ(linux_signalfd4(99, at, 8, 0), -EBADF);
    EXPECT_EQ(linux_signalfd4(-1, at, 4, 0), -EINVAL);
    EXPECT_EQ(linux_signalfd4(-1, 8, 8, 0), -EFAULT);
    epoll_end(&f);
}

TEST(files_without_names_are_files)
{
    struct epoll_fixture f;
    char text[32] = { 0 };
    epoll_init(&f);
    uaddr_t name = guest_text(&f.files, "shared");
    int fd = (int)linux_memfd_create(name, 1);
    EXPECT_EQ(linux_write(fd, name, 6), 6);
    EXPECT_EQ(linux_pread64(fd, f.room, 16, 0), 6);
    EXPECT_EQ(linux_fcntl(fd, F_GET_SEALS, 0), F_SEAL_SEAL);
    EXPECT_EQ(linux_fcntl(fd, F_GETFD, 0), FD_CLOSE_ON_EXEC);
    uaddr_t link = guest_text(&f.files, "/proc/self/fd/1");
    int64_t length = linux_readlinkat(AT_FDCWD, link, f.room, 31);
    EXPECT(length > 0 && copy_in(text, f.room, (size_t)length) == 0);
    EXPECT_STR(text, "/memfd:shared (deleted)");
    EXPECT_EQ(linux_memfd_create(name, 4), -EINVAL);
    EXPECT_EQ(linux_memfd_create(8, 0), -EFAULT);
    char longest[251];
    memset(longest, 'n', 250);
    longest[250] = '\0';
    EXPECT_EQ(linux_memfd_create(guest_text(&f.files, longest), 0), -EINVAL);
    epoll_end(&f);
}

static int64_t make_eventfd(struct epoll_fixture *f)
{
    (void)f;
    return linux_eventfd2(0, 0);
}

static int64_t make_timerfd(struct epoll_fixture *f)
{
    (void)f;
    return linux_timerfd_create(CLOCK_MONOTONIC, 0);
}

static int64_t make_signalfd(struct epoll_fixture *f)
{
    return linux_signalfd4(-1, f->room, 8, 0);
}

static int64_t make_epoll(struct epoll_fixture *f)
{
    (void)f;
    return linux_epoll_create1(0);
}

static int64_t make_watch(struct epoll_fixture *f)
{
    return ctl(f, ADD, 1, POLL_IN);
}

TEST(events_that_find_no_memory_leave_nothing)
{
    static int64_t (*const make[])(struct epoll_fixture * f) = {
        make_eventfd, make_timerfd, make_signalfd, make_epoll, make_watch,
    };
    struct epoll_fixture f;
    epoll_init(&f);
    EXPECT_EQ(linux_eventfd2(0, 0), 1);
    for (size_t i = 0; i < ARRAY_LEN(make); i++) {
        uint64_t blocks = heap_counts().blocks;
        int64_t result = -ENOMEM;
        for (uint64_t n = 1; result < 0 && n < 20; n++) {
            heap_fail_after(n);
            result = make[i](&f);
            heap_fail_after(0);
            EXPECT(result >= 0 || result == -ENOMEM);
            if (result < 0)
                EXPECT_EQ(heap_counts().blocks, blocks);
        }
        EXPECT(result >= 0);
    }
    epoll_end(&f);
}

/* ---- Several at a time ---- */

enum { ROUNDS = 300 };
#define EVENT ((uint64_t)1)
#define BACK  ((uint64_t)2)

static void answers(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (unsigned i = 0; i < ROUNDS; i++) {
        EXPECT_EQ(CALL(epoll_pwait, 0, GUEST_DATA, 4, (uint64_t)-1, 0, 0), 1);
        EXPECT_EQ(CALL(read, EVENT, GUEST_DATA, 8), 8);
        guest_store(GUEST_DATA, 1);
        EXPECT_EQ(CALL(write, BACK, GUEST_DATA, 8), 8);
    }
}

static void asks(uint64_t flags, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(epoll_create1, 0), 0);
    EXPECT_EQ(CALL(eventfd2, 0, 0), (int64_t)EVENT);
    EXPECT_EQ(CALL(eventfd2, 0, 0), (int64_t)BACK);
    guest_store(GUEST_DATA, POLL_IN | flags);
    EXPECT_EQ(CALL(epoll_ctl, 0, ADD, EVENT, GUEST_DATA), 0);
    int64_t child = guest_fork(answers, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        guest_store(GUEST_DATA, 1);
        EXPECT_EQ(CALL(write, EVENT, GUEST_DATA, 8), 8);
        EXPECT_EQ(CALL(read, BACK, GUEST_DATA, 8), 8);
    }
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

TEST(who_waits_is_woken_each_time)
{
    world_run(asks, 0);
    world_run(asks, EPOLLET);
}

static void opens_and_closes(uint64_t which, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    uaddr_t at = GUEST_DATA + 64 * (which + 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t fd = CALL(eventfd2, 1, 0);
        guest_store(at, POLL_IN);
        EXPECT_EQ(CALL(epoll_ctl, 0, ADD, (uint64_t)fd, at), 0);
        if (i % 3 == 0)
            EXPECT_EQ(CALL(epoll_ctl, 0, DEL, (uint64_t)fd, at), 0);
        EXPECT_EQ(CALL(close, (uint64_t)fd), 0);
    }
    (void)CALL(exit, 0);
}

static void watches_what_changes(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(epoll_create1, 0), 0);
    for (unsigned i = 0; i < 3; i++)
        EXPECT(guest_thread(opens_and_closes, i, i + 1, GUEST_SHARED + 4 * i) > 0);
    for (unsigned i = 0; i < 3; i++) {
        while (guest_load_32_of(GUEST_SHARED + 4 * i) != 0)
            EXPECT(CALL(epoll_pwait, 0, GUEST_DATA + 1024, 8, 0, 0, 0) >= 0);
    }
    EXPECT_EQ(CALL(epoll_pwait, 0, GUEST_DATA + 1024, 8, 0, 0, 0), 0);
}

TEST(files_come_and_go_while_they_are_watched)
{
    world_run(watches_what_changes, 0);
}

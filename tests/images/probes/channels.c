#include "probe.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static char bytes[1 << 17];

PROBE(channels, pipes)
{
    int ends[2];
    signal(SIGPIPE, told);
    TRY(pipe2(ends, O_APPEND));
    TRY(pipe((int *)BAD_POINTER));
    MUST(pipe2(ends, O_NONBLOCK));
    ready("empty, reader", ends[0]);
    ready("empty, writer", ends[1]);
    TRY(read(ends[0], bytes, 10));
    TRY(read(ends[0], bytes, 0));
    TRY(write(ends[1], bytes, 0));
    TRY(write(ends[1], bytes, sizeof bytes));
    ready("full, reader", ends[0]);
    ready("full, writer", ends[1]);
    TRY(write(ends[1], bytes, 1));
    TRY(read(ends[0], bytes, 4095));
    ready("4095 read, writer", ends[1]);
    TRY(read(ends[0], bytes, 1));
    ready("4096 read, writer", ends[1]);
    TRY(write(ends[1], bytes, 5000));
    TRY(read(ends[0], bytes, sizeof bytes));
    TRY(write(ends[1], BAD_POINTER, 5));
    TRY(write(ends[1], "abc", 3));
    TRY(read(ends[0], BAD_POINTER, 3));
    TRY(read(ends[1], bytes, 1));
    TRY(write(ends[0], bytes, 1));
    close(ends[1]);
    ready("no writer, reader", ends[0]);
    TRY(read(ends[0], bytes, 10));
    TRY(read(ends[0], bytes, 10));
    ready("no writer, empty reader", ends[0]);
    MUST(pipe(ends));
    close(ends[0]);
    ready("no reader, writer", ends[1]);
    TRY(write(ends[1], "x", 1));
    TRY(write(ends[1], "x", 0));
}

PROBE(channels, packets)
{
    int ends[2];
    MUST(pipe2(ends, O_DIRECT | O_NONBLOCK));
    TRY(write(ends[1], "abc", 3));
    TRY(write(ends[1], "de", 2));
    TRY(read(ends[0], bytes, 2));
    TRY(read(ends[0], bytes, 10));
    TRY(read(ends[0], bytes, 10));
    TRY(write(ends[1], bytes, 5000));
    TRY(read(ends[0], bytes, sizeof bytes));
    TRY(read(ends[0], bytes, sizeof bytes));
}

PROBE(channels, fifos)
{
    signal(SIGPIPE, told);
    MUST(mkfifo("fifo", 0644));
    TRY(open("fifo", O_WRONLY | O_NONBLOCK));
    int in = (int)MUST(open("fifo", O_RDONLY | O_NONBLOCK));
    ready("never written, reader", in);
    TRY(read(in, bytes, 1));
    int out = (int)MUST(open("fifo", O_WRONLY | O_NONBLOCK));
    TRY(read(in, bytes, 1));
    TRY(write(out, "abc", 3));
    close(out);
    ready("written and closed, reader", in);
    TRY(read(in, bytes, 10));
    TRY(read(in, bytes, 10));
    ready("at its end, reader", in);
    out = (int)MUST(open("fifo", O_WRONLY));
    ready("a writer is back, reader", in);
    close(in);
    ready("no reader, writer", out);
    TRY(write(out, "x", 1));
    int both = (int)MUST(open("fifo", O_RDWR));
    TRY(write(both, "self", 4));
    TRY(read(both, bytes, 10));
    TRY(unlink("fifo"));
    TRY(write(both, "self", 4));
}

PROBE(channels, events)
{
    uint64_t value = 0;
    TRY(eventfd(0, 0x100));
    int fd = eventfd(3, EFD_NONBLOCK);
    ready("3", fd);
    TRY(read(fd, &value, 4));
    TRY(read(fd, &value, 8));
    VALUE(value);
    TRY(read(fd, &value, 8));
    ready("0", fd);
    value = UINT64_MAX;
    TRY(write(fd, &value, 8));
    value = UINT64_MAX - 1;
    TRY(write(fd, &value, 8));
    ready("full", fd);
    value = 1;
    TRY(write(fd, &value, 8));
    TRY(write(fd, &value, 7));
    TRY(read(fd, bytes, 100));
    TRY(pread(fd, bytes, 8, 0));
    TRY(lseek(fd, 0, SEEK_SET));
    fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    TRY(read(fd, &value, 8));
    VALUE(value);
    TRY(read(fd, &value, 8));
    TRY(read(fd, &value, 8));
    TRY(write(fd, BAD_POINTER, 8));
}

PROBE(channels, timers)
{
    uint64_t value = 0;
    TRY(timerfd_create(99, 0));
    TRY(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
    TRY(timerfd_create(CLOCK_MONOTONIC, 0x100));
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec its = { { 0, 0 }, { 0, 1000000000 } }, old;
    TRY(timerfd_settime(fd, 0, &its, NULL));
    its.it_value.tv_nsec = -1;
    TRY(timerfd_settime(fd, 0, &its, NULL));
    TRY(timerfd_settime(fd, 0x100, &its, NULL));
    TRY(timerfd_settime(fd, 0, BAD_POINTER, NULL));
    TRY(timerfd_settime(0, 0, &its, NULL));
    TRY(read(fd, &value, 8));
    its = (struct itimerspec){ { 0, 0 }, { 0, 1000000 } };
    TRY(timerfd_settime(fd, 0, &its, NULL));
    nap_ms(20);
    ready("over", fd);
    TRY(read(fd, &value, 7));
    TRY(read(fd, &value, 8));
    VALUE(value);
    TRY(read(fd, &value, 8));
    TRY(timerfd_gettime(fd, &old));
    say("%ld %ld", old.it_value.tv_sec, old.it_value.tv_nsec);
    its = (struct itimerspec){ { 0, 1000000 }, { 0, 1 } };
    TRY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL));
    nap_ms(20); /* Linux notices at the next interrupt */
    TRY(read(fd, &value, 8));
    TRY(value > 1000);
    TRY(write(fd, &value, 8));
    its = (struct itimerspec){ { 7, 5 }, { 1000, 0 } };
    TRY(timerfd_settime(fd, 0, &its, &old));
    say("old interval %ld %ld", old.it_interval.tv_sec, old.it_interval.tv_nsec);
    TRY(timerfd_gettime(fd, &old));
    say("left %d interval %ld %ld", old.it_value.tv_sec >= 998, old.it_interval.tv_sec,
        old.it_interval.tv_nsec);
}

PROBE(channels, signals)
{
    sigset_t set;
    struct signalfd_siginfo info[3];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    TRY(signalfd(-1, &set, 0x100));
    TRY(signalfd(0, &set, 0));
    TRY(signalfd(99, &set, 0));
    TRY(syscall(SYS_signalfd4, -1, &set, 4, 0));
    TRY(read(fd, info, sizeof info));
    ready("none", fd);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 7 });
    sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 8 });
    ready("some", fd);
    TRY(read(fd, info, 10));
    for (int turn = 0; turn < 2; turn++) {
        long length = TRY(read(fd, info, sizeof info));
        for (size_t i = 0; length > 0 && i < (size_t)length / sizeof *info; i++)
            say("%s code %d int %d own %d", signal_name((int)info[i].ssi_signo), info[i].ssi_code,
                info[i].ssi_int, (pid_t)info[i].ssi_pid == getpid());
    }
    TRY(read(fd, info, sizeof info));
    TRY(write(fd, info, sizeof info));
}

PROBE(channels, poll_and_select)
{
    int ends[2];
    MUST(pipe(ends));
    struct pollfd fds[4] = {
        { ends[0], POLLIN, 1 }, { -1, POLLIN, 1 }, { 99, POLLIN, 0 }, { ends[1], POLLOUT, 0 }
    };
    TRY(poll(fds, 4, 0));
    say("%#x %#x %#x %#x", (unsigned)fds[0].revents, (unsigned)fds[1].revents,
        (unsigned)fds[2].revents, (unsigned)fds[3].revents);
    TRY(poll(fds, 2, 10));
    TRY(poll(NULL, 0, 10));
    TRY(poll(BAD_POINTER, 1, 0));
    TRY(poll(fds, 5000, 0));
    int file = (int)MUST(open("file", O_RDWR | O_CREAT, 0644)),
        dir = (int)MUST(open(".", O_RDONLY));
    ready("file", file);
    ready("directory", dir);
    ready("/dev/null", (int)MUST(open("/dev/null", O_RDWR)));
    ready("/proc/version", (int)MUST(open("/proc/version", O_RDONLY)));
    ready("O_PATH", (int)MUST(open("file", O_PATH)));
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &out);
    struct timeval none = { 0, 0 };
    TRY(select(ends[1] + 1, &in, &out, NULL, &none));
    VALUE(FD_ISSET(ends[0], &in) != 0);
    VALUE(FD_ISSET(ends[1], &out) != 0);
    FD_SET(50, &in);
    TRY(select(51, &in, NULL, NULL, &none));
    TRY(select(-1, NULL, NULL, NULL, &none));
    TRY(select(0, NULL, NULL, NULL, &(struct timeval){ 0, 1000 }));
    struct timespec bad = { 0, 1000000000 }, fine = { 0, 0 };
    TRY(syscall(SYS_ppoll, fds, 1, &bad, NULL, 8));
    sigset_t set;
    sigemptyset(&set);
    TRY(syscall(SYS_ppoll, fds, 1, &fine, &set, 4));
    TRY(syscall(SYS_ppoll, fds, 1, &fine, &set, 8));
}

static int epoll;

static void waits(const char *what, int limit)
{
    struct epoll_event events[8];
    int count = epoll_wait(epoll, events, limit, 0);
    if (count < 0)
        say("%s: %s", what, strerrorname_np(errno));
    else
        say("%s: %d", what, count);
    for (int i = 0; i < count; i++)
        say("  %d: %#x", events[i].data.fd, events[i].events);
}

static long control(int what, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    return epoll_ctl(epoll, what, fd, &event);
}

PROBE(channels, epoll)
{
    int ends[2], event = eventfd(0, EFD_NONBLOCK), other[2];
    MUST(pipe2(ends, O_NONBLOCK));
    MUST(pipe2(other, O_NONBLOCK));
    TRY(epoll_create1(1));
    TRY(epoll_create(0));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    TRY(control(EPOLL_CTL_ADD, ends[0], EPOLLIN));
    TRY(control(EPOLL_CTL_ADD, ends[0], EPOLLIN));
    TRY(control(EPOLL_CTL_MOD, ends[1], EPOLLOUT));
    TRY(control(EPOLL_CTL_DEL, ends[1], 0));
    TRY(control(EPOLL_CTL_ADD, epoll, EPOLLIN));
    TRY(control(EPOLL_CTL_ADD, 99, EPOLLIN));
    TRY(control(EPOLL_CTL_ADD, (int)MUST(open("file", O_RDWR | O_CREAT, 0644)), EPOLLIN));
    TRY(control(7, event, EPOLLIN));
    TRY(epoll_ctl(epoll, EPOLL_CTL_ADD, event, NULL));
    TRY(epoll_ctl(0, EPOLL_CTL_DEL, event, NULL));
    struct epoll_event events[2];
    TRY(epoll_wait(epoll, events, 0, 0));
    TRY(epoll_wait(epoll, BAD_POINTER, 1, 0));
    TRY(epoll_wait(ends[0], events, 1, 0));
    waits("nothing", 8);
    MUST(write(ends[1], "ab", 2));
    waits("level", 8);
    waits("level again", 8);
    TRY(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET));
    waits("edge", 8);
    waits("edge again", 8);
    MUST(write(ends[1], "c", 1));
    waits("edge, more", 8);
    TRY(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT));
    waits("one shot", 8);
    MUST(write(ends[1], "c", 1));
    waits("one shot is over", 8);
    TRY(control(EPOLL_CTL_MOD, ends[0], 0));
    waits("nothing wanted", 8);
    close(ends[1]);
    waits("nothing wanted, but hung up", 8);
    TRY(control(EPOLL_CTL_ADD, other[1], EPOLLOUT | EPOLLEXCLUSIVE));
    TRY(control(EPOLL_CTL_MOD, other[1], EPOLLOUT));
    waits("two", 8);
    waits("one at a time", 1);
    waits("the next", 1);
    close(other[0]);
    waits("no reader", 8);
    int twice = dup(other[1]);
    close(other[1]);
    waits("closed, but a copy is open", 8);
    close(twice);
    waits("closed for good", 8);
    int inner = epoll;
    ready("epoll in poll", inner);
    epoll = epoll_create1(0);
    TRY(control(EPOLL_CTL_ADD, inner, EPOLLIN));
    waits("epoll in epoll", 8);
    int outer = epoll;
    epoll = inner;
    TRY(control(EPOLL_CTL_ADD, outer, EPOLLIN));
}

/* Random pipes, descriptors and watches beside a model that is slow and plain. */
#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/pipe.h>
#include <linux/poll.h>
#include <string.h>

enum { FDS = 24, FILES = 48, PIPES = 24, STEPS = 20000, MOST = 64, EPOLL = 0, FIRST = 1 };
#define EPOLLONESHOT ((uint32_t)1 << 30)
#define EPOLLET      ((uint32_t)1 << 31)

struct model_pipe {
    bool used;
    unsigned fill, readers, writers;
};

struct model_file {
    unsigned references; /* descriptors */
    unsigned pipe;
    bool writes;
};

struct model_watch {
    bool there, armed;
    uint32_t events;
};

struct model {
    struct file_fixture files;
    uaddr_t room;
    uint64_t random;
    struct model_pipe pipe[PIPES];
    struct model_file file[FILES];
    int fd[FDS]; /* the file; -1: none */
    struct model_watch watch[FILES][FDS];
};

static unsigned next(struct model *m, unsigned limit)
{
    return (unsigned)(test_random(&m->random) % limit);
}

static int free_fd(const struct model *m)
{
    for (int fd = FIRST; fd < FDS; fd++) {
        if (m->fd[fd] < 0)
            return fd;
    }
    return -1;
}

static int free_file(const struct model *m)
{
    for (int file = 0; file < FILES; file++) {
        if (m->file[file].references == 0)
            return file;
    }
    return -1;
}

static void install(struct model *m, int fd, unsigned pipe, bool writes)
{
    int file = free_file(m);
    m->file[file] = (struct model_file){ 1, pipe, writes };
    m->fd[fd] = file;
    m->pipe[pipe].readers += !writes;
    m->pipe[pipe].writers += writes;
}

static void step_pipe(struct model *m)
{
    unsigned pipe = next(m, PIPES);
    int32_t fd[2];
    int first = free_fd(m);
    if (m->pipe[pipe].used || first < 0)
        return;
    m->fd[first] = 0;
    int second = free_fd(m);
    m->fd[first] = -1;
    if (second < 0)
        return;
    EXPECT_EQ(linux_pipe2(m->room, O_NONBLOCK), 0);
    EXPECT_EQ(copy_in(fd, m->room, 8), 0);
    EXPECT(fd[0] == first && fd[1] == second);
    m->pipe[pipe] = (struct model_pipe){ .used = true };
    install(m, first, pipe, false);
    install(m, second, pipe, true);
}

static void step_close(struct model *m, int fd)
{
    EXPECT_EQ(linux_close(fd), m->fd[fd] < 0 ? -EBADF : 0);
    if (m->fd[fd] < 0)
        return;
    unsigned file = (unsigned)m->fd[fd];
    m->fd[fd] = -1;
    if (--m->file[file].references > 0)
        return;
    struct model_pipe *pipe = &m->pipe[m->file[file].pipe];
    pipe->readers -= !m->file[file].writes;
    pipe->writers -= m->file[file].writes;
    pipe->used = pipe->readers + pipe->writers > 0;
    memset(m->watch[file], 0, sizeof(m->watch[file]));
}

static void step_dup(struct model *m, int fd)
{
    int to = free_fd(m);
    if (m->fd[fd] < 0 || to < 0)
        return;
    EXPECT_EQ(linux_dup(fd), to);
    m->fd[to] = m->fd[fd];
    m->file[m->fd[fd]].references++;
}

static void step_move(struct model *m, int fd)
{
    if (m->fd[fd] < 0)
        return;
    const struct model_file *file = &m->file[m->fd[fd]];
    struct model_pipe *pipe = &m->pipe[file->pipe];
    unsigned size_bytes = 1 + next(m, 30000), room = PIPE_BYTES - pipe->fill;
    int64_t expected;
    if (file->writes) {
        expected = size_bytes <= room || size_bytes > 4096 ? (int64_t)MIN(size_bytes, room) : 0;
        if (pipe->readers == 0)
            expected = -EPIPE;
        else if (expected == 0)
            expected = -EAGAIN;
        EXPECT_EQ(linux_write(fd, m->room, size_bytes), expected);
        pipe->fill += expected > 0 ? (unsigned)expected : 0;
        return;
    }
    expected = MIN(size_bytes, pipe->fill);
    if (expected == 0 && pipe->writers > 0)
        expected = -EAGAIN;
    EXPECT_EQ(linux_read(fd, m->room, size_bytes), expected);
    pipe->fill -= expected > 0 ? (unsigned)expected : 0;
}

static uint32_t ready(const struct model *m, const struct model_file *file)
{
    const struct model_pipe *pipe = &m->pipe[file->pipe];
    if (file->writes)
        return (PIPE_BYTES - pipe->fill >= 4096 ? POLL_OUT : 0) |
               (pipe->readers == 0 ? POLL_ERR : 0);
    return (pipe->fill > 0 ? POLL_IN : 0) | (pipe->writers == 0 ? POLL_HUP : 0);
}

static void step_watch(struct model *m, int fd)
{
    static const uint32_t kinds[] = { POLL_IN, POLL_OUT, POLL_IN | POLL_OUT, 0 };
    static const uint32_t hows[] = { 0, 0, EPOLLONESHOT, EPOLLET };
    uint32_t events = kinds[next(m, 4)] | hows[next(m, 4)];
    uint8_t event[EPOLL_EVENT_MAX] = { 0 };
    int operation = 1 + (int)next(m, 3);
    if (m->fd[fd] < 0)
        return;
    uint64_t data = (uint64_t)m->fd[fd] * FDS + (uint64_t)fd;
    struct model_watch *watch = &m->watch[m->fd[fd]][fd];
    memcpy(event, &events, 4);
    memcpy(event + epoll_layout.data, &data, 8);
    EXPECT_EQ(copy_out(m->room, event, sizeof(event)), 0);
    int64_t expected = (operation == 1) == watch->there ? (watch->there ? -EEXIST : -ENOENT) : 0;
    EXPECT_EQ(linux_epoll_ctl(EPOLL, operation, fd, m->room), expected);
    if (expected == 0)
        *watch = (struct model_watch){ operation != 2, operation != 2, events };
}

static void seen(struct model *m, uint32_t events, uint64_t data)
{
    const unsigned file = (unsigned)(data / FDS), fd = (unsigned)(data % FDS);
    EXPECT(file < FILES && m->file[file].references > 0);
    struct model_watch *watch = &m->watch[file % FILES][fd];
    uint32_t wanted = (watch->events & ~(EPOLLONESHOT | EPOLLET)) | POLL_ERR | POLL_HUP;
    EXPECT(watch->there && watch->armed);
    EXPECT_EQ(events, ready(m, &m->file[file % FILES]) & wanted);
    if ((watch->events & (EPOLLONESHOT | EPOLLET)) != 0)
        watch->armed = (watch->events & EPOLLET) != 0;
}

/* How many must be seen: an edge may have been already. */
static int64_t least(const struct model *m)
{
    int64_t count = 0;
    for (unsigned file = 0; file < FILES; file++) {
        for (unsigned fd = 0; fd < FDS && m->file[file].references > 0; fd++) {
            const struct model_watch *watch = &m->watch[file][fd];
            uint32_t wanted = watch->events | POLL_ERR | POLL_HUP;
            count += watch->there && watch->armed && (watch->events & EPOLLET) == 0 &&
                     (ready(m, &m->file[file]) & wanted) != 0;
        }
    }
    return count;
}

static void step_wait(struct model *m)
{
    uint8_t event[EPOLL_EVENT_MAX] = { 0 };
    int64_t expected = least(m), levels = 0;
    int64_t count = linux_epoll_pwait(EPOLL, m->room, MOST * 8, 0, 0, 0);
    for (int64_t i = 0; i < count; i++) {
        uint32_t events;
        uint64_t data;
        uaddr_t at = m->room + (uint64_t)i * epoll_layout.size_bytes;
        EXPECT_EQ(copy_in(event, at, epoll_layout.size_bytes), 0);
        memcpy(&events, event, 4);
        memcpy(&data, event + epoll_layout.data, 8);
        levels += (m->watch[data / FDS % FILES][data % FDS].events & EPOLLET) == 0;
        seen(m, events, data);
    }
    EXPECT_EQ(levels, expected);
}

TEST(random_watches_agree_with_a_model)
{
    static struct model m;
    memset(&m, 0, sizeof(m));
    file_fixture_init(&m.files, NULL, 0);
    m.files.task->blocked = SIGNAL_BIT(SIGPIPE);
    m.room = guest_room(&m.files, 65536);
    m.random = test_seed();
    for (int fd = 0; fd < FDS; fd++)
        m.fd[fd] = fd < FIRST ? 0 : -1;
    EXPECT_EQ(linux_epoll_create1(0), EPOLL);
    for (unsigned i = 0; i < STEPS; i++) {
        int fd = FIRST + (int)next(&m, FDS - FIRST);
        switch (next(&m, 8)) {
        case 0:
            step_pipe(&m);
            break;
        case 1:
            step_close(&m, fd);
            break;
        case 2:
            step_dup(&m, fd);
            break;
        case 3:
        case 4:
            step_watch(&m, fd);
            break;
        case 5:
            step_wait(&m);
            break;
        default:
            step_move(&m, fd);
            break;
        }
    }
    for (int fd; (fd = fd_next(m.files.task, 0)) >= 0;)
        EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&m.files);
}

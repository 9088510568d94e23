#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/ioctl.h>
#include <linux/calls.h>
#include <linux/heap.h>
#include <linux/host.h>
#include <linux/mounts.h>
#include <linux/poll.h>
#include <linux/pool.h>
#include <linux/single.h>
#include <linux/socket.h>
#include <linux/world.h>
#include <string.h>

#define ROOM_AT    ((uint64_t)0x10000000)
#define ROOM_BYTES ((uint64_t)1 << 20)
#define NAME       ROOM_AT
#define DATA       (ROOM_AT + 0x1000)
#define HEADER     (ROOM_AT + 0x80000)
#define CONTROL    (ROOM_AT + 0x81000)
#define PARTS      (ROOM_AT + 0x82000)

/* A caller with a root file system. */
struct fixture {
    struct guest_space *space;
    struct memory *memory;
    struct task *task;
};

static void fixture_init(struct fixture *f)
{
    EXPECT_EQ(pool_create((uint64_t)64 << 20), 0);
    EXPECT_EQ(mounts_start(NULL, 0), 0);
    EXPECT_EQ(memory_allocate(ROOM_BYTES, &f->memory), 0);
    EXPECT_EQ(guest_space_create(&f->space), 0);
    EXPECT_EQ(
        guest_space_map(f->space, ROOM_AT, f->memory, 0, ROOM_BYTES, MACHINE_READ | MACHINE_WRITE),
        0);
    EXPECT_EQ(vcpu_attach(vcpu_self(), f->space), 0);
    f->task = single_task_begin();
}

static void fixture_end(struct fixture *f)
{
    for (int fd; (fd = fd_next(f->task, 0)) >= 0;)
        EXPECT_EQ(linux_close(fd), 0);
    single_task_end(f->task);
    mounts_end();
    pool_destroy();
    EXPECT_EQ(vcpu_attach(vcpu_self(), NULL), 0);
    guest_space_destroy(f->space);
    memory_put(f->memory);
    EXPECT_EQ(heap_counts().blocks, 0);
}

static void pair(uint32_t type, int32_t fd[2])
{
    EXPECT_EQ(linux_socketpair(AF_UNIX, type | O_NONBLOCK, 0, DATA), 0);
    EXPECT_EQ(copy_in(fd, DATA, 8), 0);
}

/* A path, or ("@name") an abstract name. Its size. */
static uint32_t address(const char *name)
{
    struct linux_sockaddr_un un = { .family = AF_UNIX };
    memcpy(un.path, name, strlen(name));
    if (name[0] == '@')
        un.path[0] = '\0';
    EXPECT_EQ(copy_out(NAME, &un, sizeof(un)), 0);
    return (uint32_t)(2 + strlen(name));
}

static int64_t send(int fd, const char *text)
{
    EXPECT_EQ(copy_out(DATA, text, strlen(text)), 0);
    return linux_sendto(fd, DATA, strlen(text), MSG_NOSIGNAL, 0, 0);
}

static const char *receive(int fd, uint64_t size_bytes, uint32_t flags)
{
    static char text[256];
    int64_t length = linux_recvfrom(fd, DATA, size_bytes, flags, 0, 0);
    if (length < 0)
        return length == -EAGAIN ? "(again)" : length == -ECONNRESET ? "(reset)" : "(error)";
    EXPECT_EQ(copy_in(text, DATA, (size_t)MIN(length, (int64_t)size_bytes)), 0);
    text[MIN(length, (int64_t)size_bytes)] = '\0';
    return text;
}

TEST(streams_have_no_boundaries_and_records_do)
{
    struct fixture f;
    int32_t fd[2];
    fixture_init(&f);
    pair(SOCK_STREAM, fd);
    EXPECT_STR(receive(fd[0], 10, 0), "(again)");
    EXPECT_EQ(send(fd[0], "one"), 3);
    EXPECT_EQ(send(fd[0], "two"), 3);
    EXPECT_STR(receive(fd[1], 100, MSG_PEEK), "onetwo");
    EXPECT_STR(receive(fd[1], 4, 0), "onet");
    EXPECT_EQ(linux_ioctl(fd[1], FIONREAD, DATA), 0);
    EXPECT_STR(receive(fd[1], 100, 0), "wo");
    EXPECT_EQ(linux_close(fd[0]), 0);
    EXPECT_STR(receive(fd[1], 100, 0), "");
    EXPECT_EQ(send(fd[1], "x"), -EPIPE);
    EXPECT_EQ(linux_close(fd[1]), 0);

    pair(SOCK_SEQPACKET, fd);
    EXPECT_EQ(send(fd[0], "one"), 3);
    EXPECT_EQ(send(fd[0], "two"), 3);
    EXPECT_STR(receive(fd[1], 2, 0), "on");
    EXPECT_STR(receive(fd[1], 100, 0), "two");
    EXPECT_EQ(send(fd[1], "unread"), 6);
    EXPECT_EQ(linux_close(fd[0]), 0);
    EXPECT_STR(receive(fd[1], 100, 0), "(reset)");
    EXPECT_STR(receive(fd[1], 100, 0), "");
    EXPECT_EQ(linux_close(fd[1]), 0);

    pair(SOCK_DGRAM, fd);
    EXPECT_EQ(send(fd[0], "12345"), 5);
    EXPECT_EQ(linux_recvfrom(fd[1], DATA, 2, MSG_TRUNC, 0, 0), 5);
    EXPECT_EQ(linux_close(fd[1]), 0);
    EXPECT_EQ(send(fd[0], "x"), -ECONNREFUSED);
    fixture_end(&f);
}

TEST(senders_are_held_back_and_told)
{
    struct fixture f;
    int32_t fd[2];
    struct {
        int32_t fd;
        int16_t events, result;
    } poll = { .events = POLL_OUT };
    fixture_init(&f);
    pair(SOCK_STREAM, fd);
    int64_t sent = 0, part;
    while ((part = linux_write(fd[0], DATA, 100000)) > 0)
        sent += part;
    EXPECT_EQ(part, -EAGAIN);
    EXPECT_EQ(sent, SOCKET_BYTES);
    poll.fd = fd[0];
    EXPECT_EQ(copy_out(NAME, &poll, sizeof(poll)), 0);
    EXPECT_EQ(linux_poll(NAME, 1, 0), 0);
    EXPECT_EQ(linux_read(fd[1], DATA, 100000), 100000);
    EXPECT_EQ(linux_poll(NAME, 1, 0), 1);
    EXPECT_EQ(linux_write(fd[0], DATA, 100000), 100000);
    EXPECT_EQ(linux_socketpair(AF_UNIX, SOCK_DGRAM, 0, 8), -EFAULT);
    fixture_end(&f);
}

TEST(connections_are_queued_and_accepted)
{
    static const char *const names[] = { "/tmp.sock", "@abstract" };
    struct fixture f;
    struct linux_ucred credentials;
    fixture_init(&f);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int listener = (int)linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
        int client = (int)linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
        uint32_t size_bytes = address(names[i]);
        int64_t refused = i == 0 ? -ENOENT : -ECONNREFUSED;
        EXPECT_EQ(linux_connect(client, NAME, size_bytes), refused);
        EXPECT_EQ(linux_listen(listener, 1), -EINVAL);
        EXPECT_EQ(linux_bind(listener, NAME, size_bytes), 0);
        EXPECT_EQ(linux_bind(listener, NAME, size_bytes), -EINVAL);
        EXPECT_EQ(linux_bind(client, NAME, size_bytes), -EADDRINUSE);
        EXPECT_EQ(linux_connect(client, NAME, size_bytes), -ECONNREFUSED);
        EXPECT_EQ(linux_listen(listener, 0), 0);
        EXPECT_EQ(linux_accept4(listener, 0, 0, 0), -EAGAIN);
        EXPECT_EQ(linux_connect(client, NAME, size_bytes), 0);
        EXPECT_EQ(linux_connect(client, NAME, size_bytes), -EISCONN);
        EXPECT_EQ(send(client, "early"), 5);
        int other = (int)linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
        (void)address(names[i]);
        EXPECT_EQ(linux_connect(other, NAME, size_bytes), -EAGAIN);
        EXPECT_EQ(linux_close(other), 0);
        int end = (int)linux_accept4(listener, 0, 0, O_NONBLOCK);
        EXPECT(end > 0);
        EXPECT_STR(receive(end, 100, 0), "early");
        EXPECT_EQ(send(end, "answer"), 6);
        EXPECT_STR(receive(client, 100, 0), "answer");
        int32_t room = sizeof(credentials);
        EXPECT_EQ(copy_out(NAME, &room, 4), 0);
        EXPECT_EQ(linux_getsockopt(client, SOL_SOCKET, SO_PEERCRED, DATA, NAME), 0);
        EXPECT_EQ(copy_in(&credentials, DATA, sizeof(credentials)), 0);
        EXPECT_EQ(credentials.pid, f.task->process->pid);
        /* The listener ends with a connection that nobody took. */
        other = (int)linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
        size_bytes = address(names[i]);
        EXPECT_EQ(linux_connect(other, NAME, size_bytes), 0);
        EXPECT_EQ(linux_close(listener), 0);
        EXPECT_STR(receive(other, 100, 0), "");
        EXPECT_EQ(linux_shutdown(client, SHUT_WR), 0);
        EXPECT_STR(receive(end, 100, 0), "");
        EXPECT_EQ(send(client, "x"), -EPIPE);
        EXPECT_EQ(send(end, "still"), 5);
        EXPECT_STR(receive(client, 100, 0), "still");
    }
    fixture_end(&f);
}

TEST(a_name_on_a_read_only_root_is_not_made)
{
    struct fixture f;
    fixture_init(&f);
    int early = (int)linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
    int late = (int)linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
    uint32_t size_bytes = address("/early");
    EXPECT_EQ(linux_bind(early, NAME, size_bytes), 0);
    EXPECT_EQ(linux_listen(early, 1), 0);
    EXPECT_EQ(mounts_keep_root(), 0);
    EXPECT_EQ(linux_bind(late, NAME, size_bytes), -EADDRINUSE);
    EXPECT_EQ(linux_bind(late, NAME, address("/late")), -EROFS);
    EXPECT_EQ(linux_bind(late, NAME, address("/dev/shm/late")), 0);
    /* One that is there is no file that writing would change. */
    int client = (int)linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
    EXPECT_EQ(linux_connect(client, NAME, address("/early")), 0);
    fixture_end(&f);
}

TEST(datagrams_find_names)
{
    struct fixture f;
    struct linux_sockaddr_un un;
    int32_t room = sizeof(un);
    fixture_init(&f);
    int server = (int)linux_socket(AF_UNIX, SOCK_DGRAM | O_NONBLOCK, 0);
    int client = (int)linux_socket(AF_UNIX, SOCK_DGRAM | O_NONBLOCK, 0);
    uint32_t size_bytes = address("/log");
    EXPECT_EQ(linux_bind(server, NAME, sizeof(un)), 0);
    EXPECT_EQ(send(client, "nobody"), -ENOTCONN);
    EXPECT_EQ(copy_out(NAME, &room, 4), 0);
    EXPECT_EQ(linux_getsockname(server, DATA + 512, NAME), 0);
    EXPECT_EQ(copy_in(&room, NAME, 4), 0);
    EXPECT_EQ(room, 2 + 5); /* not what it was given as */
    room = sizeof(un);
    (void)address("/log");
    EXPECT_EQ(linux_sendto(client, DATA, 6, 0, NAME, size_bytes), 6);
    EXPECT_STR(receive(server, 100, 0), "nobody");
    EXPECT_EQ(linux_bind(client, NAME, 2), 0); /* a name is chosen */
    EXPECT_EQ(linux_connect(client, NAME, size_bytes), 0);
    EXPECT_EQ(send(client, "hello"), 5);
    EXPECT_EQ(copy_out(NAME, &room, 4), 0);
    EXPECT_EQ(linux_recvfrom(server, DATA, 100, 0, DATA + 256, NAME), 5);
    EXPECT_EQ(copy_in(&un, DATA + 256, sizeof(un)), 0);
    EXPECT(un.family == AF_UNIX && un.path[0] == '\0' && un.path[1] == '0');
    EXPECT_EQ(copy_in(&room, NAME, 4), 0);
    EXPECT_EQ(room, 8);
    EXPECT_EQ(linux_listen(server, 1), -EOPNOTSUPP);
    EXPECT_EQ(linux_accept4(server, 0, 0, 0), -EOPNOTSUPP);
    fixture_end(&f);
}

/* sendmsg or recvmsg with a control message of that type, and one byte of data. */
static int64_t message(int fd, bool sends, const void *control, uint32_t size_bytes, int type)
{
    const uint64_t part[2] = { DATA, 1 };
    struct linux_msghdr header = { .parts = PARTS, .part_count = 1, .control = CONTROL };
    const struct linux_cmsghdr cmsg = { sizeof(cmsg) + size_bytes, SOL_SOCKET, type };
    header.control_bytes = sizeof(cmsg) + size_bytes;
    EXPECT_EQ(copy_out(PARTS, part, sizeof(part)), 0);
    EXPECT_EQ(copy_out(HEADER, &header, sizeof(header)), 0);
    if (!sends)
        return linux_recvmsg(fd, HEADER, MSG_CMSG_CLOEXEC);
    EXPECT_EQ(copy_out(CONTROL, &cmsg, sizeof(cmsg)), 0);
    EXPECT_EQ(copy_out(CONTROL + sizeof(cmsg), control, size_bytes), 0);
    return linux_sendmsg(fd, HEADER, MSG_NOSIGNAL);
}

static uint32_t received_flags(void)
{
    struct linux_msghdr header;
    EXPECT_EQ(copy_in(&header, HEADER, sizeof(header)), 0);
    return header.flags & ~MSG_CMSG_CLOEXEC;
}

static int32_t received_fd(void)
{
    int32_t fd = -1;
    EXPECT_EQ(copy_in(&fd, CONTROL + sizeof(struct linux_cmsghdr), 4), 0);
    return fd;
}

TEST(descriptors_travel)
{
    struct fixture f;
    int32_t fd[2], pipe[2];
    fixture_init(&f);
    pair(SOCK_STREAM, fd);
    EXPECT_EQ(linux_pipe2(DATA, O_NONBLOCK), 0);
    EXPECT_EQ(copy_in(pipe, DATA, 8), 0);
    EXPECT_EQ(message(fd[0], true, &pipe[1], 4, SCM_RIGHTS), 1);
    EXPECT_EQ(send(fd[0], "behind"), 6);
    EXPECT_EQ(linux_close(pipe[1]), 0);
    EXPECT_EQ(linux_read(pipe[0], DATA, 1), -EAGAIN); /* it is under way, so open */
    EXPECT_EQ(message(fd[1], false, NULL, 8, 0), 1);
    EXPECT_EQ(received_flags(), 0);
    EXPECT_EQ(linux_fcntl(received_fd(), F_GETFD, 0), FD_CLOSE_ON_EXEC);
    EXPECT_EQ(linux_write(received_fd(), DATA, 1), 1);
    EXPECT_EQ(linux_read(pipe[0], DATA, 1), 1);
    EXPECT_EQ(linux_close(received_fd()), 0);
    EXPECT_EQ(linux_read(pipe[0], DATA, 1), 0);
    EXPECT_STR(receive(fd[1], 100, 0), "behind");
    /* Two, and room for one: the other is closed. */
    const int32_t two[2] = { pipe[0], pipe[0] };
    EXPECT_EQ(message(fd[0], true, two, 8, SCM_RIGHTS), 1);
    EXPECT_EQ(message(fd[1], false, NULL, 4, 0), 1);
    EXPECT_EQ(received_flags(), MSG_CTRUNC);
    EXPECT_EQ(linux_close(received_fd()), 0);
    /* Nobody asks for them. */
    EXPECT_EQ(message(fd[0], true, two, 8, SCM_RIGHTS), 1);
    EXPECT_EQ(send(fd[0], "more"), 4);
    EXPECT_EQ(linux_read(fd[1], DATA, 100), 1); /* what has some ends a read */
    EXPECT_STR(receive(fd[1], 100, 0), "more");
    /* Nor do they go where the byte does not. */
    EXPECT_EQ(message(fd[0], true, two, 4, SCM_RIGHTS), 1);
    EXPECT_EQ(linux_read(fd[1], 64, 1), -EFAULT);
    EXPECT_EQ(message(fd[1], false, NULL, 8, 0), 1);
    EXPECT_EQ(linux_close(received_fd()), 0);
    /* Nobody receives them. */
    EXPECT_EQ(message(fd[0], true, two, 8, SCM_RIGHTS), 1);
    const int32_t wrong = 99;
    EXPECT_EQ(message(fd[0], true, &wrong, 4, SCM_RIGHTS), -EBADF);
    EXPECT_EQ(message(fd[0], true, &wrong, 3, SCM_RIGHTS), -EINVAL);
    EXPECT_EQ(message(fd[0], true, &wrong, 4, 7), -EINVAL);
    EXPECT_EQ(message(fd[0], true, &wrong, 4, SCM_CREDENTIALS), -EINVAL);
    fixture_end(&f);
}

/* Room for the first byte of two; they are sent with a descriptor. */
static int64_t receive_badly(int fd, uint32_t flags)
{
    const uint64_t part[2] = { ROOM_AT + ROOM_BYTES - 1, 2 };
    const struct linux_msghdr header = {
        .parts = PARTS, .part_count = 1, .control = CONTROL, .control_bytes = 64
    };
    EXPECT_EQ(copy_out(PARTS, part, sizeof(part)), 0);
    EXPECT_EQ(copy_out(HEADER, &header, sizeof(header)), 0);
    return linux_recvmsg(fd, HEADER, flags);
}

static void send_two_with_zero(int fd)
{
    const uint64_t part[2] = { DATA, 2 };
    const struct linux_cmsghdr cmsg = { sizeof(cmsg) + 4, SOL_SOCKET, SCM_RIGHTS };
    const struct linux_msghdr header = {
        .parts = PARTS, .part_count = 1, .control = CONTROL, .control_bytes = sizeof(cmsg) + 4
    };
    const int32_t zero = 0;
    EXPECT_EQ(copy_out(DATA, "ab", 2), 0);
    EXPECT_EQ(copy_out(PARTS, part, sizeof(part)), 0);
    EXPECT_EQ(copy_out(HEADER, &header, sizeof(header)), 0);
    EXPECT_EQ(copy_out(CONTROL, &cmsg, sizeof(cmsg)), 0);
    EXPECT_EQ(copy_out(CONTROL + sizeof(cmsg), &zero, 4), 0);
    EXPECT_EQ(linux_sendmsg(fd, HEADER, 0), 2);
}

TEST(a_stream_keeps_what_cannot_be_copied_and_records_do_not)
{
    static const uint32_t types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
    struct fixture f;
    int32_t fd[2];
    fixture_init(&f);
    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        pair(types[i], fd);
        send_two_with_zero(fd[0]);
        EXPECT_EQ(receive_badly(fd[1], MSG_PEEK), -EFAULT);
        EXPECT_EQ(receive_badly(fd[1], 0), -EFAULT);
        if (types[i] == SOCK_STREAM) {
            EXPECT_EQ(message(fd[1], false, NULL, 8, 0), 1);
            EXPECT_EQ(received_flags(), 0);
            EXPECT_EQ(linux_close(received_fd()), 0);
            EXPECT_STR(receive(fd[1], 100, 0), "b");
        }
        EXPECT_STR(receive(fd[1], 100, 0), "(again)");
        EXPECT_EQ(linux_close(fd[0]), 0);
        EXPECT_EQ(linux_close(fd[1]), 0);
    }
    fixture_end(&f);
}

TEST(half_a_record_is_not_sent)
{
    static const uint32_t types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
    struct fixture f;
    int32_t fd[2];
    fixture_init(&f);
    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        pair(types[i], fd);
        EXPECT_EQ(linux_write(fd[0], ROOM_AT + ROOM_BYTES - 1, 2), -EFAULT);
        EXPECT_STR(receive(fd[1], 100, 0), "(again)");
        EXPECT_EQ(linux_close(fd[0]), 0);
        EXPECT_EQ(linux_close(fd[1]), 0);
    }
    fixture_end(&f);
}

TEST(sockets_do_not_travel_in_circles)
{
    struct fixture f;
    int32_t a[2], b[2], c[2];
    fixture_init(&f);
    pair(SOCK_STREAM, a);
    pair(SOCK_STREAM, b);
    pair(SOCK_STREAM, c);
    EXPECT_EQ(message(a[0], true, &a[1], 4, SCM_RIGHTS), -ETOOMANYREFS); /* into itself */
    EXPECT_EQ(message(a[0], true, &b[1], 4, SCM_RIGHTS), 1);             /* a1 holds b1 */
    EXPECT_EQ(message(b[0], true, &c[1], 4, SCM_RIGHTS), 1);             /* b1 holds c1 */
    EXPECT_EQ(message(c[0], true, &a[1], 4, SCM_RIGHTS), -ETOOMANYREFS);
    EXPECT_EQ(message(c[0], true, &a[0], 4, SCM_RIGHTS), 1);
    /* All are closed: everything goes. */
    fixture_end(&f);
}

/* Each socket lies in a message to the one before. */
TEST(a_long_chain_of_sockets_in_messages_ends_at_once)
{
    enum { LENGTH = 20000 };
    struct fixture f;
    int32_t first[2], last[2], next[2];
    fixture_init(&f);
    pair(SOCK_STREAM, first);
    memcpy(last, first, sizeof(last));
    for (unsigned i = 0; i < LENGTH && !test_has_failed(); i++) {
        pair(SOCK_STREAM, next);
        EXPECT_EQ(message(last[0], true, &next[1], 4, SCM_RIGHTS), 1);
        EXPECT_EQ(linux_close(last[0]), 0);
        EXPECT_EQ(linux_close(next[1]), 0);
        memcpy(last, next, sizeof(last));
    }
    EXPECT_EQ(linux_close(first[1]), 0);
    EXPECT_EQ(send(last[0], "x"), -EPIPE); /* the last is closed, too */
    fixture_end(&f);
}

/* The number of ways from the first socket to the last has twelve digits. */
TEST(sockets_in_many_messages_are_looked_at_once)
{
    enum { LEVELS = 4, MESSAGES = 20 };
    struct fixture f;
    int32_t level[LEVELS][2], to[2], fds[SCM_MAX_FD];
    fixture_init(&f);
    for (unsigned i = 0; i < LEVELS; i++)
        pair(SOCK_STREAM, level[i]);
    for (unsigned i = 0; i + 1 < LEVELS; i++) {
        for (unsigned n = 0; n < SCM_MAX_FD; n++)
            fds[n] = level[i + 1][1];
        for (unsigned n = 0; n < MESSAGES; n++)
            EXPECT_EQ(message(level[i][0], true, fds, sizeof(fds), SCM_RIGHTS), 1);
    }
    pair(SOCK_STREAM, to);
    EXPECT_EQ(message(to[0], true, &level[0][1], 4, SCM_RIGHTS), 1);
    EXPECT_EQ(message(level[LEVELS - 1][0], true, &to[1], 4, SCM_RIGHTS), -ETOOMANYREFS);
    fixture_end(&f);
}

TEST(credentials_are_told_and_checked)
{
    struct fixture f;
    int32_t fd[2], on = 1;
    struct linux_ucred said;
    fixture_init(&f);
    pair(SOCK_DGRAM, fd);
    EXPECT_EQ(copy_out(DATA, &on, 4), 0);
    EXPECT_EQ(linux_setsockopt(fd[1], SOL_SOCKET, SO_PASSCRED, DATA, 4), 0);
    EXPECT_EQ(send(fd[0], "x"), 1);
    EXPECT_EQ(message(fd[1], false, NULL, sizeof(said), 0), 1);
    EXPECT_EQ(copy_in(&said, CONTROL + 16, sizeof(said)), 0);
    EXPECT_EQ(said.pid, f.task->process->pid);
    said = (struct linux_ucred){ 1234, 5, 6 };
    EXPECT_EQ(message(fd[0], true, &said, sizeof(said), SCM_CREDENTIALS), 1);
    EXPECT_EQ(message(fd[1], false, NULL, sizeof(said), 0), 1);
    EXPECT_EQ(copy_in(&said, CONTROL + 16, sizeof(said)), 0);
    EXPECT(said.pid == 1234 && said.uid == 5 && said.gid == 6);
    struct cred *cred, *old = f.task->cred;
    EXPECT_EQ(cred_create(7, 7, NULL, 0, 0, &cred), 0);
    f.task->cred = cred;
    EXPECT_EQ(message(fd[0], true, &said, sizeof(said), SCM_CREDENTIALS), -EPERM);
    cred->euid = cred->egid = 0; /* a set-id program, whose output its user has chosen */
    EXPECT_EQ(send(fd[0], "x"), 1);
    EXPECT_EQ(message(fd[1], false, NULL, sizeof(said), 0), 1);
    EXPECT_EQ(copy_in(&said, CONTROL + 16, sizeof(said)), 0);
    EXPECT(said.uid == 7 && said.gid == 7);
    f.task->cred = old;
    cred_put(cred);
    fixture_end(&f);
}

TEST(options_and_wrong_calls)
{
    struct fixture f;
    int32_t fd[2], value = 1, room = 4;
    fixture_init(&f);
    pair(SOCK_STREAM, fd);
    EXPECT_EQ(copy_out(DATA, &value, 4), 0);
    EXPECT_EQ(copy_out(NAME, &room, 4), 0);
    EXPECT_EQ(linux_setsockopt(fd[0], SOL_SOCKET, SO_REUSEADDR, DATA, 4), 0);
    EXPECT_EQ(linux_setsockopt(fd[0], SOL_SOCKET, SO_REUSEADDR, DATA, 3), -EINVAL);
    EXPECT_EQ(linux_setsockopt(fd[0], SOL_SOCKET, 999, DATA, 4), -ENOPROTOOPT);
    EXPECT_EQ(linux_setsockopt(fd[0], 6, 1, DATA, 4), -EOPNOTSUPP);
    EXPECT_EQ(linux_getsockopt(fd[0], SOL_SOCKET, SO_REUSEADDR, DATA + 8, NAME), 0);
    EXPECT_EQ(copy_in(&value, DATA + 8, 4), 0);
    EXPECT_EQ(value, 1);
    EXPECT_EQ(linux_getsockopt(fd[0], SOL_SOCKET, SO_TYPE, DATA + 8, NAME), 0);
    EXPECT_EQ(copy_in(&value, DATA + 8, 4), 0);
    EXPECT_EQ(value, SOCK_STREAM);
    EXPECT_EQ(linux_getsockopt(fd[0], SOL_SOCKET, 999, DATA, NAME), -ENOPROTOOPT);
    const uint64_t time[2] = { 0, 20000 };
    EXPECT_EQ(copy_out(DATA, time, sizeof(time)), 0);
    EXPECT_EQ(linux_setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, DATA, sizeof(time)), 0);
    EXPECT_EQ(linux_fcntl(fd[0], F_SETFL, 0), 0);
    EXPECT_EQ(linux_recvfrom(fd[0], DATA, 1, 0, 0, 0), -EAGAIN); /* after a while */
    EXPECT_EQ(linux_socket(2, SOCK_STREAM, 0), -EAFNOSUPPORT);
    EXPECT_EQ(linux_socket(AF_UNIX, 9, 0), -ESOCKTNOSUPPORT);
    EXPECT_EQ(linux_socket(AF_UNIX, SOCK_STREAM, 6), -EPROTONOSUPPORT);
    EXPECT_EQ(linux_socket(AF_UNIX, SOCK_STREAM | 0x100000, 0), -EINVAL);
    EXPECT_EQ(linux_bind(99, NAME, 2), -EBADF);
    EXPECT_EQ(linux_pipe2(DATA, 0), 0);
    EXPECT_EQ(linux_bind(2, NAME, 2), -ENOTSOCK);
    EXPECT_EQ(linux_bind(fd[0], NAME, 1000), -EINVAL);
    EXPECT_EQ(linux_shutdown(fd[0], 3), -EINVAL);
    EXPECT_EQ(linux_ioctl(fd[0], TCGETS, DATA), -ENOTTY);
    fixture_end(&f);
}

static int64_t make_pair(int which)
{
    (void)which;
    return linux_socketpair(AF_UNIX, SOCK_STREAM, 0, DATA);
}

static int64_t make_connection(int which)
{
    int64_t fd = linux_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    int64_t result = linux_connect((int)fd, NAME, (uint32_t)which);
    EXPECT_EQ(linux_close((int)fd), 0);
    return result;
}

static int64_t make_message(int which)
{
    const int32_t zero = 0;
    return message(which, true, &zero, 4, SCM_RIGHTS);
}

static void with_failures(int64_t (*make)(int which), int which)
{
    uint64_t blocks = heap_counts().blocks;
    int64_t result = -ENOMEM;
    for (uint64_t n = 1; result == -ENOMEM && n < 50; n++) {
        heap_fail_after(n);
        result = make(which);
        heap_fail_after(0);
        if (result == -ENOMEM)
            EXPECT_EQ(heap_counts().blocks, blocks);
    }
    EXPECT(result >= 0);
}

TEST(sockets_that_find_no_memory_leave_nothing)
{
    struct fixture f;
    int32_t fd[2];
    fixture_init(&f);
    pair(SOCK_STREAM, fd);
    with_failures(make_message, fd[0]);
    with_failures(make_pair, 0);
    int listener = (int)linux_socket(AF_UNIX, SOCK_STREAM, 0);
    uint32_t size_bytes = address("@listener");
    EXPECT_EQ(linux_bind(listener, NAME, size_bytes), 0);
    EXPECT_EQ(linux_listen(listener, 100), 0);
    with_failures(make_connection, (int)size_bytes);
    fixture_end(&f);
}

/* ---- Several at a time ---- */

enum { CLIENTS = 4, ROUNDS = 100 };

static void client(uint64_t which, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(close, 0), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        EXPECT_EQ(CALL(socket, AF_UNIX, SOCK_STREAM, 0), 0);
        EXPECT_EQ(CALL(connect, 0, GUEST_DATA, 5), 0);
        guest_store(GUEST_DATA + 256, which * ROUNDS + i);
        EXPECT_EQ(CALL(write, 0, GUEST_DATA + 256, 8), 8);
        EXPECT_EQ(CALL(recvfrom, 0, GUEST_DATA + 512, 8, MSG_WAITALL, 0, 0), 8);
        EXPECT_EQ(guest_load(GUEST_DATA + 512), which * ROUNDS + i + 1);
        EXPECT_EQ(CALL(close, 0), 0);
    }
}

static void server(uint64_t a, uint64_t b, uint64_t c)
{
    static const uint8_t name[5] = { AF_UNIX, 0, 0, 's', 'v' };
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(copy_out(GUEST_DATA, name, sizeof(name)), 0);
    EXPECT_EQ(CALL(socket, AF_UNIX, SOCK_STREAM, 0), 0);
    EXPECT_EQ(CALL(bind, 0, GUEST_DATA, 5), 0);
    EXPECT_EQ(CALL(listen, 0, 1), 0);
    for (uint64_t i = 0; i < CLIENTS; i++)
        EXPECT(guest_fork(client, i) > 0);
    for (unsigned i = 0; i < CLIENTS * ROUNDS; i++) {
        EXPECT_EQ(CALL(accept4, 0, 0, 0, 0), 1);
        EXPECT_EQ(CALL(read, 1, GUEST_DATA + 256, 8), 8);
        guest_store(GUEST_DATA + 256, guest_load(GUEST_DATA + 256) + 1);
        EXPECT_EQ(CALL(write, 1, GUEST_DATA + 256, 4), 4);
        EXPECT_EQ(CALL(write, 1, GUEST_DATA + 260, 4), 4);
        EXPECT_EQ(CALL(close, 1), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        EXPECT_EQ(guest_wait((int32_t)(i + 2)), 0);
}

TEST(a_server_serves_many_clients)
{
    world_run(server, 0);
}

static void floods(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(close, 0), 0);
    for (unsigned i = 0; i < 60; i++)
        EXPECT_EQ(CALL(write, 1, GUEST_DATA, 30000), 30000);
}

static void drains(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t part, all = 0;
    EXPECT_EQ(CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, GUEST_DATA), 0);
    int64_t child = guest_fork(floods, 0);
    EXPECT_EQ(CALL(close, 1), 0);
    while ((part = CALL(read, 0, GUEST_DATA, 7000)) > 0)
        all += part;
    EXPECT_EQ(part, 0);
    EXPECT_EQ(all, 60 * 30000);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

TEST(who_floods_waits_for_who_drains)
{
    world_run(drains, 0);
}

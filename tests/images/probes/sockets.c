#include "probe.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static char bytes[1 << 18];

static struct sockaddr_un named(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, name, sizeof address.sun_path - 1);
    return address;
}

static long bind_to(int fd, const char *name)
{
    struct sockaddr_un address = named(name);
    return bind(fd, (void *)&address, sizeof address);
}

static long connect_to(int fd, const char *name)
{
    struct sockaddr_un address = named(name);
    return connect(fd, (void *)&address, sizeof address);
}

PROBE(sockets, errors)
{
    int pair[2];
    TRY(socket(99, SOCK_STREAM, 0));
    TRY(socket(AF_UNIX, 99, 0));
    TRY(socket(AF_UNIX, SOCK_STREAM, 5));
    TRY(socket(AF_UNIX, SOCK_STREAM | 0x100000, 0));
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, BAD_POINTER));
    int fd = (int)TRY(socket(AF_UNIX, SOCK_STREAM, 0));
    int file = (int)MUST(open("file", O_RDWR | O_CREAT, 0644));
    TRY(connect_to(fd, "none"));
    TRY(connect_to(fd, "file"));
    TRY(connect_to(fd, ""));
    TRY(connect_to(file, "none"));
    TRY(connect_to(99, "none"));
    TRY(listen(fd, 5));
    TRY(accept(fd, NULL, NULL));
    TRY(send(fd, "x", 1, MSG_NOSIGNAL));
    TRY(recv(fd, bytes, 1, 0));
    TRY(getpeername(fd, NULL, NULL));
    TRY(shutdown(socket(AF_UNIX, SOCK_STREAM, 0), SHUT_RD));
    TRY(bind_to(fd, "file"));
    TRY(bind_to(fd, "none/x"));
    struct sockaddr_un address = named("x");
    TRY(bind(fd, (void *)&address, 1));
    TRY(bind(fd, (void *)&address, 200));
    address.sun_family = AF_INET;
    TRY(bind(fd, (void *)&address, sizeof address));
    TRY(bind(fd, BAD_POINTER, sizeof address));
    TRY(bind_to(fd, "socket"));
    TRY(bind_to(fd, "again"));
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    TRY(bind_to(second, "socket"));
    TRY(connect_to(second, "socket"));
    int datagrams = socket(AF_UNIX, SOCK_DGRAM, 0);
    TRY(connect_to(datagrams, "socket"));
    TRY(listen(datagrams, 1));
    TRY(accept(datagrams, NULL, NULL));
    TRY(listen(fd, 1));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    TRY(accept4(fd, NULL, NULL, 0x1));
    TRY(accept(fd, NULL, NULL));
    TRY(send(file, "x", 1, 0));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    TRY(connect_to(pair[0], "socket"));
    TRY(send(pair[0], "x", 1, MSG_OOB) == 1 || errno == EOPNOTSUPP);
    TRY(recv(pair[0], bytes, 1, MSG_DONTWAIT));
    TRY(send(pair[0], BAD_POINTER, 1, 0));
    TRY(shutdown(pair[0], 9));
}

static void say_address(const char *what, const struct sockaddr_un *address, socklen_t length)
{
    say("%s: length %u %.*s", what, length, length > 2 ? (int)length - 2 : 0,
        address->sun_path + (address->sun_path[0] == 0));
}

PROBE(sockets, streams)
{
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    signal(SIGPIPE, told);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(bind_to(fd, "socket"));
    MUST(listen(fd, 5));
    ready("listening", fd);
    ready("not connected", client);
    TRY(connect_to(client, "socket"));
    ready("somebody is there", fd);
    ready("connected", client);
    TRY(connect_to(client, "socket"));
    TRY(write(client, "early", 5));
    int server = (int)MUST(accept(fd, (void *)&address, &length));
    VALUE(length);
    length = sizeof address;
    MUST(getpeername(client, (void *)&address, &length));
    say_address("peer", &address, length);
    length = sizeof address;
    MUST(getsockname(client, (void *)&address, &length));
    VALUE(length);
    TRY(read(server, bytes, 3));
    TRY(recv(server, bytes, 10, MSG_PEEK));
    TRY(recv(server, bytes, 10, MSG_TRUNC));
    TRY(recv(server, bytes, 10, MSG_DONTWAIT));
    TRY(shutdown(client, SHUT_WR));
    ready("the other side says no more", server);
    TRY(read(server, bytes, 10));
    TRY(write(client, "x", 1));
    TRY(write(server, "abc", 3));
    TRY(recv(client, bytes, 10, MSG_WAITALL | MSG_DONTWAIT));
    close(server);
    ready("closed", client);
    TRY(read(client, bytes, 10));
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(write(pair[0], "unread", 6));
    close(pair[1]);
    ready("closed with bytes unread", pair[0]);
    TRY(read(pair[0], bytes, 1));
    TRY(read(pair[0], bytes, 1));
    TRY(write(pair[0], "x", 1));
    TRY(send(pair[0], "x", 1, MSG_NOSIGNAL));
    unlink("socket");
    int late = socket(AF_UNIX, SOCK_STREAM, 0);
    TRY(connect_to(late, "socket"));
    MUST(bind_to(late, "refused"));
    close(late);
    TRY(connect_to(client = socket(AF_UNIX, SOCK_STREAM, 0), "refused"));
    TRY(bind_to(client, "refused"));
}

PROBE(sockets, datagrams)
{
    int pair[2];
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0),
        client = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    MUST(bind_to(fd, "socket"));
    TRY(send(client, "x", 1, 0));
    TRY(connect_to(client, "socket"));
    TRY(send(client, "first", 5, 0));
    TRY(send(client, "", 0, 0));
    TRY(bind_to(client, "client"));
    TRY(send(client, "third", 5, 0));
    int number = 0;
    TRY(ioctl(fd, FIONREAD, &number));
    VALUE(number);
    TRY(recv(fd, bytes, 2, 0));
    TRY(recv(fd, bytes, 2, 0));
    TRY(recvfrom(fd, bytes, 2, MSG_TRUNC | MSG_PEEK, (void *)&address, &length));
    say_address("from", &address, length);
    struct iovec vector = { bytes, 3 };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
    TRY(recvmsg(fd, &message, 0));
    VALUE(message.msg_flags);
    TRY(send(client, bytes, sizeof bytes, 0));
    for (number = 0; number < 1000 && send(client, "x", 1, 0) == 1; number++)
        ;
    say("then %s", strerrorname_np(errno));
    TRY(connect(client, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
    TRY(send(client, "x", 1, 0));
    close(fd);
    TRY(connect_to(client, "socket"));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    close(pair[1]);
    TRY(send(pair[0], "x", 1, MSG_NOSIGNAL));
    TRY(recv(pair[0], bytes, 1, MSG_DONTWAIT));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    TRY(write(pair[0], "packet", 6));
    TRY(write(pair[0], "two", 3));
    TRY(read(pair[1], bytes, 2));
    TRY(read(pair[1], bytes, 10));
    close(pair[0]);
    TRY(read(pair[1], bytes, 10));
    ready("closed", pair[1]);
}

static long pass(int socket, const int *fds, unsigned count, const char *text)
{
    char room[CMSG_SPACE(256 * sizeof(int))] = { 0 };
    struct iovec vector = { (void *)text, strlen(text) };
    struct msghdr message = { .msg_iov = &vector,
                              .msg_iovlen = 1,
                              .msg_control = room,
                              .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return sendmsg(socket, &message, 0);
}

static int take(int socket, size_t room_bytes, int flags)
{
    char room[256] = { 0 }, text[16] = "";
    int first = -1;
    struct iovec vector = { text, sizeof text - 1 };
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = room, .msg_controllen = room_bytes
    };
    long length = recvmsg(socket, &message, flags);
    say("received %ld \"%s\" flags %#x, %zu of control", length, text, (unsigned)message.msg_flags,
        (size_t)message.msg_controllen);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
         header = CMSG_NXTHDR(&message, header)) {
        say("  level %d type %d length %zu", header->cmsg_level, header->cmsg_type,
            (size_t)header->cmsg_len);
        if (header->cmsg_type == SCM_RIGHTS)
            memcpy(&first, CMSG_DATA(header), sizeof first);
        if (header->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(header), sizeof who);
            say("  own %d uid %u gid %u", who.pid == getpid(), who.uid, who.gid);
        }
    }
    return first;
}

PROBE(sockets, descriptors_in_messages)
{
    int pair[2], fds[256], on = 1;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    write_text("file", "contents");
    fds[0] = (int)MUST(open("file", O_RDONLY));
    fds[1] = (int)MUST(open("/dev/null", O_RDWR));
    TRY(pass(pair[0], fds, 1, "one"));
    int got = take(pair[1], 64, MSG_CMSG_CLOEXEC);
    TRY(fcntl(got, F_GETFD));
    MUST(read(fds[0], bytes, 4));
    TRY(read(got, bytes, 10));
    TRY(pass(pair[0], fds, 2, "two"));
    take(pair[1], CMSG_LEN(sizeof(int)), 0);
    TRY(pass(pair[0], fds, 2, "none"));
    take(pair[1], 0, 0);
    TRY(pass(pair[0], fds, 1, "a"));
    TRY(pass(pair[0], fds, 1, "b"));
    MUST(write(pair[0], "c", 1));
    take(pair[1], 64, 0);
    take(pair[1], 64, 0);
    take(pair[1], 64, 0);
    for (int i = 0; i < 256; i++)
        fds[i] = fds[1];
    TRY(pass(pair[0], fds, 253, "many"));
    TRY(pass(pair[0], fds, 254, "too many"));
    fds[0] = 99;
    TRY(pass(pair[0], fds, 1, "bad"));
    fds[0] = pair[0];
    TRY(pass(pair[0], fds, 1, "itself"));
    read(pair[1], bytes, 100);
    read(pair[1], bytes, 100);
    MUST(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    MUST(write(pair[0], "cred", 4));
    take(pair[1], 128, 0);
    char room[CMSG_SPACE(sizeof(struct ucred))] = { 0 };
    struct iovec vector = { "x", 1 };
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                .cmsg_type = SCM_CREDENTIALS,
                                .cmsg_len = CMSG_LEN(sizeof(struct ucred)) };
    struct ucred who = { getpid(), 5, 6 };
    memcpy(CMSG_DATA(header), &who, sizeof who);
    TRY(sendmsg(pair[0], &message, 0));
    take(pair[1], 128, 0);
    who.pid = 1;
    memcpy(CMSG_DATA(header), &who, sizeof who);
    TRY(sendmsg(pair[0], &message, 0));
    header->cmsg_len = 3;
    TRY(sendmsg(pair[0], &message, 0));
    header->cmsg_len = CMSG_LEN(sizeof(struct ucred));
    header->cmsg_type = 99;
    TRY(sendmsg(pair[0], &message, 0));
}

PROBE(sockets, options)
{
    int pair[2], value = 0;
    socklen_t length = sizeof value;
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
    TRY(fcntl(pair[0], F_GETFD));
    TRY(fcntl(pair[0], F_GETFL));
    static const int options[] = { SO_TYPE,     SO_DOMAIN,    SO_PROTOCOL,  SO_ERROR, SO_ACCEPTCONN,
                                   SO_PASSCRED, SO_REUSEADDR, SO_KEEPALIVE, 999 };
    for (size_t i = 0; i < COUNT(options); i++) {
        value = -1;
        length = sizeof value;
        long result = getsockopt(pair[0], SOL_SOCKET, options[i], &value, &length);
        say("option %d: %s %d length %u", options[i], result == 0 ? "is" : strerrorname_np(errno),
            value, length);
    }
    struct ucred who;
    length = sizeof who;
    TRY(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length));
    say("own %d %u %u", who.pid == getpid(), who.uid, who.gid);
    length = 5;
    TRY(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length));
    VALUE(length);
    value = 1;
    TRY(setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
    TRY(setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &value, 1));
    TRY(setsockopt(pair[0], SOL_SOCKET, 999, &value, sizeof value));
    TRY(setsockopt(pair[0], 6, 1, &value, sizeof value));
    TRY(getsockopt(pair[0], 6, 1, &value, &length));
    struct timeval soon = { 0, 20000 };
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    TRY(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    TRY(recv(pair[0], bytes, 1, 0));
    soon.tv_usec = 1000000;
    TRY(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
}

PROBE(sockets, abstract_names)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0name" };
    socklen_t size = 2 + 5;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
    TRY(bind(fd, (void *)&address, size));
    TRY(bind(other, (void *)&address, size));
    TRY(connect(other, (void *)&address, size));
    MUST(listen(fd, 1));
    TRY(connect(other, (void *)&address, size + 1));
    TRY(connect(other, (void *)&address, size));
    socklen_t length = sizeof address;
    MUST(getpeername(other, (void *)&address, &length));
    VALUE(length);
    close(fd);
    int third = socket(AF_UNIX, SOCK_STREAM, 0);
    TRY(connect(third, (void *)&address, size));
    address.sun_family = AF_UNIX;
    TRY(bind(third, (void *)&address, 2));
    length = sizeof address;
    MUST(getsockname(third, (void *)&address, &length));
    VALUE(length);
}

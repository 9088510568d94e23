/* System calls of sockets that concern descriptors and addresses. socket(2). */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/anonymous.h>
#include <linux/calls.h>
#include <linux/machine.h>
#include <linux/socket.h>

uint64_t socket_deadline(uint64_t timeout_ns)
{
    return timeout_ns == 0 ? MACHINE_NEVER : machine_now_ns() + timeout_ns;
}

/* ---- The file ---- */

static int64_t socket_read(struct file *file, struct io *io, uint64_t *position)
{
    struct socket *socket = file->data;
    struct message message = { .io = io };
    (void)position;
    int64_t result = socket->ops->receive(socket, &message, file_nonblocking(file));
    control_end(&message.control);
    return result;
}

static int64_t socket_write(struct file *file, struct io *io, uint64_t *position)
{
    struct socket *socket = file->data;
    struct message message = { .io = io };
    (void)position;
    return socket->ops->send(socket, &message, file_nonblocking(file));
}

static uint32_t socket_poll(struct file *file, struct poller *poller)
{
    struct socket *socket = file->data;
    return socket->ops->poll(socket, poller);
}

static int64_t socket_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct socket *socket = file->data;
    return socket->ops->ioctl(socket, request, argument);
}

static void socket_release(struct file *file)
{
    struct socket *socket = file->data;
    socket->ops->close(socket);
}

static int64_t socket_describe(struct file *file, char *to, size_t size_bytes)
{
    return anonymous_text("socket", file, to, size_bytes);
}

const struct file_ops socket_file_ops = {
    .read = socket_read,
    .write = socket_write,
    .poll = socket_poll,
    .ioctl = socket_ioctl,
    .release = socket_release,
    .describe = socket_describe,
};

int socket_file(struct socket *socket_taken, uint32_t flags, struct file **file_out)
{
    struct node *node = NULL;
    int error = anonymous_node(S_IFSOCK | 0777, &node);
    if (error == 0)
        error =
            file_create(&socket_file_ops, O_RDWR | (flags & O_NONBLOCK), socket_taken, file_out);
    if (error == 0) {
        file_set_node(*file_out, node);
        return 0;
    }
    node_put(node);
    socket_taken->ops->close(socket_taken);
    return error;
}

int socket_get(int fd, struct file **file_out, struct socket **socket_out)
{
    struct file *file = fd_get(fd);
    if (file == NULL)
        return -EBADF;
    if (file->ops != &socket_file_ops) {
        file_put(file);
        return -ENOTSOCK;
    }
    *file_out = file;
    *socket_out = file->data;
    return 0;
}

/* ---- Addresses ---- */

int address_in(struct socket_address *address, uaddr_t from, uint32_t size_bytes)
{
    *address = (struct socket_address){ .size_bytes = size_bytes };
    if (size_bytes > sizeof(address->of))
        return -EINVAL;
    return copy_in(address->of.bytes, from, size_bytes);
}

int address_out(const struct socket_address *address, uaddr_t to, uaddr_t size_at)
{
    int32_t room;
    int error = copy_in(&room, size_at, sizeof(room));
    if (error == 0 && room < 0)
        error = -EINVAL;
    if (error == 0)
        error = copy_out(to, address->of.bytes, MIN((uint32_t)room, address->size_bytes));
    if (error == 0)
        error = copy_out(size_at, &address->size_bytes, sizeof(address->size_bytes));
    return error;
}

/* ---- Making them ---- */

/* -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT, -EINVAL; the type without its flags. */
static int check(int family, uint32_t type_and_flags, int protocol, uint16_t *type_out)
{
    uint32_t flags = type_and_flags & ~(uint32_t)SOCK_TYPE_MASK;
    uint16_t type = type_and_flags & SOCK_TYPE_MASK;
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    if (family != AF_UNIX)
        return -EAFNOSUPPORT; /* there is no network yet */
    if (protocol != 0 && protocol != AF_UNIX)
        return -EPROTONOSUPPORT;
    if (type == SOCK_RAW)
        type = SOCK_DGRAM; /* as Linux has it for this family */
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    *type_out = type;
    return 0;
}

static unsigned fd_flags_of(uint32_t flags)
{
    return (flags & O_CLOEXEC) != 0 ? FD_CLOSE_ON_EXEC : 0;
}

static int install(struct socket *socket_taken, uint32_t flags)
{
    struct file *file;
    int error = socket_file(socket_taken, flags, &file);
    if (error != 0)
        return error;
    int fd = fd_install(file, 0, fd_flags_of(flags));
    if (fd < 0)
        file_put(file);
    return fd;
}

int64_t linux_socket(int32_t family, uint32_t type, int32_t protocol)
{
    struct socket *socket;
    uint16_t plain;
    int error = check(family, type, protocol, &plain);
    if (error == 0)
        error = unix_create(plain, &socket);
    return error != 0 ? error : install(socket, type);
}

int64_t linux_socketpair(int32_t family, uint32_t type, int32_t protocol, uaddr_t to)
{
    struct socket *pair[2];
    uint16_t plain;
    int32_t fd[2];
    int error = check(family, type, protocol, &plain);
    if (error == 0)
        error = unix_pair(plain, pair);
    if (error != 0)
        return error;
    fd[0] = install(pair[0], type);
    if (fd[0] < 0) {
        pair[1]->ops->close(pair[1]);
        return fd[0];
    }
    fd[1] = install(pair[1], type);
    error = fd[1] < 0 ? fd[1] : copy_out(to, fd, sizeof(fd));
    if (error == 0)
        return 0;
    if (fd[1] >= 0)
        (void)fd_close(fd[1]);
    (void)fd_close(fd[0]);
    return error;
}

/* ---- Connections ---- */

int64_t linux_bind(int32_t fd, uaddr_t at, uint32_t size_bytes)
{
    struct file *file;
    struct socket *socket;
    struct socket_address address;
    int error = socket_get(fd, &file, &socket);
    if (error != 0)
        return error;
    error = address_in(&address, at, size_bytes);
    if (error == 0)
        error = socket->ops->bind(socket, &address);
    file_put(file);
    return error;
}

int64_t linux_connect(int32_t fd, uaddr_t at, uint32_t size_bytes)
{
    struct file *file;
    struct socket *socket;
    struct socket_address address;
    int error = socket_get(fd, &file, &socket);
    if (error != 0)
        return error;
    error = address_in(&address, at, size_bytes);
    if (error == 0)
        error = socket->ops->connect(socket, &address, file_nonblocking(file));
    file_put(file);
    return error;
}

int64_t linux_listen(int32_t fd, int32_t backlog)
{
    struct file *file;
    struct socket *socket;
    int error = socket_get(fd, &file, &socket);
    if (error != 0)
        return error;
    error = socket->ops->listen(socket, backlog);
    file_put(file);
    return error;
}

static int64_t accept_one(struct file *file, uaddr_t to, uaddr_t size_at, uint32_t flags)
{
    struct socket *listener = file->data;
    struct socket *socket;
    struct socket_address address;
    int error = listener->ops->accept(listener, file_nonblocking(file), &socket);
    if (error != 0)
        return error;
    int fd = install(socket, flags);
    if (fd < 0 || to == 0)
        return fd;
    /* It is its descriptor's now; somebody else may close that. */
    struct file *made;
    error = socket_get(fd, &made, &socket);
    if (error != 0)
        return error;
    error = socket->ops->name(socket, true, &address);
    if (error != 0)
        address = (struct socket_address){ .size_bytes = sizeof(uint16_t), .of.family = AF_UNIX };
    error = address_out(&address, to, size_at);
    file_put(made);
    if (error != 0)
        (void)fd_close(fd);
    return error != 0 ? error : fd;
}

int64_t linux_accept4(int32_t fd, uaddr_t to, uaddr_t size_at, uint32_t flags)
{
    struct file *file;
    struct socket *socket;
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0)
        return -EINVAL;
    int64_t result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    result = accept_one(file, to, size_at, flags);
    file_put(file);
    return result;
}

int64_t linux_accept(int32_t fd, uaddr_t to, uaddr_t size_at)
{
    return linux_accept4(fd, to, size_at, 0);
}

int64_t linux_shutdown(int32_t fd, int32_t how)
{
    struct file *file;
    struct socket *socket;
    int error = socket_get(fd, &file, &socket);
    if (error != 0)
        return error;
    error = how < SHUT_RD || how > SHUT_RDWR ? -EINVAL : socket->ops->shutdown(socket, how);
    file_put(file);
    return error;
}

static int64_t tell_name(int fd, bool peer, uaddr_t to, uaddr_t size_at)
{
    struct file *file;
    struct socket *socket;
    struct socket_address address;
    int error = socket_get(fd, &file, &socket);
    if (error != 0)
        return error;
    error = socket->ops->name(socket, peer, &address);
    if (error == 0)
        error = address_out(&address, to, size_at);
    file_put(file);
    return error;
}

int64_t linux_getsockname(int32_t fd, uaddr_t to, uaddr_t size_at)
{
    return tell_name(fd, false, to, size_at);
}

int64_t linux_getpeername(int32_t fd, uaddr_t to, uaddr_t size_at)
{
    return tell_name(fd, true, to, size_at);
}

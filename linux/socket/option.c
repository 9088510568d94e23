/* Options of sockets. socket(7). */
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/abi/process.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/socket.h>

enum { BUFFER_LEAST = 4608, BUFFER_MOST = 2 * SOCKET_BYTES };

/* A value as getsockopt gives it. */
struct option {
    uint64_t value[2];
    uint32_t size_bytes;
};

static void set_number(struct option *option, int64_t number)
{
    option->value[0] = (uint32_t)number;
    option->size_bytes = sizeof(int32_t);
}

static void set_time(struct option *option, uint64_t ns)
{
    option->value[0] = ns / NS_PER_SECOND;
    option->value[1] = ns % NS_PER_SECOND / 1000;
    option->size_bytes = 2 * sizeof(uint64_t);
}

/* Options that change nothing here are kept for who asks. */
static bool is_kept(int name)
{
    return name == SO_REUSEADDR || name == SO_BROADCAST || name == SO_KEEPALIVE ||
           name == SO_REUSEPORT || name == SO_PRIORITY;
}

static int peer_option(struct socket *socket, struct option *option)
{
    struct linux_ucred credentials;
    if (!socket->ops->peer_credentials(socket, &credentials))
        credentials = (struct linux_ucred){ 0, UINT32_MAX, UINT32_MAX };
    option->value[0] = (uint32_t)credentials.pid | (uint64_t)credentials.uid << 32;
    option->value[1] = credentials.gid;
    option->size_bytes = sizeof(credentials);
    return 0;
}

static int get(struct socket *socket, int name, struct option *option)
{
    switch (name) {
    case SO_TYPE:
        set_number(option, socket->type);
        return 0;
    case SO_DOMAIN:
        set_number(option, socket->family);
        return 0;
    case SO_PROTOCOL:
        set_number(option, 0);
        return 0;
    case SO_ERROR:
        set_number(option, socket->ops->take_error(socket));
        return 0;
    case SO_ACCEPTCONN:
        set_number(option, socket->listening);
        return 0;
    case SO_SNDBUF:
        set_number(option, socket->send_bytes);
        return 0;
    case SO_RCVBUF:
        set_number(option, socket->receive_bytes);
        return 0;
    case SO_RCVLOWAT:
        set_number(option, 1);
        return 0;
    case SO_PASSCRED:
        set_number(option, socket->passes_credentials);
        return 0;
    case SO_PEERCRED:
        return peer_option(socket, option);
    case SO_LINGER:
        option->value[0] = socket->linger;
        option->size_bytes = sizeof(uint64_t);
        return 0;
    case SO_RCVTIMEO:
        set_time(option, socket->receive_timeout_ns);
        return 0;
    case SO_SNDTIMEO:
        set_time(option, socket->send_timeout_ns);
        return 0;
    default:
        if (!is_kept(name))
            return -ENOPROTOOPT;
        set_number(option, (socket->on >> name & 1) != 0);
        return 0;
    }
}

static int64_t give(const struct option *option, uaddr_t to, uaddr_t size_at)
{
    int32_t room;
    int error = copy_in(&room, size_at, sizeof(room));
    if (error == 0 && room < 0)
        error = -EINVAL;
    if (error != 0)
        return error;
    uint32_t size_bytes = MIN((uint32_t)room, option->size_bytes);
    error = copy_out(to, option->value, size_bytes);
    return error != 0 ? error : copy_out(size_at, &size_bytes, sizeof(size_bytes));
}

int64_t linux_getsockopt(int32_t fd, int32_t level, int32_t name, uaddr_t to, uaddr_t size_at)
{
    struct file *file;
    struct socket *socket;
    struct option option;
    int64_t result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    result = level == SOL_SOCKET ? get(socket, name, &option) : -EOPNOTSUPP;
    if (result == 0)
        result = give(&option, to, size_at);
    file_put(file);
    return result;
}

/* ---- Setting ---- */

static int time_option(uint64_t *ns, uaddr_t from, uint32_t size_bytes)
{
    if (size_bytes < 2 * sizeof(uint64_t))
        return -EINVAL;
    int error = timeval_in(from, ns);
    return error == -EINVAL ? -EDOM : error;
}

static int linger_option(struct socket *socket, uaddr_t from, uint32_t size_bytes)
{
    uint64_t linger;
    if (size_bytes < sizeof(linger))
        return -EINVAL;
    int error = copy_in(&linger, from, sizeof(linger));
    if (error == 0)
        socket->linger = linger;
    return error;
}

/* Linux doubles what it is told, for what it stores beside the bytes, and says so. */
static uint32_t buffer_bytes(int32_t wanted)
{
    uint64_t doubled = wanted < 0 ? 0 : 2 * (uint64_t)(uint32_t)wanted;
    return (uint32_t)MAX(MIN(doubled, (uint64_t)BUFFER_MOST), (uint64_t)BUFFER_LEAST);
}

static int number_option(struct socket *socket, int name, int32_t value)
{
    switch (name) {
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        socket->send_bytes = buffer_bytes(value);
        return 0;
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        socket->receive_bytes = buffer_bytes(value);
        return 0;
    case SO_PASSCRED:
        socket->passes_credentials = value != 0;
        return 0;
    case SO_RCVLOWAT:
        return value <= 1 ? 0 : -EINVAL;
    default:
        if (!is_kept(name))
            return -ENOPROTOOPT;
        if (value != 0)
            (void)__atomic_fetch_or(&socket->on, 1u << name, __ATOMIC_RELAXED);
        else
            (void)__atomic_fetch_and(&socket->on, ~(1u << name), __ATOMIC_RELAXED);
        return 0;
    }
}

static int set(struct socket *socket, int name, uaddr_t from, uint32_t size_bytes)
{
    int32_t value;
    if (name == SO_RCVTIMEO)
        return time_option(&socket->receive_timeout_ns, from, size_bytes);
    if (name == SO_SNDTIMEO)
        return time_option(&socket->send_timeout_ns, from, size_bytes);
    if (name == SO_LINGER)
        return linger_option(socket, from, size_bytes);
    if (size_bytes < sizeof(value))
        return -EINVAL;
    int error = copy_in(&value, from, sizeof(value));
    if (error == 0 && (name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE) && !capable(CAP_NET_ADMIN))
        error = -EPERM;
    return error == 0 ? number_option(socket, name, value) : error;
}

int64_t linux_setsockopt(int32_t fd, int32_t level, int32_t name, uaddr_t from, uint32_t size_bytes)
{
    struct file *file;
    struct socket *socket;
    int64_t result = socket_get(fd, &file, &socket);
    if (result != 0)
        return result;
    result = level == SOL_SOCKET ? set(socket, name, from, size_bytes) : -EOPNOTSUPP;
    file_put(file);
    return result;
}

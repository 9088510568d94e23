/* AF_UNIX: names, connections and their ends. unix(7). */
#include <base/compiler.h>
#include <base/fmt.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/ioctl.h>
#include <linux/abi/termios.h>
#include <linux/count.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/socket_impl.h>

enum { ABSTRACT_TRIES = 1 << 16, FAMILY_BYTES = sizeof(uint16_t) };

static const struct socket_ops unix_ops;

/* Bound names that are no paths. */
static struct rt_lock abstract_lock; /* a leaf */
static struct list abstract_sockets = { &abstract_sockets, &abstract_sockets };
static uint32_t abstract_next; /* of names that we choose */

struct unix_socket *unix_get(struct unix_socket *socket)
{
    count_get(&socket->references);
    return socket;
}

void unix_name_put(struct unix_name *name)
{
    if (name != NULL && count_put(&name->references))
        heap_free(name);
}

void unix_put(struct unix_socket *socket)
{
    if (socket == NULL || !count_put(&socket->references))
        return;
    unix_wake_senders(socket); /* nobody is on the list any more */
    unix_name_put(socket->name);
    heap_free(socket);
}

struct unix_socket *unix_peer(struct unix_socket *socket)
{
    rt_lock(&socket->lock);
    struct unix_socket *peer = socket->peer != NULL ? unix_get(socket->peer) : NULL;
    rt_unlock(&socket->lock);
    return peer;
}

static struct unix_socket *socket_alloc(uint16_t type)
{
    struct unix_socket *socket = heap_alloc(sizeof(*socket));
    if (socket == NULL)
        return NULL;
    socket->head = (struct socket){ .ops = &unix_ops,
                                    .family = AF_UNIX,
                                    .type = type,
                                    .send_bytes = SOCKET_BYTES,
                                    .receive_bytes = SOCKET_BYTES };
    socket->references = 1;
    list_init(&socket->packets);
    list_init(&socket->senders);
    list_init(&socket->in_senders);
    list_init(&socket->pending);
    list_init(&socket->in_pending);
    list_init(&socket->in_abstract);
    wait_queue_init(&socket->queue);
    return socket;
}

int unix_create(uint16_t type, struct socket **socket_out)
{
    struct unix_socket *socket = socket_alloc(type);
    if (socket == NULL)
        return -ENOMEM;
    *socket_out = &socket->head;
    return 0;
}

/* The two are connected; nobody else has them yet. */
static void join(struct unix_socket *a, struct unix_socket *b)
{
    a->peer = unix_get(b);
    b->peer = unix_get(a);
    a->state = b->state = UNIX_CONNECTED;
    credentials_own(&a->peer_credentials);
    b->peer_credentials = a->peer_credentials;
}

int unix_pair(uint16_t type, struct socket *socket_out[2])
{
    struct unix_socket *a = socket_alloc(type), *b = socket_alloc(type);
    if (a == NULL || b == NULL) {
        unix_put(a);
        unix_put(b);
        return -ENOMEM;
    }
    join(a, b);
    socket_out[0] = &a->head;
    socket_out[1] = &b->head;
    return 0;
}

int unix_sleep(struct unix_socket *there, struct waiter *waiter, bool nonblocking,
               uint64_t deadline_ns)
{
    if (nonblocking)
        return -EAGAIN;
    if (waiter->queue == NULL) {
        wait_queue_add(&there->queue, waiter);
        return 0;
    }
    int error = task_sleep(deadline_ns);
    return error == -ETIMEDOUT ? -EAGAIN : error;
}

/* ---- Names ---- */

static bool is_abstract(const struct socket_address *address)
{
    return address->size_bytes > FAMILY_BYTES && address->of.unix_name.path[0] == '\0';
}

static int check(const struct socket_address *address)
{
    if (address->size_bytes < FAMILY_BYTES || address->of.family != AF_UNIX ||
        address->size_bytes > sizeof(struct linux_sockaddr_un))
        return -EINVAL;
    return 0;
}

/* A path with its end. */
static void path_of(const struct socket_address *address, char to[UNIX_PATH_MAX + 1])
{
    size_t length = address->size_bytes - FAMILY_BYTES;
    memcpy(to, address->of.unix_name.path, length);
    to[length] = '\0';
}

static bool same(const struct socket_address *a, const struct socket_address *b)
{
    return a->size_bytes == b->size_bytes && memcmp(a->of.bytes, b->of.bytes, a->size_bytes) == 0;
}

/* With abstract_lock. */
static struct unix_socket *abstract_find(const struct socket_address *address)
{
    LIST_FOR_EACH(link, &abstract_sockets)
    {
        struct unix_socket *socket = CONTAINER_OF(link, struct unix_socket, in_abstract);
        if (same(&socket->name->address, address))
            return socket;
    }
    return NULL;
}

/* Who sends looks at it without a lock. */
static void set_name(struct unix_socket *socket, struct unix_name *name)
{
    __atomic_store_n(&socket->name, name, __ATOMIC_RELEASE);
}

/* The socket has the name from then on, which it takes; unless another has it. */
static int abstract_bind(struct unix_socket *socket, struct unix_name *name)
{
    rt_lock(&abstract_lock);
    int error = abstract_find(&name->address) != NULL ? -EADDRINUSE : 0;
    if (error == 0) {
        set_name(socket, name);
        list_push_back(&abstract_sockets, &socket->in_abstract);
    }
    rt_unlock(&abstract_lock);
    return error;
}

/* A name of five digits that nobody has. */
static int abstract_choose(struct unix_socket *socket, struct unix_name *name)
{
    int error = -EADDRINUSE;
    for (unsigned i = 0; i < ABSTRACT_TRIES && error == -EADDRINUSE; i++) {
        if (signal_wanted(task_self()))
            return -ERESTARTNOINTR; /* there may be very many to compare with */
        uint32_t number = __atomic_fetch_add(&abstract_next, 1, __ATOMIC_RELAXED) & 0xfffff;
        name->address.of.family = AF_UNIX;
        (void)format_text(name->address.of.unix_name.path + 1, 6, "%05x", number);
        name->address.size_bytes = FAMILY_BYTES + 6;
        error = abstract_bind(socket, name);
    }
    return error == -EADDRINUSE ? -ENOSPC : error;
}

static void node_forgets(void *special)
{
    unix_put(special);
}

static int path_bind(struct unix_socket *socket, struct unix_name *name)
{
    char text[UNIX_PATH_MAX + 1];
    struct path path;
    path_of(&name->address, text);
    int error = path_make(AT_FDCWD, text, S_IFSOCK | 0777, 0, &path);
    if (error != 0)
        return error == -EEXIST ? -EADDRINUSE : error;
    struct node *node = path_node(&path);
    /* However long it was given, it ends with the path's own end. */
    name->address.size_bytes = (uint32_t)(FAMILY_BYTES + strlen(text) + 1);
    set_name(socket, name);
    rt_lock(&node->lock);
    node->special = unix_get(socket);
    node->special_free = node_forgets;
    rt_unlock(&node->lock);
    path_put(&path);
    return 0;
}

/* `name` NULL: an abstract one is chosen. With no lock: the name is set once, by one at a time. */
static int bind_once(struct unix_socket *socket, const struct socket_address *address)
{
    struct unix_name *name = heap_alloc(sizeof(*name));
    if (name == NULL)
        return -ENOMEM;
    name->references = 1;
    name->address = *address;
    int error;
    if (address->size_bytes == FAMILY_BYTES)
        error = abstract_choose(socket, name);
    else if (is_abstract(address))
        error = abstract_bind(socket, name);
    else
        error = path_bind(socket, name);
    if (error != 0)
        unix_name_put(name);
    return error;
}

static int unix_bind(struct socket *head, const struct socket_address *address)
{
    static struct rt_lock binding; /* before `names` */
    struct unix_socket *socket = unix_of(head);
    int error = check(address);
    if (error != 0)
        return error;
    rt_lock(&binding);
    error = socket->name != NULL ? -EINVAL : bind_once(socket, address);
    rt_unlock(&binding);
    return error;
}

static int find_path(const struct socket_address *address, struct unix_socket **socket_out)
{
    char text[UNIX_PATH_MAX + 1];
    struct path path;
    path_of(address, text);
    int error = path_find(AT_FDCWD, text, LOOKUP_FOLLOW, &path);
    if (error != 0)
        return error;
    struct node *node = path_node(&path);
    error = path_permission(&path, MAY_WRITE);
    if (error == 0) {
        rt_lock(&node->lock);
        bool there = node->type == S_IFSOCK && node->special != NULL;
        if (there)
            *socket_out = unix_get(node->special);
        rt_unlock(&node->lock);
        error = there ? 0 : -ECONNREFUSED;
    }
    path_put(&path);
    return error;
}

int unix_find(const struct socket_address *address, struct unix_socket **socket_out)
{
    int error = check(address);
    if (error != 0 || address->size_bytes == FAMILY_BYTES)
        return -EINVAL;
    if (!is_abstract(address))
        return find_path(address, socket_out);
    rt_lock(&abstract_lock);
    struct unix_socket *socket = abstract_find(address);
    if (socket != NULL)
        *socket_out = unix_get(socket);
    rt_unlock(&abstract_lock);
    return socket != NULL ? 0 : -ECONNREFUSED;
}

static int unix_name_of(struct socket *head, bool peer, struct socket_address *address_out)
{
    struct unix_socket *socket = unix_of(head);
    struct unix_socket *other = peer ? unix_peer(socket) : unix_get(socket);
    if (other == NULL)
        return -ENOTCONN;
    *address_out = (struct socket_address){ .size_bytes = FAMILY_BYTES, .of.family = AF_UNIX };
    const struct unix_name *name = __atomic_load_n(&other->name, __ATOMIC_ACQUIRE);
    if (name != NULL)
        *address_out = name->address;
    unix_put(other);
    return 0;
}

/* ---- Connections ---- */

static int unix_listen(struct socket *head, int backlog)
{
    struct unix_socket *socket = unix_of(head);
    if (head->type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    unsigned most = backlog < 0 || backlog > SOMAXCONN ? SOMAXCONN : (unsigned)backlog;
    rt_lock(&socket->lock);
    bool fine =
        socket->name != NULL && (socket->state == UNIX_NEW || socket->state == UNIX_LISTENING);
    if (fine) {
        socket->state = UNIX_LISTENING;
        socket->backlog = most;
        credentials_own(&socket->credentials);
        head->listening = true;
    }
    rt_unlock(&socket->lock);
    return fine ? 0 : -EINVAL;
}

/* Put the other end of a connection on the listener's list: -EAGAIN if it is full. */
static int offer(struct unix_socket *listener, struct unix_socket *end)
{
    int error = 0;
    rt_lock(&listener->lock);
    if (listener->state != UNIX_LISTENING || listener->no_receive) {
        error = -ECONNREFUSED;
    } else if (listener->pending_count > listener->backlog) {
        error = -EAGAIN;
    } else {
        listener->pending_count++;
        list_push_back(&listener->pending, &end->in_pending);
        /* What accept gives has the listener's name, and the client sees who listens. */
        end->name = listener->name;
        count_get(&end->name->references);
        end->peer->peer_credentials = listener->credentials;
    }
    rt_unlock(&listener->lock);
    if (error == 0)
        wait_queue_wake(&listener->queue, POLL_IN);
    return error;
}

static int offer_or_wait(struct unix_socket *socket, struct unix_socket *listener,
                         struct unix_socket *end, bool nonblocking)
{
    struct waiter waiter;
    int error;
    uint64_t deadline_ns = socket_deadline(socket->head.send_timeout_ns);
    waiter_init(&waiter, task_self());
    while ((error = offer(listener, end)) == -EAGAIN) {
        error = unix_sleep(listener, &waiter, nonblocking, deadline_ns);
        if (error != 0)
            break;
    }
    wait_queue_remove(&waiter);
    return error;
}

static int begin_connecting(struct unix_socket *socket)
{
    int error = 0;
    rt_lock(&socket->lock);
    if (socket->state == UNIX_CONNECTED)
        error = -EISCONN;
    else if (socket->state == UNIX_CONNECTING)
        error = -EALREADY;
    else if (socket->state != UNIX_NEW)
        error = -EINVAL;
    else
        socket->state = UNIX_CONNECTING;
    rt_unlock(&socket->lock);
    return error;
}

static void end_connecting(struct unix_socket *socket, struct unix_socket *peer)
{
    rt_lock(&socket->lock);
    socket->state = peer != NULL ? UNIX_CONNECTED : UNIX_NEW;
    socket->peer = peer;
    rt_unlock(&socket->lock);
}

static int connect_stream(struct unix_socket *socket, struct unix_socket *listener,
                          bool nonblocking)
{
    if (listener->head.type != socket->head.type)
        return -EPROTOTYPE;
    int error = begin_connecting(socket);
    if (error != 0)
        return error;
    struct unix_socket *end = socket_alloc(socket->head.type);
    error = end == NULL ? -ENOMEM : 0;
    if (error == 0) {
        end->state = UNIX_CONNECTED;
        end->peer = unix_get(socket);
        credentials_own(&end->peer_credentials);
        (void)unix_get(end); /* ours: it may be accepted and closed at once */
        error = offer_or_wait(socket, listener, end, nonblocking);
    }
    if (error != 0 && end != NULL) {
        unix_put(end->peer);
        unix_put(end);
        unix_put(end);
        end = NULL;
    }
    end_connecting(socket, end);
    return error;
}

/* A datagram socket's peer is only where it sends to, and whom it hears. */
static int connect_datagram(struct unix_socket *socket, struct unix_socket *there)
{
    int error = there != NULL && there->head.type != SOCK_DGRAM ? -EPROTOTYPE : 0;
    if (error != 0)
        return error;
    if (there != NULL) {
        rt_lock(&there->lock);
        bool refused = there->state == UNIX_CLOSED;
        bool other = there->peer != NULL && there->peer != socket;
        rt_unlock(&there->lock);
        if (refused || other)
            return refused ? -ECONNREFUSED : -EPERM;
        (void)unix_get(there);
    }
    rt_lock(&socket->lock);
    struct unix_socket *old = socket->peer;
    socket->peer = there;
    socket->state = there != NULL ? UNIX_CONNECTED : UNIX_NEW;
    rt_unlock(&socket->lock);
    unix_put(old);
    return 0;
}

static int unix_connect(struct socket *head, const struct socket_address *address, bool nonblocking)
{
    struct unix_socket *socket = unix_of(head);
    struct unix_socket *there;
    if (head->type == SOCK_DGRAM && address->size_bytes >= FAMILY_BYTES &&
        address->of.family == AF_UNSPEC)
        return connect_datagram(socket, NULL);
    int error = unix_find(address, &there);
    if (error != 0)
        return error;
    error = head->type == SOCK_DGRAM ? connect_datagram(socket, there)
                                     : connect_stream(socket, there, nonblocking);
    unix_put(there);
    return error;
}

/* The first that waits: its list's reference; or why there is none. */
static int take_pending(struct unix_socket *listener, struct unix_socket **end_out)
{
    int error = -EAGAIN;
    rt_lock(&listener->lock);
    if (listener->state != UNIX_LISTENING || listener->no_receive)
        error = -EINVAL;
    struct list *link = error == -EAGAIN ? list_pop_front(&listener->pending) : NULL;
    if (link != NULL) {
        listener->pending_count--;
        *end_out = CONTAINER_OF(link, struct unix_socket, in_pending);
        error = 0;
    }
    rt_unlock(&listener->lock);
    return error;
}

static int unix_accept(struct socket *head, bool nonblocking, struct socket **socket_out)
{
    struct unix_socket *listener = unix_of(head);
    struct unix_socket *end;
    struct waiter waiter;
    int error;
    if (head->type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    uint64_t deadline_ns = socket_deadline(head->receive_timeout_ns);
    waiter_init(&waiter, task_self());
    while ((error = take_pending(listener, &end)) == -EAGAIN) {
        error = unix_sleep(listener, &waiter, nonblocking, deadline_ns);
        if (error != 0)
            break;
    }
    wait_queue_remove(&waiter);
    if (error != 0)
        return error;
    wait_queue_wake(&listener->queue, POLL_OUT); /* who connects may find room */
    *socket_out = &end->head;
    return 0;
}

/* ---- Ends ---- */

/* The peer of a connection learns that this side sends or receives no more. */
static void tell_peer(struct unix_socket *peer, bool no_receive, bool no_send, int error)
{
    rt_lock(&peer->lock);
    peer->no_receive |= no_receive;
    peer->no_send |= no_send;
    peer->error = error != 0 ? error : peer->error;
    rt_unlock(&peer->lock);
    wait_queue_wake(&peer->queue, 0);
}

static int unix_shutdown(struct socket *head, int how)
{
    struct unix_socket *socket = unix_of(head);
    bool receive = how != SHUT_WR, send = how != SHUT_RD;
    rt_lock(&socket->lock);
    socket->no_receive |= receive;
    socket->no_send |= send;
    struct unix_socket *peer = socket->peer != NULL ? unix_get(socket->peer) : NULL;
    rt_unlock(&socket->lock);
    if (peer != NULL && head->type != SOCK_DGRAM)
        tell_peer(peer, send, receive, 0);
    unix_put(peer);
    wait_queue_wake(&socket->queue, 0);
    return 0;
}

static void forget_name(struct unix_socket *socket)
{
    rt_lock(&abstract_lock);
    list_remove(&socket->in_abstract);
    rt_unlock(&abstract_lock);
}

static void unix_close(struct socket *head)
{
    struct unix_socket *socket = unix_of(head);
    struct list packets, pending;
    list_init(&pending);
    rt_lock(&socket->lock);
    socket->state = UNIX_CLOSED;
    socket->no_receive = socket->no_send = true;
    struct unix_socket *peer = socket->peer;
    socket->peer = NULL;
    struct list *link;
    while ((link = list_pop_front(&socket->pending)) != NULL)
        list_push_back(&pending, link);
    rt_unlock(&socket->lock);
    unix_take_packets(socket, &packets); /* no more come */
    if (peer != NULL && head->type != SOCK_DGRAM)
        tell_peer(peer, true, true, list_empty(&packets) ? 0 : ECONNRESET);
    unix_put(peer);
    wait_queue_wake(&socket->queue, 0);
    unix_wake_senders(socket);
    unix_stop_polling(socket);
    forget_name(socket);
    packets_free(&packets);
    while ((link = list_pop_front(&pending)) != NULL)
        unix_close(&CONTAINER_OF(link, struct unix_socket, in_pending)->head);
    unix_put(socket);
}

static bool unix_peer_credentials(struct socket *head, struct linux_ucred *credentials_out)
{
    struct unix_socket *socket = unix_of(head);
    rt_lock(&socket->lock);
    bool known = socket->peer_credentials.pid != 0;
    *credentials_out = socket->peer_credentials;
    rt_unlock(&socket->lock);
    return known;
}

static int unix_take_error(struct socket *head)
{
    struct unix_socket *socket = unix_of(head);
    rt_lock(&socket->lock);
    int error = socket->error;
    socket->error = 0;
    rt_unlock(&socket->lock);
    return error;
}

static int64_t unix_ioctl(struct socket *head, uint32_t request, uint64_t argument)
{
    struct unix_socket *socket = unix_of(head);
    struct unix_socket *of = request == FIONREAD ? unix_get(socket) : NULL;
    int32_t bytes = 0;
    if (request == TIOCOUTQ)
        of = unix_peer(socket);
    else if (request != FIONREAD)
        return -ENOTTY;
    if (of != NULL) {
        rt_lock(&of->lock);
        bytes = (int32_t)of->bytes;
        if (request == FIONREAD && head->type != SOCK_STREAM && !list_empty(&of->packets))
            bytes = (int32_t)CONTAINER_OF(of->packets.next, struct packet, link)->size_bytes;
        rt_unlock(&of->lock);
        unix_put(of);
    }
    return copy_out(argument, &bytes, sizeof(bytes));
}

static const struct socket_ops unix_ops = {
    .bind = unix_bind,
    .connect = unix_connect,
    .listen = unix_listen,
    .accept = unix_accept,
    .send = unix_send,
    .receive = unix_receive,
    .shutdown = unix_shutdown,
    .name = unix_name_of,
    .poll = unix_poll,
    .ioctl = unix_ioctl,
    .peer_credentials = unix_peer_credentials,
    .take_error = unix_take_error,
    .close = unix_close,
};

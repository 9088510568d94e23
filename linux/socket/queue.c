/* AF_UNIX: what is sent and received. unix(7), send(2), recv(2). */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/socket_impl.h>

enum {
    PACKET_BYTES = 32768, /* of a stream: what is sent at a time */
    POLL_ROOM = 4096,     /* of a stream, for poll to call it writable */
    PACKETS_MAX = 512,    /* that are queued */
    CIRCLE_DEPTH = 4,     /* sockets in messages in sockets */
};

static struct rt_lock senders_lock; /* a leaf, but for queues */
static struct rt_lock flight_lock;  /* who sends sockets: before `channel` */
static uint64_t searches;           /* flight_lock: how many there were */

/* ---- Packets ---- */

void packet_free(struct packet *packet)
{
    control_end(&packet->control);
    unix_name_put(packet->from);
    heap_free(packet);
}

/* The end of a packet may be the end of a socket that has packets itself, and so on, as long as a
 * guest likes. So a thread that is freeing packets already does not begin once more, deeper on its
 * stack: it finds the others in its drain. */
struct drain {
    struct list link;
    const struct vcpu *thread;
    struct list packets; /* the thread's own */
};
static struct rt_lock drains_lock; /* a leaf */
static struct list drains = { &drains, &drains };

static struct drain *drain_begin(struct drain *own)
{
    struct drain *mine = own;
    rt_lock(&drains_lock);
    LIST_FOR_EACH(link, &drains)
    {
        struct drain *drain = CONTAINER_OF(link, struct drain, link);
        if (drain->thread == own->thread)
            mine = drain;
    }
    if (mine == own)
        list_push_back(&drains, &own->link);
    rt_unlock(&drains_lock);
    return mine;
}

static void drain_end(struct drain *own)
{
    rt_lock(&drains_lock);
    list_remove(&own->link);
    rt_unlock(&drains_lock);
}

static void drain_all(struct list *packets)
{
    struct drain own = { .thread = vcpu_self() };
    struct list *link;
    list_init(&own.link);
    list_init(&own.packets);
    struct drain *drain = drain_begin(&own);
    while ((link = list_pop_front(packets)) != NULL)
        list_push_back(&drain->packets, link);
    if (drain != &own)
        return;
    while ((link = list_pop_front(&own.packets)) != NULL)
        packet_free(CONTAINER_OF(link, struct packet, link));
    drain_end(&own);
}

void packets_free(struct list *packets)
{
    struct list deep;
    struct list *link;
    list_init(&deep);
    while ((link = list_pop_front(packets)) != NULL) {
        struct packet *packet = CONTAINER_OF(link, struct packet, link);
        if (packet->control.rights != NULL)
            list_push_back(&deep, link);
        else
            packet_free(packet);
    }
    if (!list_empty(&deep))
        drain_all(&deep);
}

void unix_take_packets(struct unix_socket *socket, struct list *to)
{
    struct list *link;
    list_init(to);
    rt_lock(&socket->lock);
    while ((link = list_pop_front(&socket->packets)) != NULL)
        list_push_back(to, link);
    socket->bytes = socket->count = 0;
    rt_unlock(&socket->lock);
}

static struct unix_name *name_of(const struct unix_socket *socket)
{
    struct unix_name *name = __atomic_load_n(&socket->name, __ATOMIC_ACQUIRE);
    if (name != NULL)
        (void)__atomic_fetch_add(&name->references, 1, __ATOMIC_RELAXED);
    return name;
}

/* With the bytes that the message has, up to `most`. */
static int packet_make(const struct unix_socket *socket, struct message *message, uint64_t most,
                       struct packet **packet_out)
{
    uint32_t size_bytes = (uint32_t)MIN(message->io->left, most);
    struct packet *packet = heap_alloc(sizeof(*packet) + size_bytes);
    if (packet == NULL)
        return -ENOMEM;
    if (size_bytes > 0) {
        int64_t moved = io_from(message->io, packet->bytes, size_bytes);
        if (moved < (int64_t)size_bytes && socket->head.type != SOCK_STREAM)
            moved = -EFAULT;
        if (moved < 0) {
            heap_free(packet);
            return (int)moved;
        }
        size_bytes = (uint32_t)moved;
    }
    packet->size_bytes = size_bytes;
    packet->from = name_of(socket);
    list_init(&packet->link);
    packet->control = message->control;
    if (!packet->control.has_credentials)
        credentials_real(&packet->control.credentials);
    message->control = (struct control){ 0 };
    *packet_out = packet;
    return 0;
}

/* ---- Room ---- */

bool unix_room(const struct unix_socket *there, uint32_t size_bytes)
{
    if (there->count == 0)
        return true;
    return there->count < PACKETS_MAX && there->bytes < SOCKET_BYTES &&
           size_bytes <= SOCKET_BYTES - there->bytes;
}

void unix_wake_senders(struct unix_socket *there)
{
    struct list *link;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&there->senders.next, __ATOMIC_RELAXED) == &there->senders)
        return;
    rt_lock(&senders_lock);
    while ((link = list_pop_front(&there->senders)) != NULL)
        wait_queue_wake(&CONTAINER_OF(link, struct unix_socket, in_senders)->queue, POLL_OUT);
    rt_unlock(&senders_lock);
}

void unix_stop_polling(struct unix_socket *socket)
{
    rt_lock(&senders_lock);
    list_remove(&socket->in_senders);
    rt_unlock(&senders_lock);
}

/* Can the socket send there? If not, it is told when it can. */
static bool may_send(struct unix_socket *socket, struct unix_socket *there, bool polls)
{
    bool room = false;
    for (unsigned turn = 0; turn < 2 && !room; turn++) {
        rt_lock(&there->lock);
        room = there->state == UNIX_CLOSED ||
               unix_room(there, socket->head.type == SOCK_STREAM ? POLL_ROOM : SOCKET_BYTES / 2);
        rt_unlock(&there->lock);
        if (room || !polls || turn > 0)
            break;
        rt_lock(&senders_lock);
        list_remove(&socket->in_senders);
        list_push_back(&there->senders, &socket->in_senders);
        rt_unlock(&senders_lock);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    return room;
}

uint32_t unix_poll(struct socket *head, struct poller *poller)
{
    struct unix_socket *socket = unix_of(head);
    uint32_t events = 0;
    if (poller != NULL)
        (void)poller->add(poller, &socket->queue);
    rt_lock(&socket->lock);
    struct unix_socket *peer = socket->peer != NULL ? unix_get(socket->peer) : NULL;
    bool connection = head->type != SOCK_DGRAM;
    bool unconnected = connection && socket->state == UNIX_NEW;
    if (!list_empty(&socket->packets) || !list_empty(&socket->pending) || socket->no_receive)
        events |= POLL_IN;
    if (socket->no_receive)
        events |= POLL_RDHUP;
    if ((socket->no_receive && socket->no_send) || unconnected)
        events |= POLL_HUP;
    if (socket->error != 0)
        events |= POLL_ERR;
    bool may_be_full = peer != NULL && !socket->no_send;
    bool listening = socket->state == UNIX_LISTENING;
    rt_unlock(&socket->lock);
    if (!listening && (!may_be_full || may_send(socket, peer, true)))
        events |= POLL_OUT;
    unix_put(peer);
    return events;
}

/* ---- Sockets in messages ---- */

/* A socket in a message that only the socket itself could receive would never be freed. So what is
 * sent may not lead, through messages that are queued, to where it is sent. */
static bool leads_to(struct unix_socket *from, const struct unix_socket *to, unsigned depth);

static bool rights_lead_to(const struct rights *rights, const struct unix_socket *to,
                           unsigned depth)
{
    for (unsigned i = 0; rights != NULL && i < rights->count; i++) {
        const struct file *file = rights->file[i];
        struct socket *socket = file->ops == &socket_file_ops ? file->data : NULL;
        if (socket != NULL && socket->family == AF_UNIX && leads_to(unix_of(socket), to, depth + 1))
            return true;
    }
    return false;
}

/* A socket that nothing was found behind is not looked at again in the same search, unless it is
 * nearer now: one socket may be in very many messages, at each depth. */
static bool leads_to(struct unix_socket *from, const struct unix_socket *to, unsigned depth)
{
    bool found = false;
    if (from == to || depth > CIRCLE_DEPTH)
        return true;
    if (from->search == searches && from->search_depth <= depth)
        return false;
    from->search = searches;
    from->search_depth = depth;
    rt_lock(&from->lock);
    LIST_FOR_EACH(link, &from->packets)
    {
        const struct packet *packet = CONTAINER_OF(link, struct packet, link);
        found = found || rights_lead_to(packet->control.rights, to, depth);
    }
    LIST_FOR_EACH(link, &from->pending)
    found = found || leads_to(CONTAINER_OF(link, struct unix_socket, in_pending), to, depth + 1);
    rt_unlock(&from->lock);
    return found;
}

static bool has_sockets(const struct rights *rights)
{
    for (unsigned i = 0; rights != NULL && i < rights->count; i++) {
        if (rights->file[i]->ops == &socket_file_ops)
            return true;
    }
    return false;
}

/* ---- Sending ---- */

static int may_reach(const struct unix_socket *socket, const struct unix_socket *there)
{
    bool datagram = socket->head.type == SOCK_DGRAM;
    if (there->state == UNIX_CLOSED)
        return datagram ? -ECONNREFUSED : -EPIPE;
    if (there->no_receive)
        return -EPIPE;
    if (datagram && there->peer != NULL && there->peer != socket)
        return -EPERM;
    return 0;
}

/* 0: it is there; -EAGAIN: there is no room. */
static int put(struct unix_socket *socket, struct unix_socket *there, struct packet *packet)
{
    rt_lock(&there->lock);
    int error = may_reach(socket, there);
    if (error == 0 && !unix_room(there, packet->size_bytes))
        error = -EAGAIN;
    if (error == 0) {
        list_push_back(&there->packets, &packet->link);
        there->bytes += packet->size_bytes;
        there->count++;
    }
    rt_unlock(&there->lock);
    if (error == 0)
        wait_queue_wake(&there->queue, POLL_IN);
    return error;
}

static int put_checked(struct unix_socket *socket, struct unix_socket *there, struct packet *packet)
{
    if (!has_sockets(packet->control.rights))
        return put(socket, there, packet);
    rt_lock(&flight_lock);
    searches++;
    int error = rights_lead_to(packet->control.rights, there, 0) ? -ETOOMANYREFS : 0;
    if (error == 0)
        error = put(socket, there, packet);
    rt_unlock(&flight_lock);
    return error;
}

static int put_or_wait(struct unix_socket *socket, struct unix_socket *there, struct packet *packet,
                       bool nonblocking)
{
    struct waiter waiter;
    int error;
    uint64_t deadline_ns = socket_deadline(socket->head.send_timeout_ns);
    waiter_init(&waiter, task_self());
    while ((error = put_checked(socket, there, packet)) == -EAGAIN) {
        error = unix_sleep(there, &waiter, nonblocking, deadline_ns);
        if (error != 0)
            break;
    }
    wait_queue_remove(&waiter);
    return error;
}

/* How much of a stream is sent at a time: what there is room for. */
static uint64_t piece_bytes(struct unix_socket *there)
{
    rt_lock(&there->lock);
    uint32_t room = there->bytes < SOCKET_BYTES ? SOCKET_BYTES - there->bytes : 0;
    rt_unlock(&there->lock);
    return room == 0 ? PACKET_BYTES : MIN(room, (uint32_t)PACKET_BYTES);
}

static int64_t send_pieces(struct unix_socket *socket, struct unix_socket *there,
                           struct message *message, bool nonblocking)
{
    bool stream = socket->head.type == SOCK_STREAM;
    int64_t done = 0;
    if (!stream && message->io->left > SOCKET_BYTES)
        return -EMSGSIZE;
    if (stream && message->io->left == 0)
        return 0;
    do {
        struct packet *packet = NULL;
        int error =
            packet_make(socket, message, stream ? piece_bytes(there) : SOCKET_BYTES, &packet);
        if (error == 0) {
            uint32_t size_bytes = packet->size_bytes;
            error = put_or_wait(socket, there, packet, nonblocking);
            if (error == 0)
                done += size_bytes;
            else
                packet_free(packet);
        }
        if (error != 0)
            return done > 0 ? done : error;
    } while (stream && message->io->left > 0);
    return done;
}

/* Who is sent to, counted. */
static int find_receiver(struct unix_socket *socket, const struct message *message,
                         struct unix_socket **there_out)
{
    bool named = message->address.size_bytes != 0;
    if (named && socket->head.type == SOCK_DGRAM) {
        int error = unix_find(&message->address, there_out);
        if (error == 0 && (*there_out)->head.type != SOCK_DGRAM) {
            unix_put(*there_out);
            error = -EPROTOTYPE;
        }
        return error;
    }
    rt_lock(&socket->lock);
    bool shut = socket->no_send;
    struct unix_socket *peer = socket->peer != NULL ? unix_get(socket->peer) : NULL;
    rt_unlock(&socket->lock);
    *there_out = peer;
    int error = 0;
    if (named && socket->head.type == SOCK_STREAM)
        error = peer != NULL ? -EISCONN : -EOPNOTSUPP;
    else if (shut)
        error = -EPIPE;
    else if (peer == NULL)
        error = -ENOTCONN;
    if (error != 0)
        unix_put(peer);
    return error;
}

int64_t unix_send(struct socket *head, struct message *message, bool nonblocking)
{
    struct unix_socket *socket = unix_of(head);
    struct unix_socket *there;
    if ((message->flags & MSG_OOB) != 0)
        return -EOPNOTSUPP;
    int64_t result = find_receiver(socket, message, &there);
    if (result == 0) {
        result = send_pieces(socket, there, message, nonblocking);
        unix_put(there);
    }
    if (result == -EPIPE && head->type != SOCK_DGRAM && (message->flags & MSG_NOSIGNAL) == 0)
        signal_send_self(SIGPIPE);
    return result;
}

/* ---- Receiving ---- */

/* The packet's control is the reader's, or (MSG_PEEK) a copy of it. */
static int take_control(struct packet *packet, struct message *message)
{
    struct control *control = &message->control;
    const struct rights *rights = packet->control.rights;
    bool peek = (message->flags & MSG_PEEK) != 0;
    *control = packet->control;
    control->has_credentials = true;
    if (rights == NULL)
        return 0;
    if (!peek) {
        packet->control.rights = NULL;
        return 0;
    }
    control->rights = heap_alloc(sizeof(*rights));
    if (control->rights == NULL)
        return -ENOMEM;
    *control->rights = *rights;
    for (unsigned i = 0; i < rights->count; i++)
        (void)file_get(rights->file[i]);
    return 0;
}

static void drop_first(struct unix_socket *socket, struct packet *packet, struct list *done)
{
    list_remove(&packet->link);
    list_push_back(done, &packet->link);
    socket->count--;
}

static bool same_sender(const struct packet *packet, const struct message *message)
{
    return memcmp(&packet->control.credentials, &message->control.credentials,
                  sizeof(packet->control.credentials)) == 0;
}

/* Bytes of a stream, across packets: up to the end of one that has rights or before it, or
 * (credentials are wanted) comes from another. What cannot be copied stays, with its rights. With
 * the lock. */
static int64_t take_stream(struct unix_socket *socket, struct message *message, struct list *freed,
                           bool more)
{
    bool peek = (message->flags & MSG_PEEK) != 0;
    int64_t done = 0;
    LIST_FOR_EACH_SAFE(link, &socket->packets)
    {
        struct packet *packet = CONTAINER_OF(link, struct packet, link);
        bool first = done == 0 && !more;
        if (message->io->left == 0 || (!first && packet->control.rights != NULL) ||
            (!first && socket->head.passes_credentials && !same_sender(packet, message)))
            break;
        bool rights = packet->control.rights != NULL;
        uint32_t part =
            (uint32_t)MIN(message->io->left, (uint64_t)packet->size_bytes - packet->taken);
        if (io_to_whole(message->io, packet->bytes + packet->taken, part) != 0)
            return done > 0 ? done : -EFAULT;
        if (first && take_control(packet, message) != 0)
            return -ENOMEM;
        done += part;
        if (peek && rights)
            break;
        if (peek)
            continue;
        packet->taken += part;
        socket->bytes -= part;
        if (packet->taken == packet->size_bytes)
            drop_first(socket, packet, freed);
        if (rights)
            break;
    }
    return done;
}

/* One message; what does not fit or cannot be copied is lost, and its rights with it. With the
 * lock. */
static int64_t take_message(struct unix_socket *socket, struct message *message, struct list *freed)
{
    struct packet *packet = CONTAINER_OF(socket->packets.next, struct packet, link);
    int64_t moved = (int64_t)MIN(message->io->left, (uint64_t)packet->size_bytes);
    if (take_control(packet, message) != 0)
        return -ENOMEM;
    if (packet->size_bytes > message->io->left)
        message->out_flags |= MSG_TRUNC;
    if (packet->from != NULL)
        message->address = packet->from->address;
    if (moved > 0 && io_to_whole(message->io, packet->bytes, (uint64_t)moved) != 0)
        moved = -EFAULT;
    if ((message->flags & MSG_PEEK) == 0) {
        socket->bytes -= packet->size_bytes;
        drop_first(socket, packet, freed);
    }
    if (moved >= 0 && (message->flags & MSG_TRUNC) != 0)
        moved = packet->size_bytes;
    return moved;
}

/* What there is now: -EAGAIN if nothing. */
static int64_t take(struct unix_socket *socket, struct message *message, bool more)
{
    struct list freed;
    int64_t result = -EAGAIN;
    bool stream = socket->head.type == SOCK_STREAM;
    list_init(&freed);
    rt_lock(&socket->lock);
    if (!list_empty(&socket->packets)) {
        result = stream ? take_stream(socket, message, &freed, more)
                        : take_message(socket, message, &freed);
    } else if (socket->error != 0) {
        result = -socket->error;
        socket->error = 0;
    } else if (socket->no_receive) {
        result = 0;
    } else if (socket->head.type != SOCK_DGRAM && socket->state != UNIX_CONNECTED) {
        result = stream ? -EINVAL : -ENOTCONN;
    }
    rt_unlock(&socket->lock);
    bool room = !list_empty(&freed) || (result > 0 && (message->flags & MSG_PEEK) == 0);
    packets_free(&freed);
    if (room) {
        wait_queue_wake(&socket->queue, POLL_OUT);
        unix_wake_senders(socket);
    }
    return result;
}

int64_t unix_receive(struct socket *head, struct message *message, bool nonblocking)
{
    struct unix_socket *socket = unix_of(head);
    struct waiter waiter;
    uint64_t deadline_ns = socket_deadline(head->receive_timeout_ns);
    bool all =
        (message->flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL && head->type == SOCK_STREAM;
    int64_t done = 0, result = 0;
    if ((message->flags & MSG_OOB) != 0)
        return -EOPNOTSUPP;
    if ((message->flags & MSG_ERRQUEUE) != 0)
        return -EAGAIN;
    if (head->type == SOCK_STREAM && message->io->left == 0)
        return 0;
    waiter_init(&waiter, task_self());
    for (;;) {
        result = take(socket, message, done > 0);
        done += result > 0 ? result : 0;
        bool again = result > 0 && all && message->io->left > 0 && message->control.rights == NULL;
        if (result != -EAGAIN && !again)
            break;
        if (result == -EAGAIN) {
            result = unix_sleep(socket, &waiter, nonblocking, deadline_ns);
            if (result != 0)
                break;
        }
    }
    wait_queue_remove(&waiter);
    return done > 0 ? done : result;
}

/* AF_UNIX, between its two files.
 *
 * A message is queued at the socket that will receive it. Who sends and finds no room waits on that
 * one's queue; who polls is put on its list of senders and is woken when there is some.
 *
 * Locking: socket->lock (`channel`), one socket's at a time, but for the search of rights for
 * circles (queue.c), which is alone in holding several. Nothing of another file's is called with
 * it. Inside: senders_lock for all lists of senders.
 */
#pragma once

#include <linux/socket.h>

struct unix_name {
    uint32_t references; /* atomic */
    struct socket_address address;
};

struct packet {
    struct list link;
    uint32_t size_bytes, taken;
    struct control control;
    struct unix_name *from; /* counted; NULL: it has no name */
    uint8_t bytes[];
};

enum unix_state { UNIX_NEW, UNIX_CONNECTING, UNIX_CONNECTED, UNIX_LISTENING, UNIX_CLOSED };

struct unix_socket {
    struct socket head;  /* first */
    uint32_t references; /* atomic: its file, peers, names, queues that it is in */
    struct rt_lock lock;
    enum unix_state state;
    bool no_receive, no_send;                         /* shutdown, or the peer's end */
    int32_t error;                                    /* of the peer's end: positive */
    struct unix_socket *peer;                         /* counted */
    struct unix_name *name;                           /* counted */
    struct linux_ucred peer_credentials, credentials; /* credentials: of who listens */
    struct list packets;
    uint32_t bytes, count;  /* that are queued */
    struct list senders;    /* who polls for room here; senders_lock */
    struct list in_senders; /* on another's; senders_lock */
    struct list pending;    /* connections that nobody accepted yet: in_pending */
    struct list in_pending; /* under the listener's lock */
    unsigned pending_count, backlog;
    uint64_t search;         /* the last search for circles that came here, and how deep */
    unsigned search_depth;   /* it was then: both belong to the search (queue.c) */
    struct list in_abstract; /* names that are no paths */
    struct wait_queue queue; /* all who wait for it */
};

static inline struct unix_socket *unix_of(struct socket *socket)
{
    return (struct unix_socket *)socket;
}

struct unix_socket *unix_get(struct unix_socket *socket);
void unix_put(struct unix_socket *socket);
/* The peer, counted, or NULL. */
struct unix_socket *unix_peer(struct unix_socket *socket);
/* Who that address is, counted: -ECONNREFUSED, or as path_find. */
int unix_find(const struct socket_address *address, struct unix_socket **socket_out);
void unix_name_put(struct unix_name *name);
/* Wait for a change there: 0, -EAGAIN (also at the deadline), -ERESTARTSYS. First it only begins to
 * wait, so look again. */
int unix_sleep(struct unix_socket *there, struct waiter *waiter, bool nonblocking,
               uint64_t deadline_ns);
void packet_free(struct packet *packet);
/* Is there room for that many bytes, or for a message of some? With the lock of `there`. */
bool unix_room(const struct unix_socket *there, uint32_t size_bytes);
void unix_wake_senders(struct unix_socket *there);
void unix_stop_polling(struct unix_socket *socket);
uint32_t unix_poll(struct socket *head, struct poller *poller);
int64_t unix_send(struct socket *head, struct message *message, bool nonblocking);
int64_t unix_receive(struct socket *head, struct message *message, bool nonblocking);
/* All that is queued, for who frees it without the lock. */
void unix_take_packets(struct unix_socket *socket, struct list *to);
void packets_free(struct list *packets);

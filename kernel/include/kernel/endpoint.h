/* An endpoint: where callers and servers meet.
 *
 * Nothing is stored in it: a message stays in its sender's registers until a receiver is there.
 * Senders wait by priority, in order of arrival within each; receivers in order of arrival. Only
 * one of the two queues is ever populated.
 *
 * Each thread that waits, and each caller whose call is being served, is in `uses` of the
 * capability that it came through, so whatever removes that capability ends the wait.
 *
 * Locking: [L] under lock   [N] the notification's lock
 */
#pragma once

#include <kernel/notification.h>

struct endpoint {
    struct object object; /* first */
    struct spinlock lock;
    uint64_t dead;               /* [L] not 0: nobody waits here any more */
    bool senders_turn;           /* [L] bits came last: neither they nor senders starve the other */
    struct tree senders;         /* [L] of thread.ipc.node */
    struct list receivers;       /* [L] of thread.ipc.queue */
    uint64_t signalled;          /* [L] bits from the notification that no receiver has taken yet */
    struct signal_target source; /* the notification whose bits come here */
};

/* The caller gets the reference. ERR_NO_MEMORY; ERR_LIMIT, ERR_DEAD: the payer's. */
enum status endpoint_create(struct budget *payer, struct object **object_out);
/* Bits of `notification` that are in `mask` go to receivers on the endpoint from now on; another
 * notification's no more. ERR_BUSY: the notification is bound to another endpoint. ERR_DEAD.
 */
enum status endpoint_bind(struct endpoint *endpoint, struct notification *notification,
                          uint64_t mask);
/* From the notification, with its lock held: bits that nobody has taken. */
void endpoint_signal(struct endpoint *endpoint, uint64_t bits);

OBJECT_TYPE(endpoint);

/* A notification: 64 sticky bits. Signalling sets bits and never blocks; waiting takes those that
 * are wanted. Interrupts, timers, deaths and limits arrive here.
 *
 * Bits go, in this order, to threads that wait for them, to the endpoint that is bound to them, and
 * else stay until somebody takes them.
 *
 * Locking:  [L] under lock   [O] the object's lock   [C] constant   [A] atomic
 */
#pragma once

#include <kernel/budget.h>
#include <kernel/signal_target.h>
#include <kernel/timer.h>

struct capability;
struct endpoint;

enum { NOTIFICATION_WAITERS_MAX = 16 };

struct notification {
    struct object object; /* first */
    struct spinlock lock;
    bool dead;                 /* [L] */
    uint32_t waiter_count;     /* [L] */
    uint64_t bits;             /* [L] signalled, and not yet taken */
    struct list waiters;       /* [L] of thread.ipc.queue, in order of arrival */
    struct list targets;       /* [L] of signal_target.node: what signals it */
    struct endpoint *endpoint; /* [L] bound to it; its bits are those of endpoint->source */
    struct timer timer;        /* [O] started and stopped */
    uint64_t timer_bits;       /* [A] */
};

/* The caller gets the reference. ERR_NO_MEMORY; ERR_LIMIT, ERR_DEAD: the payer's. */
enum status notification_create(struct budget *payer, struct object **object_out);
/* Any context, any CPU, with locks below RANK_NOTIFICATION held. */
void notification_signal(struct notification *notification, uint64_t bits);
/* The running thread takes bits of `mask`, or waits for them, through a capability of it: its frame
 * has the result when it goes on. ERR_TIMED_OUT, ERR_BUSY (NOTIFICATION_WAITERS_MAX wait),
 * ERR_DEAD, ERR_CANCELLED (the capability went).
 */
void notification_wait_current(struct capability *capability, uint64_t mask, uint64_t deadline_ns);
/* One timer for each notification: set again, it forgets what it was set to. DEADLINE_NEVER: off.
 * ERR_DEAD.
 */
enum status notification_timer(struct notification *notification, uint64_t bits,
                               uint64_t deadline_ns);

OBJECT_TYPE(notification);

/* What the files of this folder share. */
#pragma once

#include <ipc.h>
#include <kernel/cspace.h>
#include <kernel/endpoint.h>
#include <kernel/panic.h>
#include <kernel/reply.h>
#include <kernel/sched.h>

/* What reply->thread is when the Reply is gone. */
#define REPLY_DEAD ((struct thread *)1)

/* The deadline has passed. */
static inline bool ipc_late(uint64_t deadline_ns)
{
    return UNLIKELY(deadline_ns != DEADLINE_NEVER) && clock_now_ns() >= deadline_ns;
}

/* The rest with the lock held where the thread waits.
 *
 * It waits at `on`, beside wait_begin and a place in a queue.
 */
static inline void ipc_enter(struct thread *thread, struct object *on, enum ipc_state state)
{
    thread->ipc.state = (uint8_t)state;
    thread->ipc.aborted = OK;
    __atomic_store_n(&thread->ipc.on, on, __ATOMIC_RELEASE);
}
/* The lock that guards the waits at an endpoint or a notification. */
struct spinlock *ipc_lock_of(struct object *on);
/* It does not any more, beside wait_end and that place. */
static inline void ipc_leave(struct thread *thread)
{
    DEBUG_ASSERT(spinlock_held(ipc_lock_of(thread->ipc.on)));
    __atomic_store_n(&thread->ipc.on, NULL, __ATOMIC_RELEASE);
}
/* The Reply of the receiver is bound to the caller, which waits for the answer from here on. */
static inline void ipc_bind(struct endpoint *endpoint, struct thread *receiver,
                            struct thread *caller) REQUIRES(endpoint->lock)
{
    struct reply *reply = receiver->ipc.reply;

    receiver->ipc.reply = NULL;
    ipc_enter(caller, &endpoint->object, IPC_ANSWER);
    caller->ipc.reply = reply;
    __atomic_store_n(&reply->thread, caller, __ATOMIC_RELEASE);
}

/* The wait is over with a status and nothing else: ipc_leave and wait_end. */
void ipc_finish(struct thread *thread, enum status status);
/* What wait.cancel is in these waits. */
wait_cancel ipc_cancel;

/* Not linked any more; no lock held. */
void ipc_use_release(struct ipc_use *use);
/* Before and with the object's lock held: the running thread comes through `capability`, and when
 * that goes, so does the wait. ERR_CANCELLED: it is gone.
 */
static inline void ipc_use_prepare(struct ipc_use *use, const struct capability *capability)
{
    if (READ_ONCE(use->capability) != capability)
        ipc_use_release(use);
}

static inline enum status ipc_use_enter(struct ipc_use *use, struct capability *capability)
{
    if (UNLIKELY(READ_ONCE(capability->state) == CAPABILITY_DYING))
        return ERR_CANCELLED;
    if (UNLIKELY(use->capability != capability)) {
        DEBUG_ASSERT(use->capability == NULL);
        list_push_back(&capability->uses, &use->node);
        use->capability = capability;
    }
    return OK;
}
/* What endpoints and notifications do in their detach. */
enum status ipc_detach(struct object *object, struct capability *capability, struct work *work);

/* What of the sender's info is the receiver's too. */
#define IPC_DELIVERED                                                                              \
    (UINT64_C(0xffffffff) | UINT64_C(15) << IPC_INFO_WORDS | UINT64_C(7) << IPC_INFO_CAPABILITIES)

static inline void ipc_deliver(struct thread *to, const struct thread *from, uint64_t info,
                               uint64_t flags, uint64_t badge)
{
    if (ipc_info_words(info) != 0)
        arch_frame_message_copy(&to->frame, &from->frame, ipc_info_words(info));
    arch_frame_message_return(&to->frame, OK, (info & IPC_DELIVERED) | flags, badge);
}

/* Out of its queue, and finished with `status`; if it is busy, told so. */
void endpoint_abort(struct endpoint *endpoint, struct thread *thread, enum status status)
    REQUIRES(endpoint->lock);
void notification_abort(struct notification *notification, struct thread *thread,
                        enum status status) REQUIRES(notification->lock);

#ifdef CONFIG_DEBUG
/* How often the short way was taken to its end. */
enum { IPC_FAST_CALL, IPC_FAST_ANSWER, IPC_FAST_WAYS };
extern uint64_t ipc_fast_count[IPC_FAST_WAYS]; /* [A] */
#endif

/* ---- Queues of an endpoint, and Replies (endpoint.c) ---- */

void endpoint_queue_sender(struct endpoint *endpoint, struct thread *thread)
    REQUIRES(endpoint->lock);
/* The one whose turn it is, out of the queue; NULL if nobody sends. */
struct thread *endpoint_next_sender(struct endpoint *endpoint) REQUIRES(endpoint->lock);
/* Bits of the bound notification, if there are any, as what `current` receives. */
bool endpoint_take_bits(struct endpoint *endpoint, struct thread *current) REQUIRES(endpoint->lock);

/* The receiver or caller that the Reply is with, and its endpoint locked; NULL, and nothing locked,
 * if it is free or gone. */
struct thread *reply_lock_thread(struct reply *reply, struct endpoint **endpoint_out);
/* For the running thread, which has the lock of the endpoint that it receives from. ERR_BUSY,
 * ERR_DEAD. */
enum status reply_reserve(struct reply *reply, struct thread *current);
/* Free, if `thread` still has one. */
void reply_release(struct thread *thread);

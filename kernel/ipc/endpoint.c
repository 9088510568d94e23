/* Endpoints and Replies: queues, and how they end. What passes through them is message.c's. */
#include "ipc_impl.h"
#include <ipc.h>
#include <kernel/panic.h>
#include <kernel/slab.h>

static struct slab_cache endpoint_cache = SLAB_CACHE_INIT("endpoint", struct endpoint);
static struct slab_cache reply_cache = SLAB_CACHE_INIT("reply", struct reply);

/* ---- Queues ---- */

static struct thread *sender_of(struct tree_node *node)
{
    return CONTAINER_OF(node, struct thread, ipc.node);
}

static bool sends_before(const struct tree_node *a, const struct tree_node *b)
{
    return CONTAINER_OF(a, const struct thread, ipc.node)->ipc.priority >
           CONTAINER_OF(b, const struct thread, ipc.node)->ipc.priority;
}

void endpoint_queue_sender(struct endpoint *endpoint, struct thread *thread)
{
    thread->ipc.priority = thread->priority;
    tree_insert(&endpoint->senders, &thread->ipc.node, sends_before);
}

struct thread *endpoint_next_sender(struct endpoint *endpoint)
{
    struct tree_node *first = tree_first(&endpoint->senders);

    if (first == NULL)
        return NULL;
    tree_remove(&endpoint->senders, first);
    return sender_of(first);
}

void reply_release(struct thread *thread)
{
    struct reply *reply = thread->ipc.reply;

    thread->ipc.reply = NULL;
    if (reply != NULL)
        __atomic_store_n(&reply->thread, NULL, __ATOMIC_RELEASE);
}

/* A busy thread is in no queue: whoever is at work on it sees what it is told. */
void endpoint_abort(struct endpoint *endpoint, struct thread *thread, enum status status)
{
    struct ipc_wait *wait = &thread->ipc;

    if ((wait->state & IPC_BUSY) != 0) {
        if (wait->aborted == OK)
            wait->aborted = (uint8_t)status;
        return;
    }
    if (wait->state == IPC_RECEIVE)
        list_remove(&thread->wait.node);
    else if (wait->state != IPC_ANSWER)
        tree_remove(&endpoint->senders, &wait->node);
    reply_release(thread);
    ipc_finish(thread, status);
}

/* ---- Signals ---- */

static void deliver_bits(struct thread *thread, uint64_t bits)
{
    struct trap_frame *frame = &thread->frame;

    arch_frame_message_return(frame, OK, IPC_INFO_SIGNAL | ipc_info(0, 1), 0);
    *arch_frame_message_word(frame, 0) = bits;
}

void endpoint_signal(struct endpoint *endpoint, uint64_t bits)
{
    spinlock_acquire(&endpoint->lock);
    struct list *node = list_pop_front(&endpoint->receivers);
    if (node == NULL) {
        endpoint->signalled |= bits;
    } else {
        struct thread *thread = CONTAINER_OF(node, struct thread, wait.node);
        reply_release(thread);
        ipc_leave(thread);
        deliver_bits(thread, bits);
        wait_end(thread);
    }
    spinlock_release(&endpoint->lock);
}

bool endpoint_take_bits(struct endpoint *endpoint, struct thread *current)
{
    if (LIKELY(endpoint->signalled == 0))
        return false;
    if (endpoint->senders_turn && !tree_empty(&endpoint->senders))
        return false;
    endpoint->senders_turn = true;
    deliver_bits(current, endpoint->signalled);
    endpoint->signalled = 0;
    reply_release(current);
    return true;
}

/* ---- Life of an endpoint ---- */

static enum status retire_locked(struct endpoint *endpoint, struct work *work)
    REQUIRES(endpoint->lock)
{
    endpoint->dead = true;
    for (; !list_empty(&endpoint->receivers) || !tree_empty(&endpoint->senders); work_spend(work)) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        struct thread *thread =
            tree_empty(&endpoint->senders)
                ? CONTAINER_OF(endpoint->receivers.next, struct thread, wait.node)
                : sender_of(tree_first(&endpoint->senders));
        endpoint_abort(endpoint, thread, ERR_DEAD);
    }
    return OK;
}

static enum status endpoint_retire(struct object *object, enum object_end why, struct work *work)
{
    struct endpoint *endpoint = object_as_endpoint(object);

    (void)why;
    signal_target_clear(&endpoint->source);
    spinlock_acquire(&endpoint->lock);
    enum status status = retire_locked(endpoint, work);
    spinlock_release(&endpoint->lock);
    return status;
}

static void endpoint_destroy(struct object *object)
{
    struct endpoint *endpoint = object_as_endpoint(object);

    signal_target_clear(&endpoint->source);
    ASSERT(list_empty(&endpoint->receivers) && tree_empty(&endpoint->senders));
}

/* Rights only shrink, so with the last capability to receive everybody else calls in vain. */
static enum status endpoint_detach(struct object *object, struct capability *capability,
                                   struct work *work)
{
    enum status status = ipc_detach(object, capability, work);

    if (status != OK || object->minter_count > 0)
        return status;
    return endpoint_retire(object, OBJECT_ORPHANED, work);
}

static const struct object_ops endpoint_ops = { .type = OBJECT_ENDPOINT,
                                                .cache = &endpoint_cache,
                                                .detach = endpoint_detach,
                                                .retire = endpoint_retire,
                                                .destroy = endpoint_destroy,
                                                .badge_rights = RIGHT_ENDPOINT_RECEIVE };

enum status endpoint_create(struct budget *payer, struct object **object_out)
{
    struct endpoint *endpoint;
    enum status status = object_alloc(&endpoint_ops, payer, &endpoint);

    if (status != OK)
        return status;
    spinlock_init(&endpoint->lock, RANK_ENDPOINT);
    tree_init(&endpoint->senders);
    list_init(&endpoint->receivers);
    return object_publish(&endpoint->object, object_out);
}

/* ---- Replies ---- */

struct thread *reply_lock_thread(struct reply *reply,
                                 struct endpoint **endpoint_out) NO_LOCK_ANALYSIS
{
    for (;;) {
        struct thread *thread = __atomic_load_n(&reply->thread, __ATOMIC_ACQUIRE);
        if (thread == NULL || thread == REPLY_DEAD)
            return NULL;
        struct object *on = __atomic_load_n(&thread->ipc.on, __ATOMIC_ACQUIRE);
        if (on == NULL || on->type != OBJECT_ENDPOINT)
            continue; /* that wait has just ended, and the Reply is no longer this thread's */
        struct endpoint *endpoint = object_as_endpoint(on);
        spinlock_acquire(&endpoint->lock);
        if (__atomic_load_n(&reply->thread, __ATOMIC_RELAXED) == thread && thread->ipc.on == on) {
            *endpoint_out = endpoint;
            return thread;
        }
        spinlock_release(&endpoint->lock);
    }
}

enum status reply_reserve(struct reply *reply, struct thread *current)
{
    struct thread *expected = NULL;

    if (LIKELY(__atomic_compare_exchange_n(&reply->thread, &expected, current, false,
                                           __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))) {
        current->ipc.reply = reply;
        return OK;
    }
    return expected == REPLY_DEAD ? ERR_DEAD : ERR_BUSY;
}

/* A thread that is busy now finds out when it looks whether it still has a Reply. */
static enum status reply_retire(struct object *object, enum object_end why,
                                struct work *work) NO_LOCK_ANALYSIS
{
    struct reply *reply = object_as_reply(object);
    struct endpoint *endpoint;

    (void)why;
    (void)work;
    struct thread *thread = NULL;
    while (!__atomic_compare_exchange_n(&reply->thread, &thread, REPLY_DEAD, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) &&
           thread != REPLY_DEAD) {
        thread = reply_lock_thread(reply, &endpoint);
        if (thread != NULL) {
            thread->ipc.reply = NULL;
            __atomic_store_n(&reply->thread, REPLY_DEAD, __ATOMIC_RELEASE);
            endpoint_abort(endpoint, thread, ERR_DEAD);
            spinlock_release(&endpoint->lock);
        }
        thread = NULL;
    }
    return OK;
}

static const struct object_ops reply_ops = { .type = OBJECT_REPLY,
                                             .cache = &reply_cache,
                                             .retire = reply_retire };

enum status reply_create(struct budget *payer, struct object **object_out)
{
    struct object *object;
    enum status status = object_alloc(&reply_ops, payer, &object);

    return status == OK ? object_publish(object, object_out) : status;
}

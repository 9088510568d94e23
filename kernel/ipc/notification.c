/* Notifications: bits, who waits for them, what signals them. */
#include "ipc_impl.h"
#include <kernel/slab.h>
#include <kernel/thread.h>

static struct slab_cache notification_cache = SLAB_CACHE_INIT("notification", struct notification);

static struct thread *waiter_of(struct list *node)
{
    return CONTAINER_OF(node, struct thread, wait.node);
}

/* ---- Bits ---- */

static void waiter_remove(struct notification *notification, struct thread *thread)
    REQUIRES(notification->lock)
{
    list_remove(&thread->wait.node);
    notification->waiter_count--;
}

static void serve_waiters(struct notification *notification) REQUIRES(notification->lock)
{
    LIST_FOR_EACH_SAFE(node, &notification->waiters)
    {
        struct thread *thread = waiter_of(node);
        uint64_t taken = notification->bits & thread->wait.key;
        if (taken == 0)
            continue;
        notification->bits &= ~taken;
        waiter_remove(notification, thread);
        ipc_leave(thread);
        arch_frame_syscall_return(&thread->frame, OK, taken);
        wait_end(thread);
    }
}

void notification_signal(struct notification *notification, uint64_t bits)
{
    spinlock_acquire(&notification->lock);
    if (LIKELY(!notification->dead)) {
        notification->bits |= bits;
        serve_waiters(notification);
        struct endpoint *endpoint = notification->endpoint;
        if (endpoint != NULL) {
            uint64_t bound = notification->bits & endpoint->source.bits;
            notification->bits &= ~bound;
            if (bound != 0)
                endpoint_signal(endpoint, bound);
        }
    }
    spinlock_release(&notification->lock);
}

/* What can be said at once; ERR_WOULD_BLOCK: it would have to wait. */
static enum status take(struct notification *notification, uint64_t mask, uint64_t *taken_out)
    REQUIRES(notification->lock)
{
    uint64_t taken = notification->bits & mask;

    *taken_out = taken;
    if (UNLIKELY(notification->dead))
        return ERR_DEAD;
    if (taken == 0)
        return notification->waiter_count < NOTIFICATION_WAITERS_MAX ? ERR_WOULD_BLOCK : ERR_BUSY;
    notification->bits &= ~taken;
    return OK;
}

/* False: it is to die. */
static bool wait_for_bits(struct notification *notification, struct thread *current, uint64_t mask,
                          uint64_t deadline_ns) REQUIRES(notification->lock)
{
    if (!wait_begin(ipc_cancel, deadline_ns))
        return false;
    current->wait.key = mask;
    list_push_back(&notification->waiters, &current->wait.node);
    notification->waiter_count++;
    ipc_enter(current, &notification->object, IPC_SIGNAL);
    return true;
}

void notification_wait_current(struct capability *capability, uint64_t mask, uint64_t deadline_ns)
{
    struct notification *notification = object_as_notification(capability->object);
    struct thread *current = cpu_self()->current;
    struct ipc_use *use = &current->ipc.use[IPC_RECEIVER];
    uint64_t taken = 0;
    bool waits = false;

    ipc_use_prepare(use, capability);
    spinlock_acquire(&notification->lock);
    enum status status = ipc_use_enter(use, capability);
    if (status == OK)
        status = take(notification, mask, &taken);
    if (status == ERR_WOULD_BLOCK && ipc_late(deadline_ns))
        status = ERR_TIMED_OUT;
    if (status == ERR_WOULD_BLOCK)
        waits = wait_for_bits(notification, current, mask, deadline_ns);
    else
        arch_frame_syscall_return(&current->frame, (uint64_t)status, taken);
    spinlock_release(&notification->lock);
    if (waits)
        wait_arm();
}

void notification_abort(struct notification *notification, struct thread *thread,
                        enum status status)
{
    waiter_remove(notification, thread);
    ipc_finish(thread, status);
}

/* ---- What signals it ---- */

static void target_unlink(struct signal_target *target)
{
    list_remove(&target->node);
    __atomic_store_n(&target->notification, NULL, __ATOMIC_RELEASE);
}

void signal_target_clear(struct signal_target *target)
{
    for (;;) {
        struct notification *from = __atomic_load_n(&target->notification, __ATOMIC_ACQUIRE);
        if (from == NULL)
            return;
        spinlock_acquire(&from->lock);
        if (target->notification == from) {
            if (from->endpoint != NULL && target == &from->endpoint->source)
                from->endpoint = NULL;
            target_unlink(target);
        }
        spinlock_release(&from->lock);
    }
}

static void target_link(struct signal_target *target, struct notification *notification,
                        uint64_t bits) REQUIRES(notification->lock)
{
    __atomic_store_n(&target->bits, bits, __ATOMIC_RELAXED);
    list_push_back(&notification->targets, &target->node);
    __atomic_store_n(&target->notification, notification, __ATOMIC_RELEASE);
}

enum status signal_target_bind(struct signal_target *target, struct notification *notification,
                               uint64_t bits)
{
    signal_target_clear(target);
    spinlock_acquire(&notification->lock);
    bool dead = notification->dead;
    if (!dead)
        target_link(target, notification, bits);
    spinlock_release(&notification->lock);
    return dead ? ERR_DEAD : OK;
}

void signal_target_fire(struct signal_target *target)
{
    struct notification *notification = __atomic_load_n(&target->notification, __ATOMIC_ACQUIRE);

    if (notification != NULL)
        notification_signal(notification, __atomic_load_n(&target->bits, __ATOMIC_RELAXED));
}

enum status endpoint_bind(struct endpoint *endpoint, struct notification *notification,
                          uint64_t mask)
{
    enum status status = OK;

    signal_target_clear(&endpoint->source);
    spinlock_acquire(&notification->lock);
    if (notification->dead)
        status = ERR_DEAD;
    else if (notification->endpoint != NULL)
        status = ERR_BUSY;
    if (status == OK) {
        target_link(&endpoint->source, notification, mask);
        notification->endpoint = endpoint;
    }
    spinlock_release(&notification->lock);
    notification_signal(notification, 0); /* what is there already goes its way */
    return status;
}

/* ---- The timer ---- */

static void timer_fired(struct timer *timer)
{
    struct notification *notification = CONTAINER_OF(timer, struct notification, timer);

    notification_signal(notification, __atomic_load_n(&notification->timer_bits, __ATOMIC_RELAXED));
}

/* The object's lock keeps two of these apart, and a callback takes only the inner one. */
enum status notification_timer(struct notification *notification, uint64_t bits,
                               uint64_t deadline_ns)
{
    enum status status = OK;

    spinlock_acquire(&notification->object.lock);
    (void)timer_cancel(&notification->timer);
    if (READ_ONCE(notification->dead)) {
        status = ERR_DEAD;
    } else if (deadline_ns != DEADLINE_NEVER) {
        __atomic_store_n(&notification->timer_bits, bits, __ATOMIC_RELAXED);
        timer_start(&notification->timer, deadline_ns);
    }
    spinlock_release(&notification->object.lock);
    return status;
}

/* ---- Life ---- */

static enum status retire_locked(struct notification *notification, struct work *work)
    REQUIRES(notification->lock)
{
    notification->dead = true;
    notification->endpoint = NULL;
    while (!list_empty(&notification->waiters))
        notification_abort(notification, waiter_of(notification->waiters.next), ERR_DEAD);
    for (; !list_empty(&notification->targets); work_spend(work)) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        target_unlink(CONTAINER_OF(notification->targets.next, struct signal_target, node));
    }
    return OK;
}

static enum status notification_retire(struct object *object, enum object_end why,
                                       struct work *work)
{
    struct notification *notification = object_as_notification(object);

    (void)why;
    spinlock_acquire(&notification->lock);
    enum status status = retire_locked(notification, work);
    spinlock_release(&notification->lock);
    spinlock_acquire(&object->lock);
    (void)timer_cancel(&notification->timer);
    spinlock_release(&object->lock);
    return status;
}

static void notification_destroy(struct object *object)
{
    (void)notification_retire(object, OBJECT_ORPHANED, &(struct work){ .left = UINT32_MAX });
}

static const struct object_ops notification_ops = { .type = OBJECT_NOTIFICATION,
                                                    .cache = &notification_cache,
                                                    .detach = ipc_detach,
                                                    .retire = notification_retire,
                                                    .destroy = notification_destroy,
                                                    .badge_rights = RIGHT_NOTIFICATION_WAIT };

enum status notification_create(struct budget *payer, struct object **object_out)
{
    struct notification *notification;
    enum status status = object_alloc(&notification_ops, payer, &notification);

    if (status != OK)
        return status;
    spinlock_init(&notification->lock, RANK_NOTIFICATION);
    list_init(&notification->waiters);
    list_init(&notification->targets);
    timer_init(&notification->timer, timer_fired);
    return object_publish(&notification->object, object_out);
}

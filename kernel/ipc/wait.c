/* Waiting in IPC: beginning, ending, and being ended by others. */
#include "ipc_impl.h"
#include <kernel/panic.h>

/* Of those that have no table: what they know is never of it. */
static const uint64_t no_removals;

void ipc_thread_init(struct thread *thread)
{
    struct ipc_wait *wait = &thread->ipc;

    tree_node_init(&wait->node);
    wait->removals = &no_removals;
    for (unsigned i = 0; i < IPC_ROLES; i++) {
        list_init(&wait->use[i].node);
        wait->use[i].thread = thread;
    }
    for (unsigned i = 0; i < IPC_HANDLES; i++)
        wait->known[i].removals = UINT64_MAX; /* nothing */
}

void ipc_finish(struct thread *thread, enum status status)
{
    ipc_leave(thread);
    arch_frame_syscall_return(&thread->frame, (uint64_t)status, 0);
    wait_end(thread);
}

/* ---- Being ended ---- */

struct spinlock *ipc_lock_of(struct object *on)
{
    return on->type == OBJECT_ENDPOINT ? &object_as_endpoint(on)->lock
                                       : &object_as_notification(on)->lock;
}

static void abort_locked(struct object *on, struct thread *thread,
                         enum status status) NO_LOCK_ANALYSIS
{
    if (on->type == OBJECT_ENDPOINT)
        endpoint_abort(object_as_endpoint(on), thread, status);
    else
        notification_abort(object_as_notification(on), thread, status);
}

void ipc_cancel(struct thread *thread, enum status why) NO_LOCK_ANALYSIS
{
    for (;;) {
        struct object *on = __atomic_load_n(&thread->ipc.on, __ATOMIC_ACQUIRE);
        if (on == NULL)
            return;
        spinlock_acquire(ipc_lock_of(on));
        bool found = __atomic_load_n(&thread->ipc.on, __ATOMIC_RELAXED) == on;
        if (found && thread->wait.cancel == ipc_cancel && wait_may_end(thread, why))
            abort_locked(on, thread, why);
        spinlock_release(ipc_lock_of(on));
        if (found)
            return;
    }
}

/* ---- Through which capability ---- */

static void unlink_use(struct ipc_use *use)
{
    list_remove(&use->node);
    WRITE_ONCE(use->capability, NULL);
}

/* The capability is there as long as the link is, and afterwards until the kernel exit. */
void ipc_use_release(struct ipc_use *use) NO_LOCK_ANALYSIS
{
    const struct capability *capability = READ_ONCE(use->capability);

    if (capability == NULL)
        return;
    spinlock_acquire(ipc_lock_of(capability->object));
    if (use->capability == capability)
        unlink_use(use);
    spinlock_release(ipc_lock_of(capability->object));
}

/* A thread that waits here does so as sender or as receiver, and through the one that it has linked
 * in that role. */
static bool waits_through(const struct ipc_use *use, const struct object *object)
{
    const struct ipc_wait *wait = &use->thread->ipc;
    bool receives = wait->state == IPC_RECEIVE || wait->state == IPC_SIGNAL;

    return wait->on == object && use == &wait->use[receives ? IPC_RECEIVER : IPC_SENDER];
}

enum status ipc_detach(struct object *object, struct capability *capability,
                       struct work *work) NO_LOCK_ANALYSIS
{
    enum status status = OK;

    spinlock_acquire(ipc_lock_of(object));
    while (!list_empty(&capability->uses) && status == OK) {
        struct ipc_use *use = CONTAINER_OF(capability->uses.next, struct ipc_use, node);
        if (work->left == 0) {
            status = ERR_WOULD_BLOCK;
        } else {
            unlink_use(use);
            if (waits_through(use, object))
                abort_locked(object, use->thread, object->ended ? ERR_DEAD : ERR_CANCELLED);
            work_spend(work);
        }
    }
    spinlock_release(ipc_lock_of(object));
    return status;
}

void ipc_thread_fini(struct thread *thread)
{
    DEBUG_ASSERT(thread->ipc.on == NULL);
    for (unsigned i = 0; i < IPC_ROLES; i++)
        ipc_use_release(&thread->ipc.use[i]);
}

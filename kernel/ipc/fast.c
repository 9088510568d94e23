/* The short way of a call and of its answer: the handlers of the two system calls.
 *
 * Everything is looked at before anything is changed, and what does not suit goes the ordinary way
 * (message.c), which decides by itself. docs/architecture/ipc.md lists the conditions.
 *
 * Handles are not looked up each time. A thread remembers what they named and how many removals its
 * table had seen before: while that is the same, nothing has left the table. The count grows after
 * a slot was emptied, and what lay in it outlives the kernel exit of everybody who saw the old
 * count.
 */
#include "ipc_impl.h"
#include <kernel/process.h>
#include <kernel/switch.h>
#include <kernel/syscall.h>

static const struct {
    enum object_type type;
    uint32_t rights;
} wanted[IPC_HANDLES] = {
    [IPC_SEND_TO] = { OBJECT_ENDPOINT, RIGHT_ENDPOINT_SEND },
    [IPC_RECEIVE_FROM] = { OBJECT_ENDPOINT, RIGHT_ENDPOINT_RECEIVE },
    [IPC_ANSWER_BY] = { OBJECT_REPLY, 0 },
};

static NOINLINE bool look_up(struct thread *current, enum ipc_handle what)
{
    static const unsigned argument[IPC_HANDLES] = { [IPC_ANSWER_BY] = 3 };
    const struct cspace *cspace = &current->process->cspace;
    struct ipc_known *known = &current->ipc.known[what];
    uint64_t handle = arch_frame_syscall_argument(&current->frame, argument[what]);
    uint64_t removals = __atomic_load_n(&cspace->removals, __ATOMIC_ACQUIRE);
    struct capability_ref ref;

    if (cspace_borrow(cspace, handle, wanted[what].type, wanted[what].rights, &ref) != OK)
        return false;
    *known = (struct ipc_known){ handle, removals, ref.capability };
    return true;
}

/* False: a test's thread, which has no table. */
static ALWAYS_INLINE bool removals_of(const struct thread *current, uint64_t *removals_out)
{
    const struct process *process = current->process;

    if (UNLIKELY(process == NULL))
        return false;
    *removals_out = __atomic_load_n(&process->cspace.removals, __ATOMIC_ACQUIRE);
    return true;
}

/* Afterwards known[what] is good until the kernel exit. */
static ALWAYS_INLINE bool know(struct thread *current, enum ipc_handle what, uint64_t handle,
                               uint64_t removals)
{
    const struct ipc_known *known = &current->ipc.known[what];

    return LIKELY(known->handle == handle && known->removals == removals) || look_up(current, what);
}

static ALWAYS_INLINE bool is_simple(const struct thread *current, uint64_t info)
{
    return IPC_IS_PLAIN(info) && LIKELY(ipc_info_words(info) <= IPC_WORDS) &&
           LIKELY(arch_frame_syscall_argument(&current->frame, 2) == DEADLINE_NEVER);
}

/* The link from an earlier call is there still, so it goes with the capability. */
static ALWAYS_INLINE bool is_linked(const struct thread *current, enum ipc_role role,
                                    const struct capability *capability)
{
    return LIKELY(current->ipc.use[role].capability == capability);
}

static ALWAYS_INLINE bool call(struct cpu *cpu, struct thread *current,
                               uint64_t info) NO_LOCK_ANALYSIS
{
    struct capability *capability = current->ipc.known[IPC_SEND_TO].capability;
    struct endpoint *endpoint = object_as_endpoint(capability->object);

    spinlock_acquire(&endpoint->lock);
    struct thread *server = CONTAINER_OF(endpoint->receivers.next, struct thread, wait.node);
    if (UNLIKELY(list_empty(&endpoint->receivers) || endpoint->dead ||
                 !is_linked(current, IPC_SENDER, capability) ||
                 !sched_switch_begin(cpu, server, current->priority, ipc_cancel, DEADLINE_NEVER,
                                     false))) {
        spinlock_release(&endpoint->lock);
        return false;
    }
    struct reply *reply = server->ipc.reply;
    list_remove(&server->wait.node);
    server->ipc.reply = NULL;
    ipc_leave(server);
    current->ipc.reply = reply;
    ipc_enter(current, &endpoint->object, IPC_ANSWER);
    __atomic_store_n(&reply->thread, current, __ATOMIC_RELEASE);
    ipc_deliver(server, current, info, IPC_INFO_CALL, capability->badge);
    spinlock_release(&endpoint->lock);
    sched_switch_end(cpu, current, server);
    return true;
}

void sys_ipc_call(struct thread *current)
{
    uint64_t info = arch_frame_syscall_argument(&current->frame, 1);
    uint64_t seen = 0;

    if (!(is_simple(current, info) && removals_of(current, &seen) &&
          know(current, IPC_SEND_TO, arch_frame_syscall_argument(&current->frame, 0), seen) &&
          call(cpu_self(), current, info)))
        ipc_call_slowly(current);
}

/* With the lock held a caller that waits here cannot cease to. */
static ALWAYS_INLINE bool waits_for(const struct thread *caller, const struct endpoint *endpoint)
    REQUIRES(endpoint->lock)
{
    return LIKELY(caller != NULL && caller != REPLY_DEAD && caller->ipc.on == &endpoint->object &&
                  caller->ipc.state == IPC_ANSWER && !caller->ipc.busy);
}

static ALWAYS_INLINE bool answer(struct cpu *cpu, struct thread *current,
                                 uint64_t info) NO_LOCK_ANALYSIS
{
    struct capability *capability = current->ipc.known[IPC_RECEIVE_FROM].capability;
    struct endpoint *endpoint = object_as_endpoint(capability->object);
    struct reply *reply = object_as_reply(current->ipc.known[IPC_ANSWER_BY].capability->object);

    spinlock_acquire(&endpoint->lock);
    struct thread *caller = __atomic_load_n(&reply->thread, __ATOMIC_ACQUIRE);
    if (UNLIKELY(!waits_for(caller, endpoint) || endpoint->dead || endpoint->signalled != 0 ||
                 !tree_empty(&endpoint->senders) || !is_linked(current, IPC_RECEIVER, capability) ||
                 !sched_switch_begin(cpu, caller, caller->lent_priority, ipc_cancel, DEADLINE_NEVER,
                                     true))) {
        spinlock_release(&endpoint->lock);
        return false;
    }
    caller->ipc.reply = NULL;
    ipc_leave(caller);
    current->ipc.reply = reply;
    ipc_enter(current, &endpoint->object, IPC_RECEIVE);
    list_push_back(&endpoint->receivers, &current->wait.node);
    __atomic_store_n(&reply->thread, current, __ATOMIC_RELEASE);
    ipc_deliver(caller, current, info, 0, 0);
    spinlock_release(&endpoint->lock);
    sched_switch_end(cpu, current, caller);
    return true;
}

void sys_ipc_reply_receive(struct thread *current)
{
    uint64_t info = arch_frame_syscall_argument(&current->frame, 1);
    uint64_t seen = 0;

    if (!(is_simple(current, info) && removals_of(current, &seen) &&
          know(current, IPC_RECEIVE_FROM, arch_frame_syscall_argument(&current->frame, 0), seen) &&
          know(current, IPC_ANSWER_BY, arch_frame_syscall_argument(&current->frame, 3), seen) &&
          answer(cpu_self(), current, info)))
        ipc_reply_receive_slowly(current);
}

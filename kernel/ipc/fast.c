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

#ifdef CONFIG_DEBUG
uint64_t ipc_fast_count[IPC_FAST_WAYS];
#define COUNT(way) __atomic_fetch_add(&ipc_fast_count[way], 1, __ATOMIC_RELAXED)
#else
#define COUNT(way) ((void)0)
#endif

static const struct {
    unsigned argument;
    enum object_type type;
    uint32_t rights;
} wanted[IPC_HANDLES] = {
    [IPC_SEND_TO] = { 0, OBJECT_ENDPOINT, RIGHT_ENDPOINT_SEND },
    [IPC_RECEIVE_FROM] = { 0, OBJECT_ENDPOINT, RIGHT_ENDPOINT_RECEIVE },
    [IPC_ANSWER_BY] = { 3, OBJECT_REPLY, 0 },
};

/* For the next time. A test's thread may have no table. */
static void remember(struct thread *current, enum ipc_handle what)
{
    const uint64_t handle = arch_frame_syscall_argument(&current->frame, wanted[what].argument);
    struct ipc_known *known = &current->ipc.known[what];
    struct capability_ref ref;

    if (current->process == NULL)
        return;
    uint64_t removals = __atomic_load_n(current->ipc.removals, __ATOMIC_ACQUIRE);
    if (cspace_borrow(&current->process->cspace, handle, wanted[what].type, wanted[what].rights,
                      &ref) == OK)
        *known = (struct ipc_known){ handle, removals, ref.capability };
}

/* known[what] is good until the kernel exit. */
static ALWAYS_INLINE bool knows(const struct thread *current, enum ipc_handle what,
                                uint64_t removals)
{
    const struct ipc_known *known = &current->ipc.known[what];
    uint64_t handle = arch_frame_syscall_argument(&current->frame, wanted[what].argument);

    return LIKELY(known->handle == handle && known->removals == removals);
}

static ALWAYS_INLINE uint64_t removals_of(const struct thread *current)
{
    return __atomic_load_n(current->ipc.removals, __ATOMIC_ACQUIRE);
}

/* How many words; more than IPC_WORDS: also if there is anything but those, a label, and what is
 * accepted. */
static ALWAYS_INLINE uint64_t plain_words(uint64_t info)
{
    return info >> IPC_INFO_WORDS & ~(UINT64_C(7) << (IPC_INFO_ACCEPT - IPC_INFO_WORDS));
}

static ALWAYS_INLINE void deliver(struct thread *to, const struct thread *from, uint64_t info,
                                  uint64_t flags, uint64_t badge)
{
    uint64_t words = plain_words(info);

    if (words != 0)
        arch_frame_message_copy(&to->frame, &from->frame, (unsigned)words);
    arch_frame_message_return(&to->frame, OK, (uint32_t)info | words << IPC_INFO_WORDS | flags,
                              badge);
}

/* The link from an earlier call is there still, so it goes with the capability. */
static ALWAYS_INLINE bool is_linked(const struct thread *current, enum ipc_role role,
                                    const struct capability *capability)
{
    return LIKELY(current->ipc.use[role].capability == capability);
}

static PRESERVES_MOST NOINLINE void arm(void)
{
    wait_arm();
}

/* ---- Calls ---- */

static ALWAYS_INLINE bool call(struct sched_switch *s, uint64_t info,
                               uint64_t deadline_ns) NO_LOCK_ANALYSIS
{
    struct thread *current = s->previous;
    const struct capability *capability = current->ipc.known[IPC_SEND_TO].capability;
    struct endpoint *endpoint = object_as_endpoint(capability->object);

    spinlock_acquire(&endpoint->lock);
    struct thread *server = CONTAINER_OF(endpoint->receivers.next, struct thread, wait.node);
    s->next = server;
    if (UNLIKELY(list_empty(&endpoint->receivers) || endpoint->dead != 0 ||
                 !is_linked(current, IPC_SENDER, capability) ||
                 !sched_switch_begin(s, current->priority, ipc_cancel, deadline_ns, false))) {
        spinlock_release(&endpoint->lock);
        return false;
    }
    list_drop_front(&endpoint->receivers);
    ipc_leave(server);
    ipc_bind(endpoint, server, current);
    deliver(server, current, info, IPC_INFO_CALL, capability->badge);
    spinlock_release(&endpoint->lock);
    COUNT(IPC_FAST_CALL);
    if (deadline_ns != DEADLINE_NEVER)
        arm();
    sched_switch_end(s);
    arch_exit_quickly();
    return true;
}

static ALWAYS_INLINE bool try_call(struct thread *current, uint64_t deadline_ns)
{
    uint64_t info = arch_frame_syscall_argument(&current->frame, 1);
    struct sched_switch s = { .cpu = cpu_self(), .previous = current };

    if (UNLIKELY(plain_words(info) > IPC_WORDS))
        return false;
    return knows(current, IPC_SEND_TO, removals_of(current)) && call(&s, info, deadline_ns);
}

static NOINLINE void call_otherwise(struct thread *current)
{
    uint64_t deadline_ns = arch_frame_syscall_argument(&current->frame, 2);

    if (deadline_ns != DEADLINE_NEVER && !ipc_late(deadline_ns) && try_call(current, deadline_ns))
        return;
    remember(current, IPC_SEND_TO);
    ipc_call_slowly(current);
}

void sys_ipc_call(struct thread *current)
{
    if (UNLIKELY(arch_frame_syscall_argument(&current->frame, 2) != DEADLINE_NEVER ||
                 !try_call(current, DEADLINE_NEVER)))
        call_otherwise(current);
}

/* ---- Answers ---- */

/* With the lock held a caller that waits here cannot cease to. */
static ALWAYS_INLINE bool waits_for(const struct thread *caller, const struct endpoint *endpoint)
    REQUIRES(endpoint->lock)
{
    return LIKELY((uintptr_t)caller > (uintptr_t)REPLY_DEAD &&
                  caller->ipc.on == &endpoint->object && caller->ipc.state == IPC_ANSWER);
}

static ALWAYS_INLINE bool answer(struct sched_switch *s, uint64_t deadline_ns) NO_LOCK_ANALYSIS
{
    struct thread *current = s->previous;
    const struct capability *capability = current->ipc.known[IPC_RECEIVE_FROM].capability;
    struct endpoint *endpoint = object_as_endpoint(capability->object);
    struct reply *reply = object_as_reply(current->ipc.known[IPC_ANSWER_BY].capability->object);

    spinlock_acquire(&endpoint->lock);
    struct thread *caller = __atomic_load_n(&reply->thread, __ATOMIC_ACQUIRE);
    s->next = caller;
    if (UNLIKELY(!waits_for(caller, endpoint) || (endpoint->dead | endpoint->signalled) != 0 ||
                 !tree_empty(&endpoint->senders) || !is_linked(current, IPC_RECEIVER, capability) ||
                 !sched_switch_begin(s, caller->lent_priority, ipc_cancel, deadline_ns, true))) {
        spinlock_release(&endpoint->lock);
        return false;
    }
    caller->ipc.reply = NULL;
    ipc_leave(caller);
    current->ipc.reply = reply;
    ipc_enter(current, &endpoint->object, IPC_RECEIVE);
    list_push_back(&endpoint->receivers, &current->wait.node);
    __atomic_store_n(&reply->thread, current, __ATOMIC_RELEASE);
    deliver(caller, current, arch_frame_syscall_argument(&current->frame, 1), 0, 0);
    spinlock_release(&endpoint->lock);
    COUNT(IPC_FAST_ANSWER);
    if (deadline_ns != DEADLINE_NEVER)
        arm();
    sched_switch_end(s);
    arch_exit_quickly();
    return true;
}

static ALWAYS_INLINE bool try_answer(struct thread *current, uint64_t deadline_ns)
{
    struct sched_switch s = { .cpu = cpu_self(), .previous = current };

    if (UNLIKELY(plain_words(arch_frame_syscall_argument(&current->frame, 1)) > IPC_WORDS))
        return false;
    uint64_t removals = removals_of(current);
    return knows(current, IPC_RECEIVE_FROM, removals) && knows(current, IPC_ANSWER_BY, removals) &&
           answer(&s, deadline_ns);
}

static NOINLINE void answer_otherwise(struct thread *current)
{
    uint64_t deadline_ns = arch_frame_syscall_argument(&current->frame, 2);

    if (deadline_ns != DEADLINE_NEVER && !ipc_late(deadline_ns) && try_answer(current, deadline_ns))
        return;
    remember(current, IPC_RECEIVE_FROM);
    remember(current, IPC_ANSWER_BY);
    ipc_reply_receive_slowly(current);
}

void sys_ipc_reply_receive(struct thread *current)
{
    if (UNLIKELY(arch_frame_syscall_argument(&current->frame, 2) != DEADLINE_NEVER ||
                 !try_answer(current, DEADLINE_NEVER)))
        answer_otherwise(current);
}

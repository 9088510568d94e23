/* Messages: from one thread's registers into another one's.
 *
 * A call to a server that waits on this CPU, and its answer, have a short way of their own
 * (fast.c). What is here ends the wait of the other side and leaves the rest to the scheduler.
 *
 * Capabilities are given on without the endpoint's lock. Meanwhile both sides are busy: in no
 * queue, and with no `cancel`, so nobody but us ends their waits. Everything that can fail comes
 * before the message is delivered; if it fails, the sender hears of it and the receiver does not.
 */
#include "ipc_impl.h"
#include <ipc.h>
#include <kernel/audit.h>
#include <kernel/process.h>
#include <kernel/switch.h>
#include <kernel/syscall.h>

enum { RECEIVE_ATTEMPTS = 4 };

static bool info_valid(uint64_t info)
{
    unsigned words = ipc_info_words(info);
    unsigned capabilities = ipc_info_capabilities(info);
    uint64_t known = IPC_DELIVERED | UINT64_C(7) << IPC_INFO_ACCEPT | UINT64_C(15) << IPC_INFO_MOVE;

    return words <= IPC_WORDS && capabilities <= IPC_CAPABILITIES && capabilities <= words &&
           ipc_info_moved(info) >> capabilities == 0 && (info & ~known) == 0;
}

static uint64_t info_of(const struct thread *thread)
{
    return arch_frame_syscall_argument(&thread->frame, 1);
}

/* ---- Capabilities ---- */

struct transfer {
    unsigned count;
    uint64_t handle[IPC_CAPABILITIES]; /* in the receiver's table */
};

static enum status give_one(const struct thread *from, const struct thread *to, uint64_t handle,
                            bool move, uint64_t *given_out)
{
    struct cspace *source = &from->process->cspace;
    struct cspace *target = &to->process->cspace;

    enum status status = move ? cspace_move(source, handle, target, given_out)
                              : cspace_copy(source, handle, NULL, target, given_out);
    struct capability_ref ref;
    /* With the table locked: the receiver may be dead, and its process at its end. */
    if (status == OK && cspace_lookup(target, *given_out, OBJECT_ANY, 0, &ref) == OK) {
        audit_transfer(ref.object, ref.rights, from->process->object.id, to->process->object.id);
        object_put(ref.object);
    }
    return status;
}

/* What was moved goes back, what was copied is closed. A sender whose other threads fill its table
 * in this moment loses what they left no room for. */
static void take_back(const struct thread *from, const struct thread *to, uint64_t moved,
                      const struct transfer *transfer, unsigned count)
{
    while (count-- > 0) {
        struct work work = { .left = UINT32_MAX };
        uint64_t handle = transfer->handle[count];
        if ((moved >> count & 1) == 0 ||
            cspace_move(&to->process->cspace, handle, &from->process->cspace, &handle) != OK)
            (void)cspace_close(&to->process->cspace, handle, &work);
    }
}

/* All or none. Copies come first, since they can be taken back without a trace. */
static enum status give(struct thread *from, const struct thread *to, uint64_t info,
                        struct transfer *transfer)
{
    unsigned first = ipc_info_words(info) - ipc_info_capabilities(info);
    unsigned moved = ipc_info_moved(info);

    transfer->count = 0;
    if (ipc_info_capabilities(info) > ipc_info_accepts(info_of(to)))
        return ERR_LIMIT;
    for (unsigned i = 0; i < ipc_info_capabilities(info); i++) {
        enum status status = give_one(from, to, *arch_frame_message_word(&from->frame, first + i),
                                      (moved >> i & 1) != 0, &transfer->handle[i]);
        if (status != OK) {
            take_back(from, to, moved, transfer, i);
            return status;
        }
        transfer->count++;
    }
    return OK;
}

static void deliver_handles(struct thread *to, uint64_t info, const struct transfer *transfer)
{
    unsigned first = ipc_info_words(info) - transfer->count;

    for (unsigned i = 0; i < transfer->count; i++)
        *arch_frame_message_word(&to->frame, first + i) = transfer->handle[i];
}

/* ---- Busy: capabilities are on their way, and the lock is open ---- */

static void busy_begin(struct thread *thread)
{
    thread->ipc.state |= IPC_BUSY;
    if (thread != cpu_self()->current)
        __atomic_store_n(&thread->wait.cancel, NULL, __ATOMIC_RELEASE);
    (void)thread_get(thread); /* somebody may kill it */
}

/* Give what `from` sends on to `to`, one of which runs and the other is out of its queue. */
static enum status give_busily(struct endpoint *endpoint, struct thread *from, struct thread *to,
                               uint64_t info, struct transfer *transfer) REQUIRES(endpoint->lock)
{
    busy_begin(from);
    busy_begin(to);
    spinlock_release(&endpoint->lock);
    enum status status = give(from, to, info, transfer);
    spinlock_acquire(&endpoint->lock);
    from->ipc.state &= (uint8_t)~IPC_BUSY;
    to->ipc.state &= (uint8_t)~IPC_BUSY;
    return status;
}

/* A receiver whose message did not come to be goes through its call again: what came to the
 * endpoint meanwhile waits for it in a queue. Its answer, if it gave one, is out.
 */
static void receive_again(struct thread *receiver)
{
    enum status aborted = receiver->ipc.aborted;

    reply_release(receiver);
    if (aborted != OK) {
        ipc_finish(receiver, aborted);
        return;
    }
    ipc_leave(receiver);
    arch_frame_syscall_restart_as(&receiver->frame, SYSCALL_ipc_receive);
    wait_end(receiver);
}

/* ---- Calls and sends ---- */

/* What a system call asks for. */
struct request {
    struct thread *current;
    struct endpoint *endpoint;
    struct capability *capability;
    uint64_t info;
    uint64_t deadline_ns;
    enum ipc_state state;    /* how it would wait */
    struct sched_switch *go; /* to the receiver of a call, if its `next` is one */
};

static enum status enter_through(const struct request *request, enum ipc_role role)
    REQUIRES(request->endpoint->lock)
{
    if (UNLIKELY(request->endpoint->dead))
        return ERR_DEAD;
    return ipc_use_enter(&request->current->ipc.use[role], request->capability);
}

/* The receiver is out of the queue. A caller that is to die here waits for no answer. */
static void deliver(struct thread *receiver, const struct request *request, bool calls,
                    const struct transfer *transfer) REQUIRES(request->endpoint->lock)
{
    struct thread *current = request->current;
    struct sched_switch go = { .cpu = cpu_self(), .previous = current, .next = receiver };
    bool direct = calls && sched_switch_begin(&go, current->priority, ipc_cancel,
                                              request->deadline_ns, false);
    bool waits = direct || (calls && wait_begin(ipc_cancel, request->deadline_ns));

    if (waits)
        ipc_bind(request->endpoint, receiver, current);
    else
        reply_release(receiver);
    ipc_leave(receiver);
    ipc_deliver(receiver, current, request->info, waits ? IPC_INFO_CALL : 0,
                request->capability->badge);
    deliver_handles(receiver, request->info, transfer);
    if (direct) {
        *request->go = go;
        return;
    }
    if (calls)
        sched_lend(receiver, current->priority);
    wait_end(receiver);
}

static enum status queue_sender(const struct request *request) REQUIRES(request->endpoint->lock)
{
    if (ipc_late(request->deadline_ns))
        return ERR_TIMED_OUT;
    if (wait_begin(ipc_cancel, request->deadline_ns)) {
        endpoint_queue_sender(request->endpoint, request->current);
        ipc_enter(request->current, &request->endpoint->object, request->state);
    }
    return ERR_WOULD_BLOCK;
}

/* The running thread may wait for an answer: nothing has happened that would have ended that. */
static enum status may_wait(const struct request *request, const struct thread *receiver)
    REQUIRES(request->endpoint->lock)
{
    if (receiver->ipc.reply == NULL)
        return ERR_DEAD;
    return enter_through(request, IPC_SENDER);
}

static void put_both(struct thread *one, struct thread *other)
{
    thread_put(one);
    thread_put(other);
}

/* To a receiver that is out of the queue. OK: it is out, and waits for no answer. ERR_WOULD_BLOCK:
 * it waits. */
static enum status send_to(const struct request *request, struct thread *receiver)
    REQUIRES(request->endpoint->lock)
{
    struct transfer transfer = { .count = 0 };
    bool calls = request->state == IPC_CALL;
    enum status status = OK;

    if (ipc_info_capabilities(request->info) > 0) {
        status =
            give_busily(request->endpoint, request->current, receiver, request->info, &transfer);
        if (status != OK) {
            receive_again(receiver);
            return status;
        }
        if (calls)
            status = may_wait(request, receiver);
    }
    calls = calls && status == OK;
    deliver(receiver, request, calls, &transfer);
    return calls ? ERR_WOULD_BLOCK : status;
}

static enum status send_locked(const struct request *request, struct thread **busy_out)
    REQUIRES(request->endpoint->lock)
{
    enum status status = enter_through(request, IPC_SENDER);
    if (status != OK)
        return status;
    struct list *node = list_pop_front(&request->endpoint->receivers);
    if (node == NULL)
        return queue_sender(request);
    struct thread *receiver = CONTAINER_OF(node, struct thread, wait.node);
    if (ipc_info_capabilities(request->info) > 0)
        *busy_out = receiver;
    return send_to(request, receiver);
}

void ipc_send_current(struct capability *capability, uint64_t info, uint64_t deadline_ns,
                      enum ipc_state state)
{
    struct thread *current = cpu_self()->current;
    struct endpoint *endpoint = object_as_endpoint(capability->object);
    struct sched_switch go = { .next = NULL };
    struct request request = { current, endpoint, capability, info, deadline_ns, state, &go };
    struct thread *busy = NULL;
    enum status status = info_valid(info) ? OK : ERR_INVALID;

    if (status == OK && state == IPC_CALL && ipc_late(deadline_ns))
        status = ERR_TIMED_OUT;
    if (status == OK) {
        ipc_use_prepare(&current->ipc.use[IPC_SENDER], capability);
        spinlock_acquire(&request.endpoint->lock);
        status = send_locked(&request, &busy);
        spinlock_release(&request.endpoint->lock);
    }
    if (busy != NULL)
        put_both(busy, current);
    if (status != ERR_WOULD_BLOCK)
        arch_frame_syscall_return(&current->frame, (uint64_t)status, 0);
    else if (deadline_ns != DEADLINE_NEVER)
        wait_arm();
    if (go.next != NULL)
        sched_switch_slowly(go.previous, go.next);
}

/* ---- Receiving ---- */

/* After it was busy: OK if it waits on, else what has ended that. */
static enum status wait_on(struct thread *thread)
{
    if (thread->ipc.aborted != OK)
        return thread->ipc.aborted;
    if (ipc_late(thread->wait.deadline_ns))
        return ERR_TIMED_OUT;
    return wait_renew(thread, ipc_cancel) ? OK : ERR_CANCELLED;
}

/* How a sender ends whose capabilities have been given on; OK also for a call that waits on. */
static enum status sender_fate(struct thread *sender, const struct thread *receiver)
{
    if (sender->ipc.state == IPC_SEND)
        return sender->ipc.aborted;
    if (sender->ipc.aborted == OK && receiver->ipc.reply == NULL)
        return ERR_DEAD;
    return wait_on(sender);
}

/* One message of a sender that is out of the queue. OK: received. */
static enum status receive_from(const struct request *request, struct thread *sender)
    REQUIRES(request->endpoint->lock)
{
    uint64_t info = info_of(sender);
    uint64_t badge = sender->ipc.use[IPC_SENDER].capability->badge;
    struct transfer transfer = { .count = 0 };
    enum status fate = OK;

    if (UNLIKELY(ipc_info_capabilities(info) > 0)) {
        enum status status =
            give_busily(request->endpoint, sender, request->current, info, &transfer);
        if (status != OK) {
            ipc_finish(sender, sender->ipc.aborted != OK ? sender->ipc.aborted : status);
            return status;
        }
        fate = sender_fate(sender, request->current);
    }
    bool calls = fate == OK && sender->ipc.state == IPC_CALL;
    ipc_deliver(request->current, sender, info, calls ? IPC_INFO_CALL : 0, badge);
    deliver_handles(request->current, info, &transfer);
    if (calls) {
        ipc_bind(request->endpoint, request->current, sender);
        sched_lend(request->current, sender->priority);
    } else {
        ipc_finish(sender, fate);
    }
    return OK;
}

static enum status queue_receiver(const struct request *request) REQUIRES(request->endpoint->lock)
{
    struct thread *current = request->current;

    if (ipc_late(request->deadline_ns))
        return ERR_TIMED_OUT;
    if (!wait_begin(ipc_cancel, request->deadline_ns))
        return ERR_CANCELLED; /* it is to die */
    list_push_back(&request->endpoint->receivers, &current->wait.node);
    return ERR_WOULD_BLOCK;
}

/* What there is, or a place in the queue (ERR_WOULD_BLOCK). SYSCALL_RESTART: after some messages
 * that could not be delivered, others get their turn. */
static enum status receive_locked(const struct request *request) REQUIRES(request->endpoint->lock)
{
    struct thread *current = request->current;

    for (unsigned i = 0; i < RECEIVE_ATTEMPTS; i++) {
        if (UNLIKELY(request->endpoint->dead || current->ipc.aborted != OK))
            return request->endpoint->dead ? ERR_DEAD : current->ipc.aborted;
        if (endpoint_take_bits(request->endpoint, current))
            return OK;
        struct thread *sender = endpoint_next_sender(request->endpoint);
        if (sender == NULL)
            return queue_receiver(request);
        bool busy = ipc_info_capabilities(info_of(sender)) > 0;
        enum status status = receive_from(request, sender);
        if (busy)
            put_both(sender, current);
        if (status == OK) {
            request->endpoint->senders_turn = false;
            return OK;
        }
    }
    return SYSCALL_RESTART;
}

static enum status receive_by(const struct request *request, struct reply *reply)
    REQUIRES(request->endpoint->lock)
{
    struct thread *current = request->current;
    enum status status = enter_through(request, IPC_RECEIVER);
    if (status == OK)
        status = reply_reserve(reply, current);
    if (status != OK)
        return status;
    ipc_enter(current, &request->endpoint->object, IPC_RECEIVE);
    status = receive_locked(request);
    if (status != ERR_WOULD_BLOCK) {
        reply_release(current);
        ipc_leave(current);
    }
    return status;
}

void ipc_receive_current(struct capability *capability, struct reply *reply, uint64_t info,
                         uint64_t deadline_ns)
{
    struct thread *current = cpu_self()->current;
    struct endpoint *endpoint = object_as_endpoint(capability->object);
    struct request request = {
        current, endpoint, capability, info, deadline_ns, IPC_RECEIVE, NULL
    };

    /* Whoever receives has done with what it was lent, answered or not. */
    sched_lend(current, 0);
    ipc_use_prepare(&current->ipc.use[IPC_RECEIVER], capability);
    spinlock_acquire(&request.endpoint->lock);
    enum status status = receive_by(&request, reply);
    spinlock_release(&request.endpoint->lock);
    if (status == SYSCALL_RESTART)
        arch_frame_syscall_restart_as(&current->frame, SYSCALL_ipc_receive);
    else if (status == ERR_WOULD_BLOCK && deadline_ns != DEADLINE_NEVER)
        wait_arm();
    else if (status != OK && status != ERR_WOULD_BLOCK)
        arch_frame_syscall_return(&current->frame, (uint64_t)status, 0);
}

/* ---- Answers ---- */

static void deliver_answer(struct thread *caller, const struct thread *current, uint64_t info)
{
    reply_release(caller);
    ipc_leave(caller);
    ipc_deliver(caller, current, info, 0, 0);
}

/* The answer could not be given: the caller waits on, unless something has ended that meanwhile. */
static void caller_goes_on(UNUSED struct endpoint *endpoint, struct thread *caller)
    REQUIRES(endpoint->lock)
{
    enum status fate = wait_on(caller);

    if (fate != OK) {
        reply_release(caller);
        ipc_finish(caller, fate);
    }
}

static enum status answer_locked(struct endpoint *endpoint, struct thread *caller,
                                 struct thread *current, uint64_t info) REQUIRES(endpoint->lock)
{
    struct transfer transfer = { .count = 0 };

    if (ipc_info_capabilities(info) > 0) {
        enum status status = give_busily(endpoint, current, caller, info, &transfer);
        if (status != OK) {
            caller_goes_on(endpoint, caller);
            return status;
        }
    }
    deliver_answer(caller, current, info);
    deliver_handles(caller, info, &transfer);
    wait_end(caller);
    return OK;
}

/* ERR_STATE: nobody waits for it. ERR_BUSY: another answer is on its way. */
static enum status answer(struct reply *reply, struct thread *current,
                          uint64_t info) NO_LOCK_ANALYSIS
{
    struct endpoint *endpoint;
    struct thread *caller = reply_lock_thread(reply, &endpoint);
    enum status status = ERR_STATE;
    bool busy = false;

    if (caller == NULL)
        return ERR_STATE;
    if ((caller->ipc.state & IPC_BUSY) != 0) {
        status = ERR_BUSY;
    } else if (caller->ipc.state == IPC_ANSWER) {
        busy = ipc_info_capabilities(info) > 0;
        status = answer_locked(endpoint, caller, current, info);
    }
    spinlock_release(&endpoint->lock);
    if (busy)
        put_both(caller, current);
    if (status == OK)
        sched_lend(current, 0);
    return status;
}

void ipc_answer_current(struct reply *reply, uint64_t info)
{
    struct thread *current = cpu_self()->current;
    enum status status = info_valid(info) ? answer(reply, current, info) : ERR_INVALID;

    arch_frame_syscall_return(&current->frame, (uint64_t)status, 0);
}

void ipc_reply_receive_current(struct capability *capability, struct reply *reply, uint64_t info,
                               uint64_t deadline_ns)
{
    struct thread *current = cpu_self()->current;
    /* A caller that has gone meanwhile is no reason to stop serving. */
    enum status status = info_valid(info) ? answer(reply, current, info) : ERR_INVALID;

    if (status == OK || status == ERR_STATE)
        ipc_receive_current(capability, reply, info, deadline_ns);
    else
        arch_frame_syscall_return(&current->frame, (uint64_t)status, 0);
}

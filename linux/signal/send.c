/* Sending signals, and what is pending. signal(7).
 *
 * Sending decides three things under the receiver's lock: whether the signal is dropped (ignored,
 * and not blocked), where it is queued, and which thread is told. Stop and continue signals cancel
 * each other here, and SIGCONT continues here, whatever is done about it later.
 */
#include "signal_impl.h"
#include <base/bits.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/timers.h>

#define STOP_SIGNALS                                                                               \
    (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))
#define IGNORED_BY_DEFAULT                                                                         \
    (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGCONT))

bool signal_ignored_by_default(int number)
{
    return (IGNORED_BY_DEFAULT & SIGNAL_BIT(number)) != 0;
}

bool signal_stops_by_default(int number)
{
    return (STOP_SIGNALS & SIGNAL_BIT(number)) != 0;
}

void signal_action_of(struct process *process, int number, struct signal_action *action_out)
{
    rt_lock(&process->lock);
    struct signal_handlers *handlers = process->handlers;
    rt_lock(&handlers->lock);
    *action_out = handlers->action[number - 1];
    rt_unlock(&handlers->lock);
    rt_unlock(&process->lock);
}

/* ---- queues ---- */

static void queued_free(struct signal_pending *pending, struct signal_queued *queued)
{
    list_remove(&queued->link);
    if (queued->account == NULL)
        return; /* its sender's own */
    signal_uncharge(queued->account);
    if (pending->spare == NULL)
        pending->spare = queued;
    else
        heap_free(queued);
}

/* Zeroed or used before. */
static struct signal_queued *queued_make(struct signal_pending *pending)
{
    struct signal_queued *queued = pending->spare;
    pending->spare = NULL;
    return queued != NULL ? queued : heap_alloc(sizeof(*queued));
}

void signal_pending_clear(struct signal_pending *pending)
{
    while (!list_empty(&pending->queue))
        queued_free(pending, CONTAINER_OF(pending->queue.next, struct signal_queued, link));
    pending->set = 0;
    heap_free(pending->spare);
    pending->spare = NULL;
}

void signal_pending_drop(struct signal_pending *pending, signal_set set)
{
    if ((pending->set & set) == 0)
        return;
    LIST_FOR_EACH_SAFE(link, &pending->queue)
    {
        struct signal_queued *queued = CONTAINER_OF(link, struct signal_queued, link);
        if ((SIGNAL_BIT(queued->info.number) & set) != 0)
            queued_free(pending, queued);
    }
    pending->set &= ~set;
}

/* Synchronous ones first: their handlers want the registers of the fault. */
static int first_of(signal_set set)
{
    const signal_set faults = SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) |
                              SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS);
    if ((set & faults) != 0)
        set &= faults;
    return (int)bit_lowest(set) + 1;
}

static void take_from(struct signal_pending *pending, int number, struct signal_info *info_out)
{
    struct signal_queued *first = NULL;
    bool more = false;
    LIST_FOR_EACH(link, &pending->queue)
    {
        struct signal_queued *queued = CONTAINER_OF(link, struct signal_queued, link);
        if (queued->info.number != number)
            continue;
        more = first != NULL;
        if (first == NULL)
            first = queued;
        else
            break;
    }
    if (!more)
        pending->set &= ~SIGNAL_BIT(number);
    if (first == NULL) {
        /* Its entry found no memory when it was sent. */
        memset(info_out, 0, sizeof(*info_out));
        info_out->number = number;
        return;
    }
    *info_out = first->info;
    queued_free(pending, first);
}

int signal_dequeue(struct task *task, signal_set set, struct signal_info *info_out)
{
    struct process *process = task->process;
    struct signal_pending *pending = &task->pending;
    if ((pending->set & set) == 0)
        pending = &process->pending;
    if ((pending->set & set) == 0)
        return 0;
    int number = first_of(pending->set & set);
    take_from(pending, number, info_out);
    return number;
}

/* ---- telling threads ---- */

void signal_notify(struct task *task)
{
    __atomic_store_n(&task->notice, 1, __ATOMIC_SEQ_CST);
    task_wake(task);
    park_wake(task);
    if (task != task_self())
        vcpu_kick(task->vcpu);
}

/* With the lock: is there anything for it? */
bool signal_due(const struct task *task)
{
    signal_set pending = task->pending.set | task->process->pending.set;
    return (pending & (~task->blocked | task->waited)) != 0 || task_stop_due(task) ||
           __atomic_load_n(&task->exit_pending, __ATOMIC_RELAXED) != 0;
}

void signal_recalculate(struct task *task)
{
    __atomic_store_n(&task->notice, signal_due(task) ? 1 : 0, __ATOMIC_SEQ_CST);
}

static bool would_take(const struct task *task, int number)
{
    if (__atomic_load_n(&task->exit_pending, __ATOMIC_RELAXED) != 0)
        return false;
    return (SIGNAL_BIT(number) & (~task->blocked | task->waited)) != 0;
}

/* A thread that has the signal open; the leader if it has. Nobody: it stays pending. */
static void tell_one(struct process *process, int number)
{
    struct task *chosen = NULL;
    LIST_FOR_EACH(link, &process->tasks)
    {
        struct task *task = CONTAINER_OF(link, struct task, in_process);
        if (!would_take(task, number))
            continue;
        if (chosen == NULL || task == process->leader)
            chosen = task;
    }
    if (chosen != NULL)
        signal_notify(chosen);
}

void signal_retell(struct process *process)
{
    if (process->pending.set == 0)
        return;
    LIST_FOR_EACH(link, &process->tasks)
    {
        struct task *task = CONTAINER_OF(link, struct task, in_process);
        if (signal_due(task) && __atomic_load_n(&task->notice, __ATOMIC_RELAXED) == 0)
            signal_notify(task);
    }
}

/* What is left for it alone goes; it may have been the one that was told of the process's. */
void signal_task_leaves(struct task *task)
{
    struct process *process = task->process;
    signal_pending_clear(&task->pending);
    if (task_stop_due(task)) {
        task_set_stop_due(task, false);
        signal_stop_joined(process);
    }
    signal_retell(process);
}

/* ---- stop and continue ---- */

static void drop_everywhere(struct process *process, signal_set set)
{
    signal_pending_drop(&process->pending, set);
    LIST_FOR_EACH(link, &process->tasks)
    signal_pending_drop(&CONTAINER_OF(link, struct task, in_process)->pending, set);
}

static void process_continue(struct process *process)
{
    drop_everywhere(process, STOP_SIGNALS);
    process->stop_taken = false;
    bool was_stopped = process->stopped;
    if (!process->stopped && !process->stopping)
        return;
    process->stopped = process->stopping = false;
    process->stop_left = 0;
    if (was_stopped) {
        process->stop_event = false;
        process->continue_event = true;
        process->continue_notice = true;
    }
    LIST_FOR_EACH(link, &process->tasks)
    {
        struct task *task = CONTAINER_OF(link, struct task, in_process);
        task_set_stop_due(task, false);
        task->parked = false;
        signal_notify(task);
    }
}

/* ---- sending ---- */

/* Process 1 is only reached by what it has handlers for; from outside SIGKILL and SIGSTOP force. */
bool signal_is_protected(const struct process *process)
{
    return process->pid == 1 && !process->killable;
}

/* Blocked by somebody who could take it: it may have a handler by the time it is not. */
static bool is_blocked(const struct process *process, const struct task *task, signal_set bit)
{
    if (task != NULL)
        return (task->blocked & bit) != 0;
    LIST_FOR_EACH(link, &process->tasks)
    {
        if ((CONTAINER_OF(link, struct task, in_process)->blocked & bit) != 0)
            return true;
    }
    return false;
}

static bool is_dropped(const struct process *process, const struct task *task, int number,
                       bool forced)
{
    uint64_t handler =
        __atomic_load_n(&process->handlers->action[number - 1].handler, __ATOMIC_RELAXED);
    if (is_blocked(process, task, SIGNAL_BIT(number)))
        return false;
    if (signal_is_protected(process) && !forced && handler == SIG_DFL)
        return true;
    return handler == SIG_IGN || (handler == SIG_DFL && signal_ignored_by_default(number));
}

static bool enqueue(struct signal_pending *pending, struct process *process,
                    const struct signal_info *info)
{
    struct account *account = signal_charge(process, info);
    if (account == NULL)
        return false;
    struct signal_queued *queued = queued_make(pending);
    if (queued == NULL) {
        signal_uncharge(account);
        return false;
    }
    queued->info = *info;
    queued->account = account;
    list_push_back(&pending->queue, &queued->link);
    return true;
}

/* With the lock. `queued` NULL: an entry is made. */
static int send_locked(struct process *process, struct task *task, const struct signal_info *info,
                       struct signal_queued *queued, bool forced)
{
    int number = info->number;
    if (process->ending || process->task_count == 0)
        return 0;
    if (task != NULL && !list_linked(&task->in_process))
        return 0;
    if (number == SIGCONT)
        process_continue(process);
    else if (signal_stops_by_default(number))
        drop_everywhere(process, SIGNAL_BIT(SIGCONT));
    if (is_dropped(process, task, number, forced))
        return 0;
    if (number == SIGKILL) {
        process_end(process, SIGKILL);
        return 0;
    }
    struct signal_pending *pending = task != NULL ? &task->pending : &process->pending;
    if (number < SIGRTMIN && (pending->set & SIGNAL_BIT(number)) != 0)
        return 0;
    if (queued != NULL)
        list_push_back(&pending->queue, &queued->link);
    else if (!enqueue(pending, process, info) && number >= SIGRTMIN && info->code != SI_USER &&
             info->code != SI_KERNEL)
        return -EAGAIN;
    pending->set |= SIGNAL_BIT(number);
    if (task == NULL)
        tell_one(process, number);
    else if (would_take(task, number))
        signal_notify(task);
    wait_queue_wake(&process->signal_queue, 0);
    return 0;
}

int signal_send_task(struct task *task, const struct signal_info *info)
{
    rt_lock(&task->process->lock);
    int error = send_locked(task->process, task, info, NULL, false);
    rt_unlock(&task->process->lock);
    return error;
}

int signal_send_process(struct process *process, const struct signal_info *info)
{
    rt_lock(&process->lock);
    int error = send_locked(process, NULL, info, NULL, false);
    rt_unlock(&process->lock);
    return error;
}

int signal_send_forced(struct process *process, const struct signal_info *info)
{
    rt_lock(&process->lock);
    int error =
        send_locked(process, NULL, info, NULL, info->number == SIGKILL || info->number == SIGSTOP);
    rt_unlock(&process->lock);
    return error;
}

bool signal_send_queued(struct process *process, struct task *task, struct signal_queued *queued)
{
    rt_lock(&process->lock);
    bool idle = !list_linked(&queued->link);
    if (idle)
        (void)send_locked(process, task, &queued->info, queued, false);
    rt_unlock(&process->lock);
    return idle;
}

/* The bit is the number's, which others may have entries for. */
static void clear_bit_if_last(struct signal_pending *pending, int number)
{
    LIST_FOR_EACH(link, &pending->queue)
    {
        if (CONTAINER_OF(link, struct signal_queued, link)->info.number == number)
            return;
    }
    pending->set &= ~SIGNAL_BIT(number);
}

bool signal_unqueue(struct process *process, struct signal_queued *queued)
{
    rt_lock(&process->lock);
    bool was = list_linked(&queued->link);
    if (was) {
        int number = queued->info.number;
        list_remove(&queued->link);
        clear_bit_if_last(&process->pending, number);
        LIST_FOR_EACH(link, &process->tasks)
        clear_bit_if_last(&CONTAINER_OF(link, struct task, in_process)->pending, number);
    }
    rt_unlock(&process->lock);
    return was;
}

void signal_force(struct task *task, const struct signal_info *info)
{
    struct process *process = task->process;
    signal_set bit = SIGNAL_BIT(info->number);
    rt_lock(&process->lock);
    rt_lock(&process->handlers->lock);
    struct signal_action *action = &process->handlers->action[info->number - 1];
    if ((task->blocked & bit) != 0 || action->handler == SIG_IGN)
        __atomic_store_n(&action->handler, SIG_DFL, __ATOMIC_RELAXED);
    if (action->handler == SIG_DFL)
        process->killable = true;
    rt_unlock(&process->handlers->lock);
    task->blocked &= ~bit;
    (void)send_locked(process, task, info, NULL, true);
    /* Its entry may have found no memory; the thread must not run on. */
    task->pending.set |= bit;
    __atomic_store_n(&task->notice, 1, __ATOMIC_SEQ_CST);
    rt_unlock(&process->lock);
}

void signal_force_kernel(struct task *task, int number)
{
    struct signal_info info = { .number = number, .code = SI_KERNEL };
    signal_force(task, &info);
}

void signal_send_self(int number)
{
    struct task *self = task_self();
    struct signal_info info = { .number = number, .code = SI_USER };
    info.of.queue.pid = self->process->pid;
    info.of.queue.uid = self->cred->uid;
    (void)signal_send_task(self, &info);
}

int signal_send_group(int32_t group, const struct signal_info *info)
{
    int result = -ESRCH;
    rt_lock(&processes_lock);
    PROCESS_FOR_EACH(process)
    {
        if (process->group != group)
            continue;
        (void)signal_send_process(process, info);
        result = 0;
    }
    rt_unlock(&processes_lock);
    return result;
}

void signal_send_group_kernel(int32_t group, int number)
{
    struct signal_info info = { .number = number, .code = SI_KERNEL };
    (void)signal_send_group(group, &info);
}

bool signal_wanted(struct task *task)
{
    return __atomic_load_n(&task->notice, __ATOMIC_ACQUIRE) != 0;
}

signal_set signal_pending_of(struct task *task, signal_set set)
{
    rt_lock(&task->process->lock);
    signal_set found = (task->pending.set | task->process->pending.set) & set;
    rt_unlock(&task->process->lock);
    return found;
}

int signal_take(signal_set set, struct signal_info *info_out)
{
    struct task *self = task_self();
    rt_lock(&self->process->lock);
    int number = signal_dequeue(self, set & ~SIGNALS_NEVER_BLOCKED, info_out);
    signal_recalculate(self);
    rt_unlock(&self->process->lock);
    if (number != 0 && info_out->code == SI_TIMER)
        process_timers_taken(self->process, info_out);
    return number;
}

bool signal_refused(struct task *task, int number)
{
    struct signal_action action;
    signal_action_of(task->process, number, &action);
    return action.handler == SIG_IGN || (task->blocked & SIGNAL_BIT(number)) != 0;
}

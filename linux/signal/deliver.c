/* What a thread does about its signals before it goes back to the guest: handlers, default actions,
 * stopping, restarting the call that was interrupted. signal(7).
 */
#include "signal_impl.h"
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/frame.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/timers.h>

/* ---- stopping ---- */

/* With the lock. */
bool signal_stop_joined(struct process *process)
{
    if (!process->stopping || process->stop_left == 0 || --process->stop_left > 0)
        return false;
    process->stopping = false;
    process->stopped = true;
    process->stop_event = true;
    process->continue_event = false;
    process->stop_notice = true;
    return true;
}

static void tell_parent(struct process *process)
{
    rt_lock(&processes_lock);
    rt_lock(&process->lock);
    bool stop = process->stop_notice;
    bool go_on = process->continue_notice;
    process->stop_notice = process->continue_notice = false;
    rt_unlock(&process->lock);
    if (stop)
        process_tell_stop(process, true);
    if (go_on)
        process_tell_stop(process, false);
    rt_unlock(&processes_lock);
}

/* With the lock: every thread has to stop, this one, too. */
static void stop_begin(struct process *process, int number)
{
    if (process->stopping || process->stopped)
        return;
    process->stopping = true;
    process->stop_signal = number;
    process->stop_left = 0;
    LIST_FOR_EACH(link, &process->tasks)
    {
        struct task *task = CONTAINER_OF(link, struct task, in_process);
        task_set_stop_due(task, true);
        process->stop_left++;
        signal_notify(task);
    }
}

/* Until SIGCONT or the end. */
static void stop_here(struct task *task)
{
    __atomic_store_n(&task->state, TASK_STOPPED, __ATOMIC_RELAXED);
    for (;;) {
        uint32_t seen = park_begin(task);
        rt_lock(&task->process->lock);
        bool parked = task->parked;
        rt_unlock(&task->process->lock);
        if (!parked || __atomic_load_n(&task->exit_pending, __ATOMIC_ACQUIRE) != 0)
            break;
        park(task, seen);
    }
    __atomic_store_n(&task->state, TASK_RUNNING, __ATOMIC_RELAXED);
}

static void stop_join(struct task *task)
{
    struct process *process = task->process;
    if (LIKELY(!task_stop_due(task)))
        return;
    rt_lock(&process->lock);
    bool joins = task_stop_due(task);
    bool last = false;
    if (joins) {
        task_set_stop_due(task, false);
        task->parked = true;
        last = signal_stop_joined(process);
    }
    rt_unlock(&process->lock);
    if (!joins)
        return;
    if (last)
        tell_parent(process);
    stop_here(task);
    tell_parent(process);
}

/* ---- what is done about one ---- */

enum outcome {
    NOTHING, /* none was pending */
    AGAIN,   /* it is done with; look for the next */
    STOP,    /* stop, unless it was cancelled */
    END,     /* of the process */
    HANDLE,
};

struct delivery {
    struct task *task;
    struct signal_info info;
    struct signal_action action;
};

static enum outcome default_action(const struct process *process, int number)
{
    bool certain = (SIGNAL_BIT(number) & SIGNALS_NEVER_BLOCKED) != 0;
    if (signal_ignored_by_default(number))
        return AGAIN;
    if (signal_is_protected(process) && !certain)
        return AGAIN;
    return signal_stops_by_default(number) ? STOP : END;
}

/* With the lock: the next one, and what it asks for. */
static enum outcome take_one(struct delivery *delivery)
{
    struct task *task = delivery->task;
    struct process *process = task->process;
    int number = signal_dequeue(task, ~task->blocked, &delivery->info);
    if (number == 0)
        return NOTHING;
    rt_lock(&process->handlers->lock);
    struct signal_action *action = &process->handlers->action[number - 1];
    delivery->action = *action;
    bool caught = action->handler != SIG_DFL && action->handler != SIG_IGN;
    if (caught && (action->flags & SA_RESETHAND) != 0)
        __atomic_store_n(&action->handler, SIG_DFL, __ATOMIC_RELAXED);
    rt_unlock(&process->handlers->lock);
    if (caught)
        return HANDLE;
    if (delivery->action.handler == SIG_IGN)
        return AGAIN;
    enum outcome outcome = default_action(process, number);
    process->stop_taken = process->stop_taken || outcome == STOP;
    return outcome;
}

/* Between taking the signal and stopping the lock is let go: a SIGCONT in between wins. */
static void stop_process(struct process *process, int number)
{
    if (number != SIGSTOP && group_is_orphan(process->group))
        return;
    rt_lock(&process->lock);
    if (process->stop_taken && !process->ending)
        stop_begin(process, number);
    process->stop_taken = false;
    rt_unlock(&process->lock);
}

static bool is_restart(int64_t result)
{
    return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
           result == -ERESTART_RESTARTBLOCK;
}

/* A call that was interrupted is made again after the handler, or has failed with EINTR. */
static void end_or_restart(struct task *task, struct guest_registers *registers,
                           const struct signal_action *action)
{
    int64_t result = registers_result(registers);
    if (result == -ERESTARTNOINTR || (result == -ERESTARTSYS && (action->flags & SA_RESTART) != 0))
        registers_restart(task, registers, false);
    else
        registers_set_result(registers, -EINTR);
}

/* The frame cannot be written: SIGSEGV, by default if that is the one that could not be. */
static void no_frame(struct task *task, int number)
{
    if (number == SIGSEGV) {
        struct process *process = task->process;
        rt_lock(&process->lock);
        rt_lock(&process->handlers->lock);
        __atomic_store_n(&process->handlers->action[SIGSEGV - 1].handler, SIG_DFL,
                         __ATOMIC_RELAXED);
        rt_unlock(&process->handlers->lock);
        rt_unlock(&process->lock);
    }
    signal_force_kernel(task, SIGSEGV);
}

static void handle(struct delivery *delivery)
{
    struct task *task = delivery->task;
    const struct signal_action *action = &delivery->action;
    signal_set old = task->restore_blocked ? task->saved_blocked : task->blocked;
    task->restore_blocked = false;
    if (frame_push(task, &delivery->info, action, old) != 0) {
        signal_set_blocked(task, old);
        no_frame(task, delivery->info.number);
        return;
    }
    signal_set blocked = task->blocked | action->mask;
    if ((action->flags & SA_NODEFER) == 0)
        blocked |= SIGNAL_BIT(delivery->info.number);
    signal_set_blocked(task, blocked);
}

/* One step; false: there is nothing more to do. `*restart` as long as the call is undecided. */
static bool deliver_one(struct task *task, struct guest_registers *registers, bool *restart)
{
    struct process *process = task->process;
    struct delivery delivery = { .task = task };
    if (__atomic_load_n(&task->exit_pending, __ATOMIC_ACQUIRE) != 0)
        task_exit(process->exit_status);
    stop_join(task);
    if (__atomic_load_n(&task->exit_pending, __ATOMIC_ACQUIRE) != 0)
        return true;
    rt_lock(&process->lock);
    enum outcome outcome = take_one(&delivery);
    if (outcome == NOTHING)
        signal_recalculate(task);
    bool more = signal_due(task);
    rt_unlock(&process->lock);
    if (outcome == HANDLE && delivery.info.code == SI_TIMER)
        process_timers_taken(process, &delivery.info);
    switch (outcome) {
    case NOTHING:
        return more;
    case AGAIN:
        return true;
    case STOP:
        stop_process(process, delivery.info.number);
        return true;
    case END:
        process_exit((uint32_t)delivery.info.number);
    case HANDLE:
        if (*restart)
            end_or_restart(task, registers, &delivery.action);
        *restart = false;
        handle(&delivery);
        return true;
    }
    return true;
}

/* Nobody handled anything: the call goes on, with the mask that it was made with. */
static void nothing_handled(struct task *task, struct guest_registers *registers, bool restart)
{
    if (restart)
        registers_restart(task, registers, registers_result(registers) == -ERESTART_RESTARTBLOCK);
    if (task->restore_blocked) {
        task->restore_blocked = false;
        signal_set_blocked(task, task->saved_blocked);
    }
}

void signal_deliver(struct task *task, bool in_call)
{
    struct guest_registers *registers = &vcpu_state(task->vcpu)->registers;
    bool restart = in_call && task->call_number >= 0 && is_restart(registers_result(registers));
    if (LIKELY(!signal_wanted(task) && !restart && !task->restore_blocked))
        return;
    do {
        while (signal_wanted(task) && deliver_one(task, registers, &restart))
            ;
        nothing_handled(task, registers, restart);
        restart = false;
    } while (signal_wanted(task)); /* the mask that came back may let more in */
}

/* ---- faults ---- */

void signal_fault(struct task *task, const struct guest_fault *fault)
{
    struct signal_info info = { 0 };
    if (fault->access != 0) {
        struct fault_signal signal;
        if (mm_fault(task->mm, fault, &signal) == 0)
            return;
        info.number = signal.number;
        info.code = signal.code;
        info.of.fault.address = signal.address;
    } else {
        exception_signal(task, fault, &info);
    }
    exception_note(task, fault);
    signal_force(task, &info);
}

int64_t linux_rt_sigreturn(void)
{
    struct task *self = task_self();
    struct guest_registers *registers = &vcpu_state(self->vcpu)->registers;
    signal_set mask;
    struct linux_stack stack;
    self->call_number = -1; /* whatever the registers hold now is no result to restart by */
    if (frame_pop(self, &mask, &stack) != 0) {
        signal_force_kernel(self, SIGSEGV);
        return registers_result(registers);
    }
    signal_set_blocked(self, mask);
    /* As Linux: a stack that cannot be is left as it is. */
    (void)signal_stack_set(self, &stack, registers_stack(registers));
    return registers_result(registers);
}

int64_t linux_restart_syscall(void)
{
    struct task *self = task_self();
    int64_t (*restart)(struct task *) = self->restart;
    self->restart = NULL;
    return restart == NULL ? -EINTR : restart(self);
}

/* Handlers, masks and stacks: what a program says about its signals. sigaction(2). */
#include "signal_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/count.h>
#include <linux/frame.h>
#include <linux/heap.h>
#include <linux/machine.h>

struct signal_handlers *signal_handlers_get(struct signal_handlers *handlers)
{
    count_get(&handlers->references);
    return handlers;
}

void signal_handlers_put(struct signal_handlers *handlers)
{
    if (count_put(&handlers->references))
        heap_free(handlers);
}

int signal_handlers_copy(struct signal_handlers *source, struct signal_handlers **handlers_out)
{
    struct signal_handlers *copy = heap_alloc(sizeof(*copy));
    if (copy == NULL)
        return -ENOMEM;
    copy->references = 1;
    if (source != NULL) {
        rt_lock(&source->lock);
        memcpy(copy->action, source->action, sizeof(copy->action));
        rt_unlock(&source->lock);
    }
    *handlers_out = copy;
    return 0;
}

void signal_handlers_reset(struct signal_handlers *handlers)
{
    rt_lock(&handlers->lock);
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        bool ignored = handlers->action[i].handler == SIG_IGN;
        handlers->action[i] = (struct signal_action){ .handler = ignored ? SIG_IGN : SIG_DFL };
    }
    rt_unlock(&handlers->lock);
}

/* struct sigaction as the call has it. */
struct guest_action {
    uint64_t handler, flags, restorer, mask;
};

static int action_check(int32_t number, bool changes, uint64_t set_bytes)
{
    if (set_bytes != sizeof(signal_set) || number < 1 || number > SIGNAL_COUNT)
        return -EINVAL;
    return changes && (SIGNAL_BIT(number) & SIGNALS_NEVER_BLOCKED) != 0 ? -EINVAL : 0;
}

/* What is ignored from now on is not pending any more, either. */
static void drop_if_ignored(struct process *process, int number, uint64_t handler)
{
    if (handler != SIG_IGN && (handler != SIG_DFL || !signal_ignored_by_default(number)))
        return;
    signal_pending_drop(&process->pending, SIGNAL_BIT(number));
    LIST_FOR_EACH(link, &process->tasks)
    {
        struct task *task = CONTAINER_OF(link, struct task, in_process);
        signal_pending_drop(&task->pending, SIGNAL_BIT(number));
    }
}

static void action_exchange(struct process *process, int number, const struct guest_action *new,
                            struct signal_action *old_out)
{
    rt_lock(&process->lock);
    rt_lock(&process->handlers->lock);
    struct signal_action *action = &process->handlers->action[number - 1];
    *old_out = *action;
    if (new != NULL) {
        action->flags = new->flags;
        action->restorer = new->restorer;
        action->mask = new->mask & ~SIGNALS_NEVER_BLOCKED;
        __atomic_store_n(&action->handler, new->handler, __ATOMIC_RELAXED);
    }
    rt_unlock(&process->handlers->lock);
    if (new != NULL)
        drop_if_ignored(process, number, new->handler);
    rt_unlock(&process->lock);
}

int64_t linux_rt_sigaction(int32_t number, uaddr_t new_at, uaddr_t old_at, uint64_t set_bytes)
{
    int error = action_check(number, new_at != 0, set_bytes);
    if (error != 0)
        return error;
    struct guest_action new;
    if (new_at != 0 && copy_in(&new, new_at, sizeof(new)) != 0)
        return -EFAULT;
    struct signal_action old;
    action_exchange(task_self()->process, number, new_at != 0 ? &new : NULL, &old);
    if (old_at == 0)
        return 0;
    struct guest_action told = {
        .handler = old.handler, .flags = old.flags, .restorer = old.restorer, .mask = old.mask
    };
    return copy_out(old_at, &told, sizeof(told));
}

/* ---- masks ---- */

/* What the process was told of through this thread may be for others now. */
void signal_set_blocked(struct task *task, signal_set blocked)
{
    struct process *process = task->process;
    rt_lock(&process->lock);
    blocked &= ~SIGNALS_NEVER_BLOCKED;
    bool others = (process->pending.set & blocked & ~task->blocked) != 0;
    task->blocked = blocked;
    signal_recalculate(task);
    if (others)
        signal_retell(process);
    rt_unlock(&process->lock);
}

int64_t linux_rt_sigprocmask(int32_t how, uaddr_t new_at, uaddr_t old_at, uint64_t set_bytes)
{
    struct task *self = task_self();
    signal_set old = self->blocked;
    signal_set set;
    if (set_bytes != sizeof(signal_set))
        return -EINVAL;
    if (new_at != 0) {
        if (copy_in(&set, new_at, sizeof(set)) != 0)
            return -EFAULT;
        if (how == SIG_BLOCK)
            set |= old;
        else if (how == SIG_UNBLOCK)
            set = old & ~set;
        else if (how != SIG_SETMASK)
            return -EINVAL;
        if (set != old)
            signal_set_blocked(self, set);
    }
    return old_at == 0 ? 0 : copy_out(old_at, &old, sizeof(old));
}

int64_t linux_rt_sigpending(uaddr_t to, uint64_t set_bytes)
{
    if (set_bytes > sizeof(signal_set))
        return -EINVAL;
    struct task *self = task_self();
    signal_set set = signal_pending_of(self, self->blocked);
    return copy_out(to, &set, set_bytes);
}

int signal_mask_for_call(uaddr_t from, uint64_t size_bytes)
{
    signal_set set;
    if (from == 0)
        return 0;
    if (size_bytes != sizeof(set))
        return -EINVAL;
    if (copy_in(&set, from, sizeof(set)) != 0)
        return -EFAULT;
    struct task *self = task_self();
    self->saved_blocked = self->blocked;
    self->restore_blocked = true;
    signal_set_blocked(self, set);
    return 0;
}

void signal_mask_call_ends(int64_t result)
{
    struct task *self = task_self();
    bool interrupted = result == -EINTR || result == -ERESTARTNOHAND || result == -ERESTARTSYS ||
                       result == -ERESTARTNOINTR || result == -ERESTART_RESTARTBLOCK;
    if (!self->restore_blocked || interrupted)
        return;
    self->restore_blocked = false;
    signal_set_blocked(self, self->saved_blocked);
}

/* ---- stacks ---- */

static bool on_signal_stack(const struct task *task, uint64_t stack)
{
    return (task->stack_flags & SS_AUTODISARM) == 0 && stack > task->stack_base &&
           stack - task->stack_base <= task->stack_size;
}

int signal_stack_set(struct task *task, const struct linux_stack *stack, uint64_t pointer)
{
    if (on_signal_stack(task, pointer))
        return -EPERM;
    uint32_t mode = stack->flags & ~SS_AUTODISARM;
    if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
        return -EINVAL;
    if (mode == SS_DISABLE) {
        task->stack_base = task->stack_size = 0;
    } else {
        if (stack->size_bytes < frame_stack_min())
            return -ENOMEM;
        task->stack_base = stack->base;
        task->stack_size = stack->size_bytes;
    }
    task->stack_flags = stack->flags;
    return 0;
}

void signal_stack_get(const struct task *task, struct linux_stack *stack_out)
{
    *stack_out = (struct linux_stack){ .base = task->stack_base,
                                       .flags = task->stack_flags,
                                       .size_bytes = task->stack_size };
}

/* As sigaltstack tells it: whether it is in use now. */
static uint32_t stack_state(const struct task *task, uint64_t pointer)
{
    if (task->stack_size == 0)
        return SS_DISABLE;
    return (on_signal_stack(task, pointer) ? SS_ONSTACK : 0) | (task->stack_flags & SS_AUTODISARM);
}

int64_t linux_sigaltstack(uaddr_t new_at, uaddr_t old_at)
{
    struct task *self = task_self();
    uint64_t pointer = registers_stack(&vcpu_state(self->vcpu)->registers);
    struct linux_stack old = { .base = self->stack_base,
                               .flags = stack_state(self, pointer),
                               .size_bytes = self->stack_size };
    struct linux_stack new;
    if (new_at != 0) {
        if (copy_in(&new, new_at, sizeof(new)) != 0)
            return -EFAULT;
        int error = signal_stack_set(self, &new, pointer);
        if (error != 0)
            return error;
    }
    return old_at == 0 ? 0 : copy_out(old_at, &old, sizeof(old));
}

struct signal_stack signal_stack_choose(const struct task *task, const struct signal_action *action,
                                        uint64_t pointer, uint64_t red_zone)
{
    struct signal_stack stack = { .top = pointer - red_zone };
    bool on_it = on_signal_stack(task, pointer);
    if ((action->flags & SA_ONSTACK) != 0 && task->stack_size != 0 && !on_it)
        stack.top = task->stack_base + task->stack_size;
    else if (!on_it)
        return stack;
    stack.floor = task->stack_base;
    return stack;
}

/* What /proc tells of tasks and processes. proc(5). */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>

static char state_letter(const struct task *task)
{
    switch (__atomic_load_n(&task->state, __ATOMIC_RELAXED)) {
    case TASK_RUNNING:
        return 'R';
    case TASK_STOPPED:
        return 'T';
    case TASK_DEAD:
        return 'Z';
    default:
        return 'S';
    }
}

static void view_family(const struct process *process, struct task_view *view)
    REQUIRES(processes_lock)
{
    view->pid = process->pid;
    view->parent = process->parent == NULL ? 0 : process->parent->pid;
    view->group = process->group;
    view->session = process->session;
    view->exit_signal = process->exit_signal;
    view->terminal = process->terminal;
    view->children_ns = process->children_ns;
}

static void view_signals(const struct process *process, const struct task *task,
                         struct task_view *view)
{
    view->threads = process->task_count;
    view->exit_status = process->exit_status;
    view->pending = task->pending.set;
    view->shared_pending = process->pending.set;
    view->blocked = task->blocked;
    for (int number = 1; number <= SIGNAL_COUNT; number++) {
        uint64_t handler =
            __atomic_load_n(&process->handlers->action[number - 1].handler, __ATOMIC_RELAXED);
        if (handler == SIG_IGN)
            view->ignored |= SIGNAL_BIT(number);
        else if (handler != SIG_DFL)
            view->caught |= SIGNAL_BIT(number);
    }
}

int task_view(int32_t tid, struct task_view *view_out)
{
    memset(view_out, 0, sizeof(*view_out));
    rt_lock(&processes_lock);
    struct task *task = table_task(tid);
    if (task != NULL) {
        struct process *process = task->process;
        view_family(process, view_out);
        rt_lock(&process->lock);
        view_signals(process, task, view_out);
        rt_unlock(&process->lock);
        view_out->tid = tid;
        view_out->state = state_letter(task);
        view_out->nice = __atomic_load_n(&task->nice, __ATOMIC_RELAXED);
        view_out->start_ns = task->start_ns;
        view_out->queued = __atomic_load_n(&task->charged->signals, __ATOMIC_RELAXED);
        task_name(task, view_out->comm);
        view_out->cpu_ns = tid == process->pid ? process_cpu_ns(process) : task_cpu_ns(task);
    }
    rt_unlock(&processes_lock);
    return task == NULL ? -ESRCH : 0;
}

/* ptrace(2), "Ptrace access mode checking", with file system ids. */
int task_may_look(struct task *task)
{
    struct task *self = task_self();
    if (task->process == self->process)
        return 0;
    const struct cred *mine = self->cred;
    struct cred *cred = task_cred(task);
    bool same = mine->fsuid == cred->uid && mine->fsuid == cred->euid &&
                mine->fsuid == cred->suid && mine->fsgid == cred->gid &&
                mine->fsgid == cred->egid && mine->fsgid == cred->sgid;
    bool less = (cred->permitted & ~mine->permitted) == 0;
    bool dumpable = __atomic_load_n(&task->process->dumpable, __ATOMIC_RELAXED);
    cred_put(cred);
    return (same && less && dumpable) || capable(CAP_SYS_PTRACE) ? 0 : -EPERM;
}

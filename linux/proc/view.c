/* What /proc tells of tasks and processes. proc(5). */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/mm.h>

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

/* Itself as long as it is in the table, whoever may have its id later; but a leader whose id execve
 * gave to another thread is that. */
static struct task *task_now(struct task *task) REQUIRES(processes_lock)
{
    if (tree_linked(&task->in_table))
        return task;
    return task->tid == task->process->pid ? task->process->leader : NULL;
}

int task_view(struct task *task, struct task_view *view_out)
{
    memset(view_out, 0, sizeof(*view_out));
    rt_lock(&processes_lock);
    task = task_now(task);
    if (task != NULL) {
        struct process *process = task->process;
        view_family(process, view_out);
        rt_lock(&process->lock);
        view_signals(process, task, view_out);
        rt_unlock(&process->lock);
        view_out->tid = task->tid;
        view_out->state = state_letter(task);
        task_cpus(task, &view_out->cpus);
        view_out->nice = __atomic_load_n(&task->nice, __ATOMIC_RELAXED);
        view_out->start_ns = task->start_ns;
        view_out->queued = __atomic_load_n(&task->charged->signals, __ATOMIC_RELAXED);
        task_name(task, view_out->comm);
        view_out->cpu_ns = task == process->leader ? process_cpu_ns(process) : task_cpu_ns(task);
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
    bool dumpable = __atomic_load_n(&task->process->dumpable, __ATOMIC_ACQUIRE);
    cred_put(cred);
    return (same && less && dumpable) || capable(CAP_SYS_PTRACE) ? 0 : -EPERM;
}

/* ---- What of a task is looked into ---- */

enum part { PART_MEMORY, PART_FILES, PART_FS };

/* Counted; NULL: it is dead. */
static void *part_get(struct task *task, enum part part)
{
    switch (part) {
    case PART_MEMORY:
        return task_mm(task);
    case PART_FILES:
        return task_files(task);
    case PART_FS:
    default:
        return task_fs(task);
    }
}

static void part_put(enum part part, void *object)
{
    if (object == NULL)
        return;
    if (part == PART_MEMORY)
        mm_put(object);
    else if (part == PART_FILES)
        file_table_put(object);
    else
        fs_context_put(object);
}

/* Taken first, then looked whether the caller may, then whether it is the task's still: if not, a
 * program began meanwhile, and the look may have been at the other one (task_exec_commit). */
static int look(struct task *task, enum part part, void **object_out)
{
    for (;;) {
        void *object = part_get(task, part);
        int error = object == NULL ? -ESRCH : task_may_look(task);
        void *now = error == 0 ? part_get(task, part) : NULL;
        part_put(part, now);
        if (error == 0 && now == object) {
            *object_out = object;
            return 0;
        }
        part_put(part, object);
        if (error != 0)
            return error;
    }
}

int task_look_mm(struct task *task, struct mm **mm_out)
{
    void *found = NULL;
    int error = look(task, PART_MEMORY, &found);
    if (error == 0)
        *mm_out = found;
    return error;
}

int task_look_files(struct task *task, struct file_table **files_out)
{
    void *found = NULL;
    int error = look(task, PART_FILES, &found);
    if (error == 0)
        *files_out = found;
    return error;
}

int task_look_fs(struct task *task, struct fs_context **fs_out)
{
    void *found = NULL;
    int error = look(task, PART_FS, &found);
    if (error == 0)
        *fs_out = found;
    return error;
}

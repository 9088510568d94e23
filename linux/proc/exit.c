/* How tasks and processes end.
 *
 * A task first gives up what it has of its own (memory, descriptors), then leaves the process under
 * the locks, and touches nothing that is counted after that: whoever waits for the process may
 * free it. The last task that leaves makes the process a zombie.
 */
#include "proc_impl.h"
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/futex.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/timers.h>

static void vfork_release(struct task *task)
{
    rt_lock(&task->lock);
    struct task *parent = task->vfork_parent;
    task->vfork_parent = NULL;
    rt_unlock(&task->lock);
    if (parent == NULL)
        return;
    __atomic_store_n(&task->vfork_over, 1, __ATOMIC_RELEASE);
    park_wake(parent);
    task_put(parent);
}

/* The word is looked at by others only where there are others in this memory. */
static void clear_tid_word(struct task *task)
{
    uaddr_t at = task->clear_tid;
    task->clear_tid = 0;
    if (at == 0 || __atomic_load_n(&task->mm->references, __ATOMIC_RELAXED) <= 1)
        return;
    static const uint32_t nobody = 0;
    if (copy_out(at, &nobody, sizeof(nobody)) == 0)
        futex_wake(at, 1);
}

void task_leave_memory(struct task *task)
{
    if (task->mm != NULL) {
        futex_end(task);
        clear_tid_word(task);
    }
    vfork_release(task);
}

/* Not under its lock: the last user of a table closes files. */
static void task_drop_tables(struct task *task)
{
    rt_lock(&task->lock);
    struct file_table *files = task->files;
    struct fs_context *fs = task->fs;
    struct mm *mm = task->mm;
    task->files = NULL;
    task->fs = NULL;
    rt_unlock(&task->lock);
    if (files != NULL)
        file_table_put(files);
    if (fs != NULL)
        fs_context_put(fs);
    rt_lock(&task->lock);
    task->mm = NULL;
    rt_unlock(&task->lock);
    if (mm != NULL)
        mm_put(mm);
}

void process_end_tasks(struct process *process, struct task *except)
{
    LIST_FOR_EACH(link, &process->tasks)
    {
        struct task *task = CONTAINER_OF(link, struct task, in_process);
        if (task == except)
            continue;
        __atomic_store_n(&task->exit_pending, 1, __ATOMIC_RELEASE);
        signal_notify(task);
    }
}

void process_end(struct process *process, uint32_t status)
{
    if (process->ending || process->task_count == 0)
        return;
    process->ending = true;
    process->exit_status = status;
    process->stopping = process->stopped = process->stop_taken = false;
    process_end_tasks(process, NULL);
}

void process_kill(struct process *process, uint32_t status)
{
    rt_lock(&process->lock);
    process_end(process, status);
    rt_unlock(&process->lock);
}

/* With its lock; a thread that another's execve ends ends alone. */
static void process_exit_begin(struct process *process, struct task *self, uint32_t status)
{
    if (process->exec_task == NULL || process->exec_task == self)
        process_end(process, status);
}

void process_exit(uint32_t status)
{
    struct task *self = task_self();
    rt_lock(&self->process->lock);
    process_exit_begin(self->process, self, status);
    rt_unlock(&self->process->lock);
    task_exit(status);
}

/* True for the last on its way out: nobody is left who could make another. */
static bool task_exit_begin(struct task *task)
{
    struct process *process = task->process;
    rt_lock(&process->lock);
    bool last = --process->live_count == 0;
    rt_unlock(&process->lock);
    return last;
}

static struct process *reaper_for(struct process *process) REQUIRES(processes_lock)
{
    if (process->has_subreaper) {
        for (struct process *p = process->parent; p != NULL; p = p->parent) {
            if (p->subreaper && !p->zombie)
                return p;
        }
    }
    struct process *first = table_process(1);
    return first == process || first == NULL || first->zombie ? NULL : first;
}

static void child_moves(struct process *child, struct process *reaper) REQUIRES(processes_lock)
{
    list_remove(&child->in_parent);
    child->parent = reaper;
    child->exit_signal = SIGCHLD;
    if (reaper != NULL)
        list_push_back(&reaper->children, &child->in_parent);
    rt_lock(&child->lock);
    LIST_FOR_EACH(link, &child->tasks)
    task_set_parent_reply(CONTAINER_OF(link, struct task, in_process), reaper);
    rt_unlock(&child->lock);
}

static void orphan_children(struct process *process) REQUIRES(processes_lock)
{
    struct process *reaper = reaper_for(process);
    LIST_FOR_EACH_SAFE(link, &process->children)
    {
        struct process *child = CONTAINER_OF(link, struct process, in_parent);
        child_moves(child, reaper);
        if (child->parent_death_signal != 0) {
            struct signal_info info = { .number = child->parent_death_signal, .code = SI_USER };
            info.of.queue.pid = process->pid;
            (void)signal_send_process(child, &info);
        }
        if (child->zombie && process_tell_end(child))
            process_forget(child);
        else if (child->group != process->group && child->session == process->session)
            group_check_orphans(NULL, child->group);
    }
}

/* Process 1 takes everybody with it. */
static void end_everybody(struct process *first) REQUIRES(processes_lock)
{
    PROCESS_FOR_EACH(process)
    {
        if (process != first)
            process_kill(process, SIGKILL);
    }
}

/* The last task has left. */
static void process_finish(struct process *process) REQUIRES(processes_lock)
{
    process->zombie = true;
    if (process->pid == 1)
        end_everybody(process);
    orphan_children(process);
    group_check_orphans(process, process->group);
    wait_queue_wake(&process->end_queue, 0);
    if (process_tell_end(process))
        process_forget(process);
}

/* Its place in the process is empty then; true if it was the last one. */
static bool process_leave(struct task *task, uint32_t status) REQUIRES(processes_lock)
{
    struct process *process = task->process;
    rt_lock(&process->lock);
    process->ended_ns += machine_cpu_ns(task->vcpu);
    task->exit_status = status;
    __atomic_store_n(&task->state, TASK_DEAD, __ATOMIC_RELAXED);
    list_remove(&task->in_process);
    process->task_count--;
    signal_task_leaves(task);
    bool last = process->task_count == 0;
    if (last && !process->ending) {
        process->ending = true;
        process->exit_status = process->leader->exit_status;
    }
    rt_unlock(&process->lock);
    return last;
}

/* The stop of all others was complete by its leaving. */
static bool stop_is_news(struct process *process)
{
    rt_lock(&process->lock);
    bool news = process->stop_notice;
    process->stop_notice = false;
    rt_unlock(&process->lock);
    return news;
}

static void task_leave(struct task *task, uint32_t status)
{
    struct process *process = process_get(task->process);
    rt_lock(&processes_lock);
    bool last = process_leave(task, status);
    if (!last && stop_is_news(process))
        process_tell_stop(process, true);
    bool stays = task == process->leader;
    if (!stays)
        table_remove_task(task);
    if (last)
        process_finish(process);
    rt_unlock(&processes_lock);
    if (!stays) {
        account_drop_task(task->charged);
        task_put(task);
    }
    (void)__atomic_fetch_add(&process->task_word, 1, __ATOMIC_SEQ_CST);
    machine_wake(&process->task_word, UINT32_MAX);
    process_put(process);
}

void task_exit(uint32_t status)
{
    struct task *task = task_self();
    struct vcpu_head *head = (struct vcpu_head *)task->vcpu;
    task_leave_memory(task);
    if (task_exit_begin(task)) {
        process_timers_end(task->process);
        session_process_ends(task->process);
    }
    task_drop_tables(task);
    task_leave(task, status);
    head->owner = NULL;
    task_put(task);
    vcpu_exit();
}

int64_t linux_exit(int32_t code)
{
    task_exit(((uint32_t)code & 0xff) << 8);
}

int64_t linux_exit_group(int32_t code)
{
    process_exit(((uint32_t)code & 0xff) << 8);
}

int64_t linux_set_tid_address(uaddr_t at)
{
    struct task *self = task_self();
    self->clear_tid = at;
    return self->tid;
}

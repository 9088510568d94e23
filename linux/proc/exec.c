/* execve's process side: one thread is left, with handlers, descriptors and timers as a new program
 * has them. execve(2), "Effect on process attributes".
 */
#include "proc_impl.h"
#include <linux/abi/errno.h>
#include <linux/futex.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/timers.h>

/* The others end for this one; whoever asks second is one of those. */
static int exec_claim(struct task *self)
{
    struct process *process = self->process;
    rt_lock(&process->lock);
    bool refused = process->ending || process->exec_task != NULL ||
                   __atomic_load_n(&self->exit_pending, __ATOMIC_RELAXED) != 0;
    if (!refused) {
        process->exec_task = self;
        process_end_tasks(process, self);
    }
    rt_unlock(&process->lock);
    return refused ? -ERESTARTNOINTR : 0;
}

/* Ends are not waited for by others, so this is bounded. */
static void exec_wait(struct process *process)
{
    for (;;) {
        uint32_t seen = __atomic_load_n(&process->task_word, __ATOMIC_SEQ_CST);
        rt_lock(&process->lock);
        bool alone = process->task_count == 1;
        rt_unlock(&process->lock);
        if (alone)
            return;
        machine_wait(&process->task_word, seen, MACHINE_NEVER);
    }
}

static int exec_release(struct task *self)
{
    struct process *process = self->process;
    rt_lock(&process->lock);
    process->exec_task = NULL;
    bool ending = process->ending;
    rt_unlock(&process->lock);
    return ending ? -ERESTARTNOINTR : 0;
}

/* Who gains something shares neither descriptors nor where it stands with who did not. */
static int exec_tables(struct exec_change *change)
{
    struct task *self = task_self();
    int error = signal_handlers_copy(self->process->handlers, &change->handlers);
    if (error == 0)
        error = file_table_copy(self->files, &change->files);
    if (error == 0 && change->gains)
        error = fs_context_copy(self->fs, &change->fs);
    if (error != 0)
        task_exec_abandon(change);
    return error;
}

/* Who is more than his user says gains too, even if he was that before. */
static bool cred_gains(const struct cred *old, const struct cred *new)
{
    return new->euid != new->uid || new->egid != new->gid || new->euid != old->euid ||
           new->egid != old->egid || (new->permitted & ~old->permitted) != 0;
}

int task_exec_begin(const struct cred *cred, bool secret, struct exec_change *change)
{
    struct task *self = task_self();
    *change = (struct exec_change){ .gains = cred_gains(self->cred, cred), .secret = secret };
    int error = exec_tables(change);
    if (error != 0)
        return error;
    error = exec_claim(self);
    if (error == 0) {
        exec_wait(self->process);
        error = exec_release(self);
    }
    if (error != 0)
        task_exec_abandon(change);
    return error;
}

void task_exec_abandon(struct exec_change *change)
{
    if (change->handlers != NULL)
        signal_handlers_put(change->handlers);
    if (change->files != NULL)
        file_table_put(change->files);
    if (change->fs != NULL)
        fs_context_put(change->fs);
    *change = (struct exec_change){ 0 };
}

/* The old leader, dead by now, leaves its id to the caller. */
static void exec_become_leader(struct task *self)
{
    struct process *process = self->process;
    rt_lock(&processes_lock);
    struct task *old = process->leader;
    if (old != self) {
        table_remove_task(old);
        table_rename_task(self, process->pid);
        process->leader = task_get(self);
    }
    process->executed = true;
    process->executions++;
    process->exit_signal = SIGCHLD;
    rt_unlock(&processes_lock);
    if (old == self)
        return;
    account_drop_task(old->charged);
    task_put(old); /* the table's */
    task_put(old); /* the process's */
}

static void exec_handlers(struct task *self, struct signal_handlers *handlers_taken)
{
    struct process *process = self->process;
    signal_handlers_reset(handlers_taken);
    rt_lock(&process->lock);
    struct signal_handlers *old = process->handlers;
    process->handlers = handlers_taken;
    rt_unlock(&process->lock);
    signal_handlers_put(old);
    self->stack_base = self->stack_size = 0;
    self->stack_flags = SS_DISABLE;
    self->restore_blocked = false;
    self->restart = NULL;
}

static void exec_files(struct task *self, struct file_table *files_taken)
{
    rt_lock(&self->lock);
    struct file_table *old = self->files;
    self->files = files_taken;
    rt_unlock(&self->lock);
    file_table_put(old);
    file_table_close_on_exec(files_taken);
}

static void exec_fs(struct task *self, struct fs_context *fs_taken)
{
    if (fs_taken == NULL)
        return;
    rt_lock(&self->lock);
    struct fs_context *old = self->fs;
    self->fs = fs_taken;
    rt_unlock(&self->lock);
    fs_context_put(old);
}

static void exec_memory(struct task *self, struct mm *mm_taken)
{
    task_leave_memory(self);
    rt_lock(&self->lock);
    struct mm *old = self->mm;
    self->mm = mm_taken;
    rt_unlock(&self->lock);
    futex_begin(self);
    self->robust_list = self->robust_list_bytes = 0;
    self->clear_tid = 0;
    self->fault_code = self->fault_error = self->fault_address = 0;
    if (vcpu_attach(self->vcpu, mm_taken->space) != 0)
        process_kill(self->process, SIGKILL);
    if (old != NULL)
        mm_put(old);
}

static void set_dumpable(struct process *process, bool dumpable)
{
    __atomic_store_n(&process->dumpable, dumpable, __ATOMIC_RELEASE);
}

/* In this order, for those who look (task_look_mm): who sees the new memory sees the new
 * credentials, and who sees that it may be looked at sees no old memory. */
void task_exec_commit(struct exec_change *change, struct mm *mm_taken, struct cred *cred_taken,
                      const char *name)
{
    struct task *self = task_self();
    exec_become_leader(self);
    set_dumpable(self->process, false);
    cred_commit(cred_taken); /* its id may be another, too: replies */
    exec_memory(self, mm_taken);
    exec_files(self, change->files);
    exec_fs(self, change->fs);
    exec_handlers(self, change->handlers);
    process_timers_exec(self->process);
    vcpu_vector_reset();
    if (change->gains) {
        rt_lock(&processes_lock);
        self->process->parent_death_signal = 0;
        rt_unlock(&processes_lock);
    }
    task_rename(self, name);
    set_dumpable(self->process, !change->gains && !change->secret);
    *change = (struct exec_change){ 0 };
}

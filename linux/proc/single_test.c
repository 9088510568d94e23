/* A process of one task, this thread, as process_start makes it (see single.h). */
#include "proc_impl.h"
#include <base/test.h>
#include <linux/machine.h>
#include <linux/single.h>

static void publish(struct process *process, struct task *task)
{
    rt_lock(&processes_lock);
    EXPECT_EQ(table_add_task(task), 0);
    process->pid = task->tid;
    process->leader = task_get(task);
    table_add_process(process);
    task->charged = account_get(task->cred->account);
    (void)__atomic_fetch_add(&task->charged->tasks, 1, __ATOMIC_RELAXED);
    list_push_back(&process->tasks, &task->in_process);
    process->task_count = 1;
    rt_unlock(&processes_lock);
}

struct task *single_task_begin(void)
{
    struct task *task = single_task_make(NULL);
    struct process *process = task->process;
    EXPECT_EQ(file_table_create(&task->files), 0);
    EXPECT_EQ(fs_context_create(&task->fs), 0);
    process->limit[RLIMIT_NOFILE] = (struct resource_limit){ 1024, 4096 };
    process->limit[RLIMIT_FSIZE] = (struct resource_limit){ RLIM_INFINITY, RLIM_INFINITY };
    publish(process, task);
    vcpu_discard(task->vcpu);
    task->vcpu = vcpu_self();
    ((struct vcpu_head *)task->vcpu)->owner = task;
    return task;
}

void single_task_end(struct task *task)
{
    struct process *process = task->process;
    file_table_put(task->files);
    fs_context_put(task->fs);
    task->files = NULL;
    task->fs = NULL;
    rt_lock(&processes_lock);
    list_remove(&task->in_process);
    process_forget(process);
    rt_unlock(&processes_lock);
    ((struct vcpu_head *)vcpu_self())->owner = NULL;
    task_put(task);
    process_put(process);
}

/* What nobody is the parent of leaves the table when it ends, which may be before anybody waits. */
TEST(join_tells_how_a_process_ended_that_the_table_does_not_have)
{
    struct process *process;
    EXPECT_EQ(process_create(NULL, &process), 0);
    rt_lock(&processes_lock);
    process->exit_status = 139;
    process->zombie = true;
    rt_unlock(&processes_lock);
    EXPECT_EQ(process_join(process), 139);
}

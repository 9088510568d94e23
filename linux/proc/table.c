/* Which tasks and processes there are, by id.
 *
 * An id is given again only when no task, process, group or session has it any more. Ids are given
 * in ascending order, so that one that has just gone is not soon another's.
 */
#include "proc_impl.h"
#include <linux/abi/errno.h>
#include <linux/count.h>
#include <linux/machine.h>

struct rt_lock processes_lock;

/* Under processes_lock. */
static struct {
    struct tree tasks;
    struct tree processes;
    int32_t last;
    bool wrapped; /* ids of groups may outlive who had them */
    uint32_t task_count, process_count, limit;
    uint64_t created;
} table;

struct task *task_self(void)
{
    struct vcpu_head *head = (struct vcpu_head *)vcpu_self();
    return head->owner;
}

struct task *task_get(struct task *task)
{
    count_get(&task->references);
    return task;
}

struct process *process_get(struct process *process)
{
    count_get(&process->references);
    return process;
}

static struct task *node_task(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct task, in_table);
}

static struct process *node_process(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct process, in_table);
}

static bool task_before(const struct tree_node *a, const struct tree_node *b)
{
    return node_task(a)->tid < node_task(b)->tid;
}

static bool process_before(const struct tree_node *a, const struct tree_node *b)
{
    return node_process(a)->pid < node_process(b)->pid;
}

static int task_compare(const struct tree_node *node, const void *key)
{
    int32_t tid = node_task(node)->tid;
    int32_t wanted = *(const int32_t *)key;
    return (tid > wanted) - (tid < wanted);
}

static int process_compare(const struct tree_node *node, const void *key)
{
    int32_t pid = node_process(node)->pid;
    int32_t wanted = *(const int32_t *)key;
    return (pid > wanted) - (pid < wanted);
}

struct task *table_task(int32_t tid)
{
    const struct tree_node *node = tree_lower_bound(&table.tasks, task_compare, &tid);
    return node != NULL && node_task(node)->tid == tid ? node_task(node) : NULL;
}

struct process *table_process_from(int32_t pid)
{
    const struct tree_node *node = tree_lower_bound(&table.processes, process_compare, &pid);
    return node == NULL ? NULL : node_process(node);
}

struct process *table_process(int32_t pid)
{
    struct process *process = table_process_from(pid);
    return process != NULL && process->pid == pid ? process : NULL;
}

static bool id_is_used(int32_t id) REQUIRES(processes_lock)
{
    if (table_task(id) != NULL || table_process(id) != NULL)
        return true;
    if (!table.wrapped)
        return false;
    PROCESS_FOR_EACH(process)
    {
        if (process->group == id || process->session == id)
            return true;
    }
    return false;
}

/* There are fewer tasks than ids (table_add_task), each with at most three of them. */
static int32_t id_next(void) REQUIRES(processes_lock)
{
    do {
        if (table.last >= PID_MAX - 1) {
            table.last = RESERVED_PIDS;
            table.wrapped = true;
        } else {
            table.last++;
        }
    } while (id_is_used(table.last));
    return table.last;
}

int table_add_task(struct task *task)
{
    uint32_t limit = table.limit != 0 ? table.limit : PID_MAX / 8;
    if (table.task_count >= limit)
        return -EAGAIN;
    task->tid = id_next();
    tree_insert(&table.tasks, &task->in_table, task_before);
    (void)task_get(task);
    table.task_count++;
    table.created++;
    return 0;
}

void table_remove_task(struct task *task)
{
    tree_remove(&table.tasks, &task->in_table);
    table.task_count--;
}

void table_rename_task(struct task *task, int32_t tid)
{
    tree_remove(&table.tasks, &task->in_table);
    task->tid = tid;
    tree_insert(&table.tasks, &task->in_table, task_before);
}

void table_add_process(struct process *process)
{
    tree_insert(&table.processes, &process->in_table, process_before);
    (void)process_get(process);
    table.process_count++;
}

void table_remove_process(struct process *process)
{
    tree_remove(&table.processes, &process->in_table);
    /* The container has ended; what is started now begins with process 1 again. */
    if (--table.process_count == 0) {
        table.last = 0;
        table.wrapped = false;
    }
}

struct task *task_find(int32_t tid)
{
    rt_lock(&processes_lock);
    struct task *task = table_task(tid);
    if (task != NULL)
        (void)task_get(task);
    rt_unlock(&processes_lock);
    return task;
}

struct process *process_find(int32_t pid)
{
    rt_lock(&processes_lock);
    struct process *process = table_process(pid);
    if (process != NULL)
        (void)process_get(process);
    rt_unlock(&processes_lock);
    return process;
}

int32_t process_next(int32_t pid)
{
    if (pid == INT32_MAX)
        return 0;
    rt_lock(&processes_lock);
    struct process *process = table_process_from(pid + 1);
    int32_t next = process == NULL ? 0 : process->pid;
    rt_unlock(&processes_lock);
    return next;
}

/* Threads are few, and in no order; a dead leader is one as long as others live. */
int32_t task_next(struct process *process, int32_t tid)
{
    int32_t next = 0;
    rt_lock(&processes_lock);
    if (process->leader != NULL && process->leader->tid > tid)
        next = process->leader->tid;
    LIST_FOR_EACH(link, &process->tasks)
    {
        int32_t id = CONTAINER_OF(link, struct task, in_process)->tid;
        if (id > tid && (next == 0 || id < next))
            next = id;
    }
    rt_unlock(&processes_lock);
    return next;
}

void process_counts(struct process_counts *counts_out)
{
    rt_lock(&processes_lock);
    *counts_out = (struct process_counts){ .created = table.created,
                                           .tasks = table.task_count,
                                           .processes = table.process_count,
                                           .last = table.last };
    TREE_FOR_EACH(node, &table.tasks)
    {
        if (__atomic_load_n(&node_task(node)->state, __ATOMIC_RELAXED) == TASK_RUNNING)
            counts_out->running++;
    }
    rt_unlock(&processes_lock);
}

bool processes_ended(void)
{
    rt_lock(&processes_lock);
    bool ended = tree_empty(&table.processes);
    rt_unlock(&processes_lock);
    return ended;
}

void processes_limit(uint32_t tasks)
{
    rt_lock(&processes_lock);
    table.limit = MIN(tasks, (uint32_t)PID_MAX / 8);
    rt_unlock(&processes_lock);
}

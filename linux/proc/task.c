/* Tasks and processes as structures: how they come to be, and how their memory goes. */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/count.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <linux/mm.h>
#include <linux/timers.h>

/* XSAVE wants its area aligned. */
static void *vector_area_create(void)
{
    return heap_alloc(vcpu_vector_size() + VECTOR_AREA_MORE + 63);
}

static void task_free(struct task *task)
{
    struct process *process = task->process;
    if (task->vfork_parent != NULL)
        task_put(task->vfork_parent);
    signal_pending_clear(&task->pending);
    cred_put(task->cred);
    heap_free(task->vector_memory);
    heap_free(task);
    process_put(process);
}

void task_put(struct task *task)
{
    if (count_put(&task->references))
        task_free(task);
}

int task_create(struct process *process, struct task *like, void (*run)(void *),
                struct task **task_out)
{
    struct task *task = heap_alloc(sizeof(*task));
    if (task == NULL)
        return -ENOMEM;
    task->vector_memory = vector_area_create();
    int error = task->vector_memory == NULL
                    ? -ENOMEM
                    : vcpu_create(run, task, like == NULL ? NULL : like->vcpu, &task->vcpu);
    if (error != 0) {
        heap_free(task->vector_memory);
        heap_free(task);
        return error;
    }
    task->references = 1;
    task->process = process_get(process);
    list_init(&task->in_process);
    list_init(&task->pending.queue);
    task->vector_area = (void *)ALIGN_UP((uintptr_t)task->vector_memory, 64);
    task->stack_flags = SS_DISABLE;
    task->call_number = -1;
    task->start_ns = machine_now_ns();
    task->timer_slack_ns = 50000;
    ((struct vcpu_head *)task->vcpu)->owner = task;
    *task_out = task;
    return 0;
}

/* Whatever it has by now is put back; its thread was never started. */
void task_discard(struct task *task)
{
    vcpu_discard(task->vcpu);
    if (task->files != NULL)
        file_table_put(task->files);
    if (task->fs != NULL)
        fs_context_put(task->fs);
    if (task->mm != NULL)
        mm_put(task->mm);
    task_put(task);
}

static void process_init(struct process *process)
{
    process->references = 1;
    list_init(&process->tasks);
    list_init(&process->children);
    list_init(&process->in_parent);
    list_init(&process->pending.queue);
    wait_queue_init(&process->signal_queue);
    wait_queue_init(&process->child_queue);
    wait_queue_init(&process->end_queue);
    process->dumpable = true;
    process->exit_signal = SIGCHLD;
    process->start_ns = machine_now_ns();
}

/* Limits, group, session and terminal are the parent's: under its locks, when it is added. */
int process_create(struct process *parent, struct process **process_out)
{
    struct process *process = heap_alloc(sizeof(*process));
    if (process == NULL)
        return -ENOMEM;
    process_init(process);
    int error = process_timers_create(process);
    if (error != 0) {
        heap_free(process);
        return error;
    }
    if (parent == NULL)
        memcpy(process->limit, first_limits, sizeof(process->limit));
    *process_out = process;
    return 0;
}

void process_put(struct process *process)
{
    if (!count_put(&process->references))
        return;
    signal_pending_clear(&process->pending);
    if (process->handlers != NULL)
        signal_handlers_put(process->handlers);
    process_timers_free(process);
    if (process->terminal != NULL)
        tty_put(process->terminal);
    wait_queue_end(&process->signal_queue);
    wait_queue_end(&process->child_queue);
    wait_queue_end(&process->end_queue);
    heap_free(process);
}

struct mm *task_mm(struct task *task)
{
    rt_lock(&task->lock);
    struct mm *mm = task->mm == NULL ? NULL : mm_get(task->mm);
    rt_unlock(&task->lock);
    return mm;
}

struct file_table *task_files(struct task *task)
{
    rt_lock(&task->lock);
    struct file_table *files = task->files == NULL ? NULL : file_table_get(task->files);
    rt_unlock(&task->lock);
    return files;
}

struct fs_context *task_fs(struct task *task)
{
    rt_lock(&task->lock);
    struct fs_context *fs = task->fs == NULL ? NULL : fs_context_get(task->fs);
    rt_unlock(&task->lock);
    return fs;
}

struct cred *task_cred(struct task *task)
{
    rt_lock(&task->lock);
    struct cred *cred = cred_get(task->cred);
    rt_unlock(&task->lock);
    return cred;
}

void task_name(struct task *task, char name_out[TASK_COMM_BYTES])
{
    rt_lock(&task->lock);
    memcpy(name_out, task->comm, TASK_COMM_BYTES);
    rt_unlock(&task->lock);
}

void task_rename(struct task *task, const char *name)
{
    rt_lock(&task->lock);
    memset(task->comm, 0, sizeof(task->comm));
    (void)strlcpy(task->comm, name, sizeof(task->comm));
    rt_unlock(&task->lock);
}

uint32_t park_begin(struct task *task)
{
    return __atomic_load_n(&task->park_word, __ATOMIC_SEQ_CST);
}

/* Either the sleeper sees the new word, or who changed it sees that somebody may sleep. */
void park(struct task *task, uint32_t seen)
{
    __atomic_store_n(&task->parking, 1, __ATOMIC_SEQ_CST);
    machine_wait(&task->park_word, seen, MACHINE_NEVER);
    __atomic_store_n(&task->parking, 0, __ATOMIC_RELAXED);
}

void park_wake(struct task *task)
{
    (void)__atomic_fetch_add(&task->park_word, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&task->parking, __ATOMIC_SEQ_CST) != 0)
        machine_wake(&task->park_word, UINT32_MAX);
}

uint64_t task_cpu_ns(struct task *task)
{
    rt_lock(&task->process->lock);
    uint64_t ns = list_linked(&task->in_process) ? machine_cpu_ns(task->vcpu) : 0;
    rt_unlock(&task->process->lock);
    return ns;
}

uint64_t process_cpu_ns(struct process *process)
{
    rt_lock(&process->lock);
    uint64_t ns = process->ended_ns;
    LIST_FOR_EACH(link, &process->tasks)
    ns += machine_cpu_ns(CONTAINER_OF(link, struct task, in_process)->vcpu);
    rt_unlock(&process->lock);
    return ns;
}

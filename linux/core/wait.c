#include <linux/abi/errno.h>
#include <linux/machine.h>
#include <linux/signals.h>
#include <linux/task.h>
#include <linux/wait.h>

void wait_queue_init(struct wait_queue *queue)
{
    queue->lock = (struct rt_lock){ 0 };
    list_init(&queue->waiters);
}

static void wake_task(struct waiter *waiter, uint32_t events)
{
    (void)events;
    task_wake(waiter->task);
}

void waiter_init(struct waiter *waiter, struct task *task)
{
    *waiter = (struct waiter){ .wake = wake_task, .task = task };
    list_init(&waiter->link);
}

void wait_queue_add(struct wait_queue *queue, struct waiter *waiter)
{
    rt_lock(&queue->lock);
    list_push_back(&queue->waiters, &waiter->link);
    waiter->queue = queue;
    rt_unlock(&queue->lock);
}

void wait_queue_remove(struct waiter *waiter)
{
    struct wait_queue *queue = waiter->queue;
    if (queue == NULL)
        return;
    rt_lock(&queue->lock);
    list_remove(&waiter->link);
    waiter->queue = NULL;
    rt_unlock(&queue->lock);
}

static bool matters(const struct waiter *waiter, uint32_t events)
{
    return events == 0 || waiter->events == 0 || (waiter->events & events) != 0;
}

/* A look without the lock is enough where nobody waits: who is about to wait adds himself first and
 * looks at the condition then, and both sides put a full barrier in between (the waker by having
 * changed the condition under a lock or atomically, and the fence here). */
static bool nobody_waits(const struct wait_queue *queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&queue->waiters.next, __ATOMIC_RELAXED) == &queue->waiters;
}

static void wake_up_to(struct wait_queue *queue, uint32_t events, unsigned count)
{
    if (nobody_waits(queue))
        return;
    rt_lock(&queue->lock);
    LIST_FOR_EACH_SAFE(link, &queue->waiters)
    {
        struct waiter *waiter = CONTAINER_OF(link, struct waiter, link);
        if (count > 0 && matters(waiter, events)) {
            count--;
            waiter->wake(waiter, events);
        }
    }
    rt_unlock(&queue->lock);
}

void wait_queue_wake(struct wait_queue *queue, uint32_t events)
{
    wake_up_to(queue, events, UINT32_MAX);
}

void wait_queue_wake_one(struct wait_queue *queue, uint32_t events)
{
    wake_up_to(queue, events, 1);
}

void wait_queue_end(struct wait_queue *queue)
{
    rt_lock(&queue->lock);
    while (!list_empty(&queue->waiters)) {
        struct waiter *waiter = CONTAINER_OF(queue->waiters.next, struct waiter, link);
        list_remove(&waiter->link);
        waiter->queue = NULL;
        waiter->wake(waiter, 0);
    }
    rt_unlock(&queue->lock);
}

/* The word is 1 if somebody has woken the task since it last looked. */
int task_sleep(uint64_t deadline_ns)
{
    struct task *task = task_self();
    for (;;) {
        if (__atomic_exchange_n(&task->wake, 0, __ATOMIC_ACQ_REL) != 0)
            return 0;
        if (__atomic_load_n(&task->exit_pending, __ATOMIC_ACQUIRE) != 0 || signal_wanted(task))
            return -ERESTARTSYS;
        if (deadline_ns != MACHINE_NEVER && machine_now_ns() >= deadline_ns)
            return -ETIMEDOUT;
        __atomic_store_n(&task->state, TASK_SLEEPING, __ATOMIC_RELAXED);
        machine_wait(&task->wake, 0, deadline_ns);
        __atomic_store_n(&task->state, TASK_RUNNING, __ATOMIC_RELAXED);
    }
}

void task_wake(struct task *task)
{
    if (__atomic_exchange_n(&task->wake, 1, __ATOMIC_ACQ_REL) == 0)
        machine_wake(&task->wake, 1);
}

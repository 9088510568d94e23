/* Sleeping, and being woken.
 *
 *     struct waiter waiter;
 *     waiter_init(&waiter, task_self());
 *     wait_queue_add(&pipe->readers, &waiter);
 *     while (!(done = condition) && (error = task_sleep(deadline)) == 0)
 *         ;
 *     wait_queue_remove(&waiter);
 *
 * A wake between the look and the sleep is not lost: it makes the next task_sleep return at once.
 */
#pragma once

#include <base/list.h>
#include <linux/lock.h>
#include <stdint.h>

struct task;
struct waiter;

struct wait_queue {
    struct rt_lock lock;
    struct list waiters;
};

struct waiter {
    struct list link;
    struct wait_queue *queue; /* NULL: on none */
    /* Called under the queue's lock with what happened (POLL bits, or 0 for everything). */
    void (*wake)(struct waiter *waiter, uint32_t events);
    struct task *task;
    uint32_t events; /* those that matter to it; 0: all */
};

void wait_queue_init(struct wait_queue *queue);
void waiter_init(struct waiter *waiter, struct task *task); /* wake() wakes the task */
void wait_queue_add(struct wait_queue *queue, struct waiter *waiter);
void wait_queue_remove(struct waiter *waiter); /* also if it is on none */
void wait_queue_wake(struct wait_queue *queue, uint32_t events);
void wait_queue_wake_one(struct wait_queue *queue, uint32_t events);
/* Before a queue's memory goes: whoever waits is taken off and woken. It must not run at the same
 * time as wait_queue_remove of one of its waiters: who waits holds a reference to what the queue
 * lies in, or both sides take the same lock around it. */
void wait_queue_end(struct wait_queue *queue);

/* Until woken: 0; a signal that is not blocked, or the process's end: -ERESTARTSYS; the deadline:
 * -ETIMEDOUT. A call that must not be interrupted does not exist. */
int task_sleep(uint64_t deadline_ns);
void task_wake(struct task *task);

/* The list of all threads, for the shell. */
#ifdef CONFIG_SHELL
#include "thread_list.h"
#include <kernel/shell.h>
#include <kernel/thread.h>

static struct spinlock all_lock = SPINLOCK_INIT(RANK_THREADS);
static struct list all_threads = { &all_threads, &all_threads };

void thread_list(struct thread *thread)
{
    spinlock_acquire(&all_lock);
    list_push_back(&all_threads, &thread->all_node);
    spinlock_release(&all_lock);
}

void thread_unlist(struct thread *thread)
{
    spinlock_acquire(&all_lock);
    list_remove(&thread->all_node);
    spinlock_release(&all_lock);
}

void thread_for_each(void (*visit)(const struct thread *thread, void *context), void *context)
{
    spinlock_acquire(&all_lock);
    LIST_FOR_EACH(node, &all_threads)
    {
        visit(CONTAINER_OF(node, struct thread, all_node), context);
    }
    spinlock_release(&all_lock);
}
#endif

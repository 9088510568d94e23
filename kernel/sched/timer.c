/* Per-CPU queues of one-shot timers. */
#include <arch/timer.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/timer.h>

enum { FIRE_SLICE = 64 }; /* in one interrupt: programs choose how many are due at once */

uint64_t clock_now_ns(void)
{
    return arch_clock_ns();
}

static struct timer *timer_of(struct tree_node *node)
{
    return CONTAINER_OF(node, struct timer, node);
}

static bool fires_before(const struct tree_node *a, const struct tree_node *b)
{
    const struct timer *x = CONTAINER_OF(a, const struct timer, node);
    const struct timer *y = CONTAINER_OF(b, const struct timer, node);
    return x->deadline_ns < y->deadline_ns;
}

void timer_queue_init(struct timer_queue *queue)
{
    spinlock_init(&queue->lock, RANK_TIMER);
    tree_init(&queue->tree);
    queue->count = 0;
    queue->next_ns = DEADLINE_NEVER;
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    tree_node_init(&timer->node);
    timer->fire = fire;
    timer->deadline_ns = DEADLINE_NEVER;
    timer->cpu = NULL;
}

static void update_next(struct timer_queue *queue) REQUIRES(queue->lock)
{
    struct tree_node *first = tree_first(&queue->tree);
    uint64_t next = first == NULL ? DEADLINE_NEVER : timer_of(first)->deadline_ns;
    __atomic_store_n(&queue->next_ns, next, __ATOMIC_RELAXED);
}

static void dequeue(struct timer_queue *queue, struct timer *timer) REQUIRES(queue->lock)
{
    tree_remove(&queue->tree, &timer->node);
    queue->count--;
    update_next(queue);
    __atomic_store_n(&timer->cpu, NULL, __ATOMIC_RELEASE);
}

void timer_start(struct timer *timer, uint64_t deadline_ns)
{
    struct cpu *cpu = cpu_self();
    struct timer_queue *queue = &cpu->timers;

    ASSERT(timer->cpu == NULL);
    spinlock_acquire(&queue->lock);
    timer->deadline_ns = deadline_ns;
    tree_insert(&queue->tree, &timer->node, fires_before);
    queue->count++;
    update_next(queue);
    __atomic_store_n(&timer->cpu, cpu, __ATOMIC_RELEASE);
    spinlock_release(&queue->lock);
    timer_program(cpu);
}

void timer_again(struct timer *timer, uint64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
}

bool timer_cancel(struct timer *timer)
{
    /* The timer leaves its queue only under that queue's lock, and joins another only by
     * timer_start, which its owner does not call meanwhile.
     */
    struct cpu *cpu = __atomic_load_n(&timer->cpu, __ATOMIC_ACQUIRE);
    if (cpu == NULL)
        return false;
    spinlock_acquire(&cpu->timers.lock);
    bool queued = timer->cpu == cpu;
    if (queued)
        dequeue(&cpu->timers, timer);
    spinlock_release(&cpu->timers.lock);
    return queued;
}

void timer_queue_run(struct cpu *cpu, uint64_t now_ns)
{
    struct timer_queue *queue = &cpu->timers;
    if (now_ns < __atomic_load_n(&queue->next_ns, __ATOMIC_RELAXED))
        return;

    spinlock_acquire(&queue->lock);
    for (unsigned left = FIRE_SLICE; left > 0; left--) {
        struct tree_node *first = tree_first(&queue->tree);
        if (first == NULL || timer_of(first)->deadline_ns > now_ns)
            break;
        struct timer *timer = timer_of(first);
        tree_remove(&queue->tree, first);
        timer->deadline_ns = DEADLINE_NEVER;
        /* Before timer->cpu says so, nobody can start or free it: a canceller waits for the lock.
         */
        timer->fire(timer);
        if (timer->deadline_ns != DEADLINE_NEVER) {
            tree_insert(&queue->tree, &timer->node, fires_before);
            continue;
        }
        queue->count--;
        __atomic_store_n(&timer->cpu, NULL, __ATOMIC_RELEASE);
    }
    update_next(queue);
    spinlock_release(&queue->lock);
}

void timer_program(struct cpu *cpu)
{
    uint64_t next = MIN(READ_ONCE(cpu->timers.next_ns), cpu->slice_end_ns);
    /* Too early an interrupt is cheaper than a device access on every switch: only ever pull it in.
     */
    if (next >= cpu->timer_programmed_ns)
        return;
    cpu->timer_programmed_ns = next;
    arch_timer_set(next);
}

/* Straight from one thread to another: in the scheduler's place, without asking it.
 *
 * Inline, since this is most of what a call costs.
 */
#pragma once

#include <arch/switch.h>
#include <kernel/guest.h>
#include <kernel/sched.h>
#include <kernel/share.h>

/* Some budget has a quota or a weight. */
static inline bool sched_shares_count(void)
{
    return __atomic_load_n(&share_limit_count, __ATOMIC_RELAXED) != 0;
}

/* What is rare: thread_over; all of sched_switch_end where one of the two is unusual. */
PRESERVES_MOST void sched_switch_over(struct thread *previous);
PRESERVES_MOST void sched_switch_slowly(struct thread *previous, struct thread *next);

/* `previous` has left the CPU: others may run it, and free it, so this is also the last look at it.
 */
static ALWAYS_INLINE void sched_let_go(struct thread *previous)
{
    uint32_t left = __atomic_sub_fetch(&previous->presence, THREAD_ON_CPU, __ATOMIC_ACQ_REL);
    if (UNLIKELY(left != 0))
        sched_switch_over(previous);
}

struct sched_switch {
    struct cpu *cpu;
    struct thread *previous;
    struct thread *next;
    uint64_t unusual; /* of the two; by sched_switch_begin */
};

/* Somebody waits for this CPU, or time is counted: `priority` may have it all the same. */
static inline bool sched_comes_first(const struct cpu *cpu, unsigned priority)
{
    uint64_t rivals = cpu->queue.ready >> priority;

    return !sched_shares_count() &&
           (rivals == 0 || (rivals == 1 && cpu->slice_end_ns != DEADLINE_NEVER));
}

/* Nobody else wants to be asked: `next` blocks here, no other thread should come first, and nobody
 * counts whose time it is. */
static ALWAYS_INLINE bool sched_may_switch(const struct sched_switch *s, unsigned priority)
{
    if (UNLIKELY(s->next->cpu != s->cpu))
        return false;
    if (UNLIKELY(s->unusual != 0) &&
        (s->previous->attention | s->next->attention | s->next->astray) != 0)
        return false;
    /* Who was killed while capabilities were on their way is dead by now, and was seen above. */
    DEBUG_ASSERT(s->next->state == THREAD_BLOCKED);
    return LIKELY((READ_ONCE(s->cpu->queue.ready) | READ_ONCE(share_limit_count)) == 0) ||
           sched_comes_first(s->cpu, priority);
}

/* Straight from the current thread to one that is blocked, as if it had been woken and the current
 * thread had called wait_begin(cancel, deadline_ns); `lent` as for sched_lend;
 * with `served` the current thread gives back what was lent to it. With the lock held
 * where `next` waits. False: nothing has happened, since `next` is not at home on this CPU, another
 * thread should come first, or one of the two is to be killed or suspended.
 */
static ALWAYS_INLINE bool sched_switch_begin(struct sched_switch *s, uint8_t lent,
                                             wait_cancel *cancel, uint64_t deadline_ns, bool served)
{
    struct thread *previous = s->previous;
    struct thread *next = s->next;
    struct run_queue *queue = &s->cpu->queue;
    uint8_t priority = MAX(next->own_priority, lent);
    spinlock_acquire(&queue->lock);
    /* Of `previous` only what comes first in there. */
    s->unusual = (uint16_t)READ_ONCE(previous->unusual) | READ_ONCE(next->unusual);
    bool may = sched_may_switch(s, priority);
    if (LIKELY(may)) {
        previous->wait.deadline_ns = deadline_ns;
        __atomic_store_n(&previous->wait.cancel, cancel, __ATOMIC_RELEASE);
        previous->state = THREAD_BLOCKED;
        if (served) {
            previous->lent_priority = 0;
            previous->priority = previous->own_priority;
        }
        next->lent_priority = lent;
        next->priority = priority;
        next->state = THREAD_RUNNING;
        __atomic_store_n(&next->wait.cancel, NULL, __ATOMIC_RELEASE);
        WRITE_ONCE(queue->running, next);
    }
    spinlock_release(&queue->lock);
    return may;
}

/* The other half, with no lock held. The time since the last look at the clock goes on counting,
 * now for `next`, and so does the slice of the one that lends it. Who calls is in no guest.
 */
static ALWAYS_INLINE void sched_switch_end(const struct sched_switch *s)
{
    if (UNLIKELY(s->unusual != 0)) {
        sched_switch_slowly(s->previous, s->next);
        return;
    }
    __atomic_store_n(&s->next->presence, THREAD_ON_CPU, __ATOMIC_RELAXED);
    s->cpu->switches++;
    arch_thread_switch_quickly(s->cpu, s->previous, s->next);
    s->cpu->current = s->next;
    sched_let_go(s->previous);
    DEBUG_ASSERT(!s->cpu->inside);
    if (s->cpu->vspace != s->next->vspace)
        arch_vspace_activate_quickly(s->cpu, s->next->vspace);
}

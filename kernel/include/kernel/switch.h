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

/* What is rare: thread_over; what a guest needs, and its address space. */
PRESERVES_MOST void sched_switch_over(struct thread *previous);
PRESERVES_MOST void sched_switch_guest(struct thread *next);

/* `previous` has left the CPU: others may run it, and free it, so this is also the last look at it.
 */
static ALWAYS_INLINE void sched_let_go(struct thread *previous)
{
    uint32_t left = __atomic_sub_fetch(&previous->presence, THREAD_ON_CPU, __ATOMIC_ACQ_REL);
    if (UNLIKELY(left != 0))
        sched_switch_over(previous);
}

/* Nobody else wants to be asked: `next` blocks here, no other thread should come first, and nobody
 * counts whose time it is. */
static ALWAYS_INLINE bool sched_may_switch(const struct cpu *cpu, const struct thread *previous,
                                           const struct thread *next, unsigned priority)
{
    DEBUG_ASSERT(next->state == THREAD_BLOCKED);
    return LIKELY(next->cpu == cpu && (next->attention | previous->attention | next->astray) == 0 &&
                  !sched_shares_count()) &&
           (LIKELY(cpu->queue.ready == 0) || cpu->queue.ready >> priority == 0 ||
            (cpu->queue.ready >> priority == 1 && cpu->slice_end_ns != DEADLINE_NEVER));
}

/* Straight from the current thread to one that is blocked, as if it had been woken and the current
 * thread had called wait_begin(cancel, deadline_ns); `lent` as for sched_lend;
 * with `served` the current thread gives back what was lent to it. With the lock held
 * where `next` waits. False: nothing has happened, since `next` is not at home on this CPU, another
 * thread should come first, or one of the two is to be killed or suspended.
 */
static ALWAYS_INLINE bool sched_switch_begin(struct cpu *cpu, struct thread *next, uint8_t lent,
                                             wait_cancel *cancel, uint64_t deadline_ns, bool served)
{
    struct thread *previous = cpu->current;
    uint8_t priority = MAX(next->own_priority, lent);
    spinlock_acquire(&cpu->queue.lock);
    bool may = sched_may_switch(cpu, previous, next, priority);
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
        WRITE_ONCE(cpu->queue.running, next);
    }
    spinlock_release(&cpu->queue.lock);
    return may;
}

/* The other half, with no lock held. The time since the last look at the clock goes on counting,
 * now for `next`, and so does the slice of the one that lends it.
 */
static ALWAYS_INLINE void sched_switch_end(struct cpu *cpu, struct thread *previous,
                                           struct thread *next)
{
    __atomic_store_n(&next->presence, THREAD_ON_CPU, __ATOMIC_RELAXED);
    cpu->switches++;
    arch_thread_switch_quickly(cpu, previous, next);
    cpu->current = next;
    sched_let_go(previous);
    if (UNLIKELY(next->guest.vspace != NULL ||
                 __atomic_load_n(&next->guest.pending, __ATOMIC_ACQUIRE) != 0))
        sched_switch_guest(next);
    else if (cpu->vspace != next->vspace)
        arch_vspace_activate_quickly(cpu, next->vspace);
}

/* Ticket spinlocks. */
#include <kernel/cpu.h>
#include <kernel/ipi.h>
#include <kernel/spinlock.h>

bool spinlocks_are_off;

void spinlock_disable_for_panic(void)
{
    WRITE_ONCE(spinlocks_are_off, true);
}

void spinlock_init(struct spinlock *lock, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(rank);
}

PRESERVES_MOST void spinlock_wait(struct spinlock *lock, uint32_t ticket)
{
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        if (UNLIKELY(READ_ONCE(spinlocks_are_off)))
            return;
        ipi_poll();
        arch_relax();
    }
}

void spinlock_acquire_both(struct spinlock *a, struct spinlock *b,
                           enum lock_rank second) NO_LOCK_ANALYSIS
{
    spinlock_acquire(a < b ? a : b);
    spinlock_acquire_second(a < b ? b : a, second);
}

void spinlock_release_both(struct spinlock *a, struct spinlock *b) NO_LOCK_ANALYSIS
{
    spinlock_release(a < b ? b : a);
    spinlock_release(a < b ? a : b);
}

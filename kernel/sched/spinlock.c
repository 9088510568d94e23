/* Ticket spinlocks, and in the debug flavour the check of their order. */
#include <arch/simulation.h>
#include <kernel/cpu.h>
#include <kernel/ipi.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>

static bool locks_are_off; /* a panicking CPU must not wait for one that was stopped */

void spinlock_disable_for_panic(void)
{
    WRITE_ONCE(locks_are_off, true);
}

void spinlock_init(struct spinlock *lock, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INIT(rank);
}

PRESERVES_MOST void spinlock_wait(struct spinlock *lock, uint32_t ticket)
{
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        if (UNLIKELY(READ_ONCE(locks_are_off)))
            return;
        ipi_poll();
        arch_relax();
    }
}

#ifdef CONFIG_DEBUG
/* A rank is taken once at most, and only above all that are held. */
static void note_acquire(struct cpu *cpu, const struct spinlock *lock, uint32_t rank)
{
    for (uint32_t i = 0; i < cpu->lock_depth; i++) {
        if (UNLIKELY(cpu->lock_rank[i] >= rank))
            panic("lock order: rank %u taken while holding rank %u", rank, cpu->lock_rank[i]);
    }
    if (UNLIKELY(cpu->lock_depth == ARRAY_LEN(cpu->lock_rank)))
        panic("lock order: more than %zu locks held", ARRAY_LEN(cpu->lock_rank));
    cpu->lock_held[cpu->lock_depth] = lock;
    cpu->lock_rank[cpu->lock_depth++] = rank;
}

/* Locks need not be released in the reverse order. */
static void note_release(struct cpu *cpu, const struct spinlock *lock)
{
    uint32_t i = 0;
    while (i < cpu->lock_depth && cpu->lock_held[i] != lock)
        i++;
    if (UNLIKELY(i == cpu->lock_depth))
        panic("lock of rank %u released, but not held", lock->rank);
    cpu->lock_depth--;
    for (; i < cpu->lock_depth; i++) {
        cpu->lock_held[i] = cpu->lock_held[i + 1];
        cpu->lock_rank[i] = cpu->lock_rank[i + 1];
    }
}
void spinlock_acquire_second(struct spinlock *lock, enum lock_rank rank) NO_LOCK_ANALYSIS
{
    struct cpu *cpu = cpu_self();
    if (UNLIKELY(READ_ONCE(locks_are_off)))
        return;
#ifdef CONFIG_HOST
    simulation_lock_point();
#endif
    /* The order is checked before the wait: a deadlock is reported, not met. */
    note_acquire(cpu, lock, rank);
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    if (UNLIKELY(__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket))
        spinlock_wait(lock, ticket);
    WRITE_ONCE(lock->holder, cpu->index + 1);
}

void spinlock_acquire(struct spinlock *lock) NO_LOCK_ANALYSIS
{
    spinlock_acquire_second(lock, (enum lock_rank)lock->rank);
}

void spinlock_release(struct spinlock *lock) NO_LOCK_ANALYSIS
{
    if (UNLIKELY(READ_ONCE(locks_are_off)))
        return;
    note_release(cpu_self(), lock);
    WRITE_ONCE(lock->holder, 0);
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

bool spinlock_held(const struct spinlock *lock)
{
    return READ_ONCE(lock->holder) == cpu_self()->index + 1;
}
#else
void spinlock_acquire_second(struct spinlock *lock, enum lock_rank rank) NO_LOCK_ANALYSIS
{
    (void)rank;
    spinlock_acquire(lock);
}

bool spinlock_held(const struct spinlock *lock)
{
    return READ_ONCE(lock->serving) != READ_ONCE(lock->next);
}
#endif

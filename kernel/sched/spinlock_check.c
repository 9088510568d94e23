/* Locks that know who holds them, and in what order they may be taken: the debug flavour's. */
#if defined(CONFIG_DEBUG) || defined(CONFIG_TESTS)
#include <arch/simulation.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>

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
    if (UNLIKELY(READ_ONCE(spinlocks_are_off)))
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
    if (UNLIKELY(READ_ONCE(spinlocks_are_off)))
        return;
    note_release(cpu_self(), lock);
    WRITE_ONCE(lock->holder, 0);
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

#endif

bool spinlock_held(const struct spinlock *lock)
{
#ifdef CONFIG_DEBUG
    return READ_ONCE(lock->holder) == cpu_self()->index + 1;
#else
    return READ_ONCE(lock->serving) != READ_ONCE(lock->next);
#endif
}
#endif

#include <rt/address.h>
#include <rt/clock.h>
#include <rt/lock.h>

enum { FREE = 0, HELD = 1, CONTENDED = 2 };

void rt_lock(struct rt_lock *lock) NO_LOCK_ANALYSIS
{
    uint32_t seen = FREE;
    if (__atomic_compare_exchange_n(&lock->state, &seen, HELD, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lock->state, CONTENDED, __ATOMIC_ACQUIRE) != FREE)
        (void)rt_address_wait(&lock->state, CONTENDED, DEADLINE_NEVER);
}

bool rt_try_lock(struct rt_lock *lock) NO_LOCK_ANALYSIS
{
    uint32_t seen = FREE;
    return __atomic_compare_exchange_n(&lock->state, &seen, HELD, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void rt_unlock(struct rt_lock *lock) NO_LOCK_ANALYSIS
{
    if (__atomic_exchange_n(&lock->state, FREE, __ATOMIC_RELEASE) == CONTENDED)
        rt_address_wake(&lock->state, 1);
}

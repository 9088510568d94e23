/* Waiting: what all waits have in common (see wait.h), and sleep, which is the simplest one. */
#include <kernel/sched.h>
#include <kernel/wait.h>

static bool begin(struct thread *thread, wait_cancel *cancel, uint64_t deadline_ns)
{
    thread->wait.deadline_ns = deadline_ns;
    __atomic_store_n(&thread->wait.cancel, cancel, __ATOMIC_RELEASE);
    if (LIKELY(sched_block(thread)))
        return true;
    __atomic_store_n(&thread->wait.cancel, NULL, __ATOMIC_RELEASE);
    return false;
}

bool wait_begin(wait_cancel *cancel, uint64_t deadline_ns)
{
    return begin(cpu_self()->current, cancel, deadline_ns);
}

bool wait_park(struct thread *thread, wait_cancel *cancel)
{
    return begin(thread, cancel, DEADLINE_NEVER);
}

/* The thread may be over its wait by now, but it runs nowhere else before it has left this CPU. Its
 * timer is this CPU's own and interrupts are masked: it cannot fire before that either.
 */
void wait_arm(void)
{
    struct thread *thread = cpu_self()->current;
    /* The deadline of an earlier wait, which was over before. */
    (void)timer_cancel(&thread->deadline);
    if (thread->wait.deadline_ns != DEADLINE_NEVER)
        timer_start(&thread->deadline, thread->wait.deadline_ns);
}

void wait_end(struct thread *thread)
{
    __atomic_store_n(&thread->wait.cancel, NULL, __ATOMIC_RELEASE);
    (void)sched_wake(thread);
}

/* The deadline of an earlier wait may fire while the next one begins. */
bool wait_may_end(const struct thread *thread, enum status why)
{
    return why != ERR_TIMED_OUT || clock_now_ns() >= thread->wait.deadline_ns;
}

void wait_deadline_passed(struct timer *timer)
{
    struct thread *thread = CONTAINER_OF(timer, struct thread, deadline);
    wait_cancel *cancel = __atomic_load_n(&thread->wait.cancel, __ATOMIC_ACQUIRE);
    if (cancel != NULL)
        cancel(thread, ERR_TIMED_OUT);
}

/* ---- Sleep ---- */

/* Sleepers are in no list; the lock orders their beginning and their end. */
static struct spinlock sleep_lock[16];

static struct spinlock *lock_of(const struct thread *thread)
{
    return &sleep_lock[thread->object.id % ARRAY_LEN(sleep_lock)];
}

static void cancel_sleep(struct thread *thread, enum status why) NO_LOCK_ANALYSIS
{
    spinlock_acquire(lock_of(thread));
    if (thread->wait.cancel == cancel_sleep && wait_may_end(thread, why))
        wait_end(thread);
    spinlock_release(lock_of(thread));
}

void sched_sleep_current(uint64_t deadline_ns) NO_LOCK_ANALYSIS
{
    const struct thread *thread = cpu_self()->current;
    spinlock_acquire(lock_of(thread));
    (void)wait_begin(cancel_sleep, deadline_ns);
    spinlock_release(lock_of(thread));
    wait_arm();
}

void wait_init(void)
{
    for (size_t i = 0; i < ARRAY_LEN(sleep_lock); i++)
        spinlock_init(&sleep_lock[i], RANK_WAIT);
}

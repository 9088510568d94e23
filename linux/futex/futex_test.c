#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/futex.h>
#include <linux/abi/time.h>
#include <linux/machine.h>
#include <linux/world.h>

#define ANY     ((uint64_t)-1)
#define PRIVATE FUTEX_PRIVATE_FLAG
#define WORD    (GUEST_DATA + 0x100)
#define OTHER   (GUEST_DATA + 0x2100)
#define TIME_AT (GUEST_DATA + 0x1200)
#define TID(n)  (GUEST_DATA + 0x3000 + 8ull * (n))

static uint64_t woken; /* atomic */

static uint64_t woken_now(void)
{
    return __atomic_load_n(&woken, __ATOMIC_SEQ_CST);
}

static void waits_on(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    int64_t result = CALL(futex, at, FUTEX_WAIT | PRIVATE, 1, 0);
    EXPECT(result == 0 || result == -EAGAIN);
    (void)__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
    (void)CALL(exit, 0);
}

/* So many wait for sure: a requeue from the word to itself tells. */
static void until_waiting(uaddr_t at, int64_t count)
{
    while (CALL(futex, at, FUTEX_REQUEUE | PRIVATE, 0, 1000, at) < count)
        guest_poll();
}

static void start_waiters(unsigned count, uaddr_t at)
{
    for (unsigned i = 1; i <= count; i++)
        EXPECT(guest_thread(waits_on, at, i, TID(i)) > 0);
    until_waiting(at, count);
}

static void join_waiters(unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        guest_join(TID(i));
}

static void wakes(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    __atomic_store_n(&woken, 0, __ATOMIC_SEQ_CST);
    guest_store_32(WORD, 1);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAIT | PRIVATE, 2, 0), -EAGAIN);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAKE | PRIVATE, 1), 0);
    EXPECT_EQ(CALL(futex, WORD + 1, FUTEX_WAKE | PRIVATE, 1), -EINVAL);
    EXPECT_EQ(CALL(futex, 0x5000, FUTEX_WAIT | PRIVATE, 1, 0), -EFAULT);
    EXPECT_EQ(CALL(futex, UINT64_MAX - 3, FUTEX_WAIT, 1, 0), -EFAULT);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAIT_BITSET | PRIVATE, 1, 0, 0, 0), -EINVAL);
    EXPECT_EQ(CALL(futex, WORD, 99, 1, 0, 0, 0), -ENOSYS);
    start_waiters(5, WORD);
    /* Where nobody else can have it, a shared word is the private one. */
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAKE, 1), 1);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAKE | PRIVATE, 1), 1);
    while (woken_now() < 2)
        guest_poll();
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAKE_BITSET | PRIVATE, 100, 0, 0, 4), 3);
    join_waiters(5);
    EXPECT_EQ(woken_now(), 5);
}

TEST(as_many_wake_as_are_asked_for)
{
    world_run(wakes, 0);
}

static void requeues(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    __atomic_store_n(&woken, 0, __ATOMIC_SEQ_CST);
    guest_store_32(WORD, 1);
    start_waiters(6, WORD);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_CMP_REQUEUE | PRIVATE, 1, 3, OTHER, 9), -EAGAIN);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_CMP_REQUEUE | PRIVATE, 1, 3, OTHER, 1), 4);
    EXPECT_EQ(CALL(futex, OTHER, FUTEX_WAKE | PRIVATE, 100), 3);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAKE | PRIVATE, 100), 2);
    join_waiters(6);
    start_waiters(2, WORD);
    /* *OTHER += 5, and wake there if it was 0. */
    guest_store_32(OTHER, 0);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAKE_OP | PRIVATE, 1, 1, OTHER, 1u << 28 | 5u << 12), 1);
    EXPECT_EQ(guest_load_32_of(OTHER), 5);
    EXPECT_EQ(CALL(futex, OTHER, FUTEX_WAKE_OP | PRIVATE, 1, 1, WORD, 4u << 28 | 5u << 24), 1);
    EXPECT_EQ(CALL(futex, OTHER, FUTEX_WAKE_OP | PRIVATE, 1, 1, WORD, 7u << 28), -ENOSYS);
    EXPECT_EQ(CALL(futex, OTHER, FUTEX_WAKE_OP | PRIVATE, 1, 1, 0x5000, 0), -EFAULT);
    join_waiters(2);
}

TEST(waiters_move_to_another_word)
{
    world_run(requeues, 0);
}

static void times_out(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_store(TIME_AT, 0);
    guest_store(TIME_AT + 8, 10000000);
    uint64_t start_ns = machine_now_ns();
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAIT | PRIVATE, 0, TIME_AT), -ETIMEDOUT);
    EXPECT(machine_now_ns() - start_ns >= 10000000);
    uint64_t until_ns = machine_now_ns() + 10000000;
    guest_store(TIME_AT, until_ns / NS_PER_SECOND);
    guest_store(TIME_AT + 8, until_ns % NS_PER_SECOND);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAIT_BITSET | PRIVATE, 0, TIME_AT, 0, 1), -ETIMEDOUT);
    EXPECT(machine_now_ns() >= until_ns);
    /* Long ago on the wall clock. */
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, TIME_AT, 0, 1),
              -ETIMEDOUT);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0), -ENOSYS);
    guest_store(TIME_AT + 8, NS_PER_SECOND);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_WAIT | PRIVATE, 0, TIME_AT), -EINVAL);
}

TEST(a_wait_ends_in_time)
{
    world_run(times_out, 0);
}

/* ---- between processes ---- */

static void waits_shared(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    guest_store_32(at + 4, 1);
    while (guest_load_32_of(at) == 0)
        (void)CALL(futex, at, FUTEX_WAIT, 0, 0);
    (void)CALL(exit_group, 8);
}

static void shares(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    int64_t child = guest_fork(waits_shared, GUEST_SHARED);
    while (guest_load_32_of(GUEST_SHARED + 4) == 0)
        guest_poll();
    for (unsigned i = 0; i < 50; i++)
        guest_poll();
    guest_store_32(GUEST_SHARED, 1);
    (void)CALL(futex, GUEST_SHARED, FUTEX_WAKE, 1);
    EXPECT_EQ(guest_wait((int32_t)child), 8 << 8);
}

TEST(shared_words_meet_across_processes)
{
    world_run(shares, 0);
}

/* ---- mutexes ---- */

static uint64_t inside;  /* atomic: how many are in the critical section */
static uint64_t entered; /* under the guest's mutex */

static void critical(void)
{
    EXPECT_EQ(__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST), 0);
    entered++;
    guest_poll();
    EXPECT_EQ(__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST), 1);
}

static uint32_t exchange(uaddr_t at, uint32_t expected, uint32_t desired)
{
    uint32_t old = 0;
    EXPECT_EQ(guest_compare_exchange_32(at, expected, desired, &old), 0);
    return old;
}

/* Drepper, "Futexes are tricky", mutex 2. */
static void locks(uint64_t times, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    for (uint64_t i = 0; i < times; i++) {
        uint32_t old = exchange(WORD, 0, 1);
        while (old != 0) {
            if (old == 2 || exchange(WORD, 1, 2) != 0)
                (void)CALL(futex, WORD, FUTEX_WAIT | PRIVATE, 2, 0);
            old = exchange(WORD, 0, 2);
        }
        critical();
        if (exchange(WORD, 1, 0) != 1) {
            (void)exchange(WORD, 2, 0);
            (void)CALL(futex, WORD, FUTEX_WAKE | PRIVATE, 1);
        }
    }
    (void)CALL(exit, 0);
}

static void locks_pi(uint64_t times, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    uint32_t tid = (uint32_t)CALL(gettid);
    for (uint64_t i = 0; i < times; i++) {
        if (exchange(WORD, 0, tid) != 0)
            EXPECT_EQ(CALL(futex, WORD, FUTEX_LOCK_PI | PRIVATE, 0, 0), 0);
        EXPECT_EQ(guest_load_32_of(WORD) & FUTEX_TID_MASK, tid);
        critical();
        if (exchange(WORD, tid, 0) != tid)
            EXPECT_EQ(CALL(futex, WORD, FUTEX_UNLOCK_PI | PRIVATE, 0), 0);
    }
    (void)CALL(exit, 0);
}

static void contends(uint64_t pi, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    const uint64_t times = 100;
    entered = 0;
    for (unsigned i = 1; i < 6; i++)
        EXPECT(guest_thread(pi != 0 ? locks_pi : locks, times, i, TID(i)) > 0);
    for (unsigned i = 1; i < 6; i++)
        guest_join(TID(i));
    EXPECT_EQ(entered, 5 * times);
}

TEST(a_mutex_of_futexes_excludes)
{
    world_run(contends, 0);
}

TEST(a_pi_mutex_is_handed_on)
{
    world_run(contends, 1);
}

static void pi_errors(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_store_32(WORD, 0);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_TRYLOCK_PI | PRIVATE), 0);
    EXPECT_EQ(guest_load_32_of(WORD), 1);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_LOCK_PI | PRIVATE, 0, 0), -EDEADLK);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_UNLOCK_PI | PRIVATE), 0);
    EXPECT_EQ(guest_load_32_of(WORD), 0);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_UNLOCK_PI | PRIVATE), -EPERM);
    guest_store_32(WORD, 4711);
    EXPECT_EQ(CALL(futex, WORD, FUTEX_LOCK_PI | PRIVATE, 0, 0), -ESRCH);
}

TEST(a_pi_mutex_names_a_thread_that_lives)
{
    world_run(pi_errors, 0);
}

/* ---- PI: owners that end ---- */

#define SHARED_WORD (GUEST_SHARED + 0x100)
#define GO          (GUEST_SHARED + 0x200)

static bool lets_go; /* the first owner, before it ends */

static void takes_and_ends(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(futex, at, FUTEX_LOCK_PI, 0, 0), 0);
    while (guest_load_32_of(GO) == 0)
        guest_poll();
    if (lets_go)
        EXPECT_EQ(CALL(futex, at, FUTEX_UNLOCK_PI), 0);
    (void)CALL(exit, 0);
}

/* Waits, is told that the owner died if he did with it, and ends without letting go. */
static void inherits_and_ends(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    (void)__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
    EXPECT_EQ(CALL(futex, at, FUTEX_LOCK_PI, 0, 0), 0);
    bool first = __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST) == 4;
    EXPECT_EQ(guest_load_32_of(at) & ~FUTEX_WAITERS,
              (uint32_t)CALL(gettid) | (first && lets_go ? 0 : FUTEX_OWNER_DIED));
    (void)CALL(exit, 0);
}

static void wait_until_asleep(int64_t tid)
{
    struct task *task = task_find((int32_t)tid);
    while (__atomic_load_n(&task->state, __ATOMIC_SEQ_CST) != TASK_SLEEPING)
        guest_poll();
    task_put(task);
}

static void leaves_no_list(uint64_t at, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    int64_t waiters[4];
    guest_store_32(at, 0);
    guest_store_32(GO, 0);
    __atomic_store_n(&woken, 0, __ATOMIC_SEQ_CST);
    int64_t child = at == SHARED_WORD ? guest_fork(takes_and_ends, at) : 0;
    if (at == WORD)
        EXPECT(guest_thread(takes_and_ends, at, 1, TID(1)) > 0);
    while (guest_load_32_of(at) == 0)
        guest_poll();
    for (unsigned i = 0; i < 4; i++)
        EXPECT((waiters[i] = guest_thread(inherits_and_ends, at, i + 2, TID(i + 2))) > 0);
    while (woken_now() < 4)
        guest_poll();
    for (unsigned i = 0; i < 4; i++)
        wait_until_asleep(waiters[i]);
    guest_store_32(GO, 1);
    for (unsigned i = 0; i < 4; i++)
        guest_join(TID(i + 2));
    EXPECT_EQ(woken_now(), 8);
    /* Nobody waits any more: the word names who is gone. */
    EXPECT_EQ(CALL(futex, at, FUTEX_LOCK_PI, 0, 0), -ESRCH);
    EXPECT_EQ(CALL(futex, at, FUTEX_TRYLOCK_PI, 0, 0), -ESRCH);
    if (child != 0)
        EXPECT_EQ(guest_wait((int32_t)child), 0);
    else
        guest_join(TID(1));
}

TEST(a_pi_mutex_outlives_its_owners)
{
    for (unsigned turn = 0; turn < 10; turn++) {
        lets_go = turn % 4 >= 2;
        world_run(leaves_no_list, turn % 2 == 0 ? WORD : SHARED_WORD);
    }
}

/* ---- robust ---- */

/* A list of one mutex, 16 bytes behind its entry. */
static void dies_with_a_mutex(uint64_t circle, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    const uaddr_t head = GUEST_DATA + 0x5000;
    const uaddr_t entry = head + 64;
    guest_store(head, entry);
    guest_store(head + 8, 16);
    guest_store(head + 16, 0);
    guest_store(entry, circle != 0 ? entry : head);
    guest_store_32(entry + 16, (uint32_t)CALL(gettid) | FUTEX_WAITERS);
    EXPECT_EQ(CALL(set_robust_list, head, 23), -EINVAL);
    EXPECT_EQ(CALL(set_robust_list, head, 24), 0);
    (void)CALL(exit, 0);
}

static void inherits(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (uint64_t circle = 0; circle < 2; circle++) {
        EXPECT(guest_thread(dies_with_a_mutex, circle, 1, TID(1)) > 0);
        guest_join(TID(1));
        EXPECT_EQ(guest_load_32_of(GUEST_DATA + 0x5000 + 80), FUTEX_OWNER_DIED | FUTEX_WAITERS);
    }
}

TEST(the_mutex_of_a_thread_that_ended_says_so)
{
    world_run(inherits, 0);
}

/* ---- ends while they wait ---- */

static void waits_forever(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (unsigned i = 1; i < 5; i++)
        EXPECT(guest_thread(waits_on, WORD, i, TID(i)) > 0);
    guest_store_32(WORD, 1);
    (void)CALL(futex, WORD, FUTEX_WAIT | PRIVATE, 1, 0);
}

static void kills_waiters(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (unsigned i = 0; i < 20; i++) {
        int64_t child = guest_fork(waits_forever, 0);
        for (unsigned j = 0; j < i; j++)
            guest_poll();
        EXPECT_EQ(CALL(kill, (uint64_t)child, SIGKILL), 0);
        EXPECT_EQ(guest_wait((int32_t)child), SIGKILL);
    }
}

TEST(who_waits_can_be_ended)
{
    world_run(kills_waiters, 0);
}

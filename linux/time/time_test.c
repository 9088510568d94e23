#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/time.h>
#include <linux/heap.h>
#include <linux/host.h>
#include <linux/machine.h>
#include <linux/timer.h>
#include <linux/world.h>
#include <sched.h>

#define AT    GUEST_DATA
#define EVENT (GUEST_DATA + 0x800)
#define MS    ((uint64_t)1000000)

static uint64_t fired, told; /* atomic */

static void counts(uint64_t number, uint64_t info, uint64_t context)
{
    (void)number;
    (void)context;
    __atomic_store_n(&told, guest_load(info + 24), __ATOMIC_SEQ_CST);
    (void)__atomic_fetch_add(&fired, 1, __ATOMIC_SEQ_CST);
}

static uint64_t fired_now(void)
{
    return __atomic_load_n(&fired, __ATOMIC_SEQ_CST);
}

static void wait_for_fired(uint64_t count)
{
    while (fired_now() < count)
        guest_poll();
}

static uint64_t clock_of(int32_t clock)
{
    EXPECT_EQ(CALL(clock_gettime, (uint64_t)clock, AT), 0);
    return guest_load(AT) * NS_PER_SECOND + guest_load(AT + 8);
}

static void clocks(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    uint64_t now_ns = machine_now_ns();
    EXPECT(clock_of(CLOCK_MONOTONIC) >= now_ns);
    EXPECT(clock_of(CLOCK_REALTIME) > 1600000000 * NS_PER_SECOND);
    EXPECT(clock_of(CLOCK_BOOTTIME) >= now_ns);
    (void)clock_of(CLOCK_PROCESS_CPUTIME_ID);
    (void)clock_of(CLOCK_THREAD_CPUTIME_ID);
    (void)clock_of((int32_t)(~1u << 3 | 2));
    (void)clock_of((int32_t)(~(uint32_t)CALL(gettid) << 3 | 6));
    EXPECT_EQ(CALL(clock_gettime, 77, AT), -EINVAL);
    EXPECT_EQ(CALL(clock_gettime, (uint64_t)(int64_t)(int32_t)(~4711u << 3 | 2), AT), -EINVAL);
    EXPECT_EQ(CALL(clock_gettime, 0, 1), -EFAULT);
    EXPECT_EQ(CALL(clock_getres, CLOCK_MONOTONIC, AT), 0);
    EXPECT_EQ(guest_load(AT + 8), 1);
    EXPECT_EQ(CALL(clock_settime, CLOCK_REALTIME, AT), -EPERM);
    EXPECT_EQ(CALL(settimeofday, AT, 0), -EPERM);
    EXPECT_EQ(CALL(gettimeofday, AT, AT + 32), 0);
    EXPECT(CALL(times, AT) > 0);
    EXPECT_EQ(CALL(getrusage, 0, AT), 0);
    EXPECT_EQ(CALL(getrusage, 7, AT), -EINVAL);
}

TEST(clocks_show_what_they_should)
{
    world_run(clocks, 0);
}

static void sleeps(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    uint64_t until_ns = machine_now_ns() + 10 * MS;
    guest_store(AT, until_ns / NS_PER_SECOND);
    guest_store(AT + 8, until_ns % NS_PER_SECOND);
    EXPECT_EQ(CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, AT, 0), 0);
    EXPECT(machine_now_ns() >= until_ns);
    EXPECT_EQ(CALL(clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, AT, 0), 0);
    EXPECT_EQ(CALL(clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, AT, 0), 0);
    EXPECT_EQ(CALL(clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, AT, 0), -EOPNOTSUPP);
    EXPECT_EQ(CALL(clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, AT, 0), -EOPNOTSUPP);
    EXPECT_EQ(CALL(clock_nanosleep, 50, 0, AT, 0), -EINVAL);
    guest_store(AT + 8, NS_PER_SECOND);
    EXPECT_EQ(CALL(nanosleep, AT, 0), -EINVAL);
    guest_store(AT, (uint64_t)-1);
    guest_store(AT + 8, 0);
    EXPECT_EQ(CALL(nanosleep, AT, 0), -EINVAL);
    EXPECT_EQ(CALL(nanosleep, 1, 0), -EFAULT);
}

TEST(sleeps_last_as_long_as_they_say)
{
    world_run(sleeps, 0);
}

static void alarms(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    __atomic_store_n(&fired, 0, __ATOMIC_SEQ_CST);
    guest_handle(SIGALRM, counts, SA_SIGINFO);
    guest_store(AT, 0);
    guest_store(AT + 8, 2000);
    guest_store(AT + 16, 0);
    guest_store(AT + 24, 5000);
    EXPECT_EQ(CALL(setitimer, ITIMER_REAL, AT, 0), 0);
    wait_for_fired(3);
    EXPECT_EQ(CALL(getitimer, ITIMER_REAL, AT + 64), 0);
    EXPECT_EQ(guest_load(AT + 72), 2000);
    EXPECT_EQ(CALL(alarm, 100), 1);
    EXPECT_EQ(CALL(alarm, 0), 100);
    EXPECT_EQ(CALL(alarm, 0), 0);
    uint64_t last = fired_now();
    guest_store(AT + 8, 1000000);
    EXPECT_EQ(CALL(setitimer, ITIMER_REAL, AT, 0), -EINVAL);
    EXPECT_EQ(CALL(setitimer, 3, AT, 0), -EINVAL);
    EXPECT_EQ(CALL(getitimer, (uint64_t)-1, AT), -EINVAL);
    for (unsigned i = 0; i < 200; i++)
        guest_poll();
    EXPECT_EQ(fired_now(), last);
}

TEST(alarms_come_and_can_be_called_off)
{
    world_run(alarms, 0);
}

static void makes_timer(int32_t notify, int32_t number, uint64_t value)
{
    guest_store(EVENT, value);
    guest_store_32(EVENT + 8, (uint32_t)number);
    guest_store_32(EVENT + 12, (uint32_t)notify);
    guest_store_32(EVENT + 16, (uint32_t)CALL(gettid));
}

static void set_timer(uint64_t id, uint64_t value_ns, uint64_t interval_ns)
{
    guest_store(AT, interval_ns / NS_PER_SECOND);
    guest_store(AT + 8, interval_ns % NS_PER_SECOND);
    guest_store(AT + 16, value_ns / NS_PER_SECOND);
    guest_store(AT + 24, value_ns % NS_PER_SECOND);
    EXPECT_EQ(CALL(timer_settime, id, 0, AT, 0), 0);
}

static void timers(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    __atomic_store_n(&fired, 0, __ATOMIC_SEQ_CST);
    guest_handle(34, counts, SA_SIGINFO);
    makes_timer(SIGEV_SIGNAL, 34, 0x1234);
    EXPECT_EQ(CALL(timer_create, CLOCK_MONOTONIC, EVENT, AT + 64), 0);
    uint64_t id = guest_load_32_of(AT + 64);
    set_timer(id, 2 * MS, MS);
    wait_for_fired(3);
    EXPECT_EQ(told, 0x1234);
    /* Not taken: one signal, and the rest is its overrun. */
    guest_store(AT + 128, SIGNAL_BIT(34));
    EXPECT_EQ(CALL(rt_sigprocmask, SIG_BLOCK, AT + 128, 0, 8), 0);
    uint64_t until_ns = machine_now_ns() + 20 * MS;
    while (machine_now_ns() < until_ns)
        guest_poll();
    EXPECT_EQ(CALL(rt_sigtimedwait, AT + 128, AT + 256, 0, 8), 34);
    EXPECT_EQ(guest_load_32_of(AT + 256 + 8), (uint32_t)SI_TIMER);
    EXPECT(guest_load_32_of(AT + 256 + 20) >= 5);
    EXPECT(CALL(timer_getoverrun, id) >= 5);
    set_timer(id, 0, 0);
    EXPECT_EQ(CALL(timer_gettime, id, AT + 64), 0);
    EXPECT_EQ(guest_load(AT + 64 + 24), 0);
    set_timer(id, MS, 0);
    while (CALL(rt_sigpending, AT + 512, 8) == 0 && guest_load(AT + 512) == 0)
        guest_poll();
    EXPECT_EQ(CALL(timer_delete, id), 0);
    EXPECT_EQ(CALL(rt_sigpending, AT + 512, 8), 0);
    EXPECT_EQ(guest_load(AT + 512), 0);
    EXPECT_EQ(CALL(timer_delete, id), -EINVAL);
    EXPECT_EQ(CALL(timer_gettime, id, AT), -EINVAL);
    EXPECT_EQ(CALL(timer_settime, id, 0, AT, 0), -EINVAL);
    makes_timer(SIGEV_SIGNAL, 99, 0);
    EXPECT_EQ(CALL(timer_create, CLOCK_MONOTONIC, EVENT, AT + 64), -EINVAL);
    makes_timer(9, 34, 0);
    EXPECT_EQ(CALL(timer_create, CLOCK_MONOTONIC, EVENT, AT + 64), -EINVAL);
    EXPECT_EQ(CALL(timer_create, 60, 0, AT + 64), -EINVAL);
    EXPECT_EQ(CALL(timer_create, CLOCK_MONOTONIC, 0, 1), -EFAULT);
    makes_timer(SIGEV_THREAD_ID, 34, 5);
    EXPECT_EQ(CALL(timer_create, CLOCK_MONOTONIC, EVENT, AT + 64), 0);
    set_timer(guest_load_32_of(AT + 64), MS, MS); /* and ends with the process */
}

TEST(timers_signal_once_at_a_time_and_tell_what_was_missed)
{
    world_run(timers, 0);
}

static void timers_without_memory(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    for (uint64_t n = 1;; n++) {
        heap_fail_after(n);
        int64_t error = CALL(timer_create, CLOCK_MONOTONIC, 0, AT + 64);
        heap_fail_after(0);
        if (error == 0)
            break;
        EXPECT_EQ(error, -EAGAIN);
    }
    for (uint64_t n = 1;; n++) {
        guest_store(AT, 0);
        guest_store(AT + 8, 0);
        guest_store(AT + 16, 1000);
        guest_store(AT + 24, 0);
        heap_fail_after(n);
        int64_t error = CALL(timer_settime, guest_load_32_of(AT + 64), 0, AT, 0);
        heap_fail_after(0);
        if (error == 0)
            break;
        EXPECT_EQ(error, -ENOMEM);
    }
}

TEST(timers_without_memory_are_refused)
{
    world_run(timers_without_memory, 0);
}

/* ---- the queue itself ---- */

static uint64_t order[8], ordered; /* by the timers' thread */

static void notes(struct timer *timer)
{
    order[ordered % 8] = timer->deadline_ns;
    (void)__atomic_fetch_add(&ordered, 1, __ATOMIC_SEQ_CST);
}

TEST(timers_run_out_in_order_and_can_be_stopped)
{
    struct timer timer[6];
    uint64_t now_ns = machine_now_ns();
    __atomic_store_n(&ordered, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < 6; i++) {
        timer_init(&timer[i], notes);
        EXPECT_EQ(timer_start(&timer[i], now_ns + (20 + 7 * i % 6) * MS), 0);
    }
    EXPECT(timer_stop(&timer[0]));
    EXPECT(!timer_stop(&timer[0]));
    EXPECT_EQ(timer_start(&timer[1], now_ns + 5 * MS), 0);
    while (__atomic_load_n(&ordered, __ATOMIC_SEQ_CST) < 5)
        (void)sched_yield();
    for (unsigned i = 1; i < 5; i++)
        EXPECT(order[i - 1] <= order[i]);
    EXPECT_EQ(order[0], now_ns + 5 * MS);
    for (unsigned i = 0; i < 6; i++)
        EXPECT(!timer_stop(&timer[i]));
    host_wait_for_threads();
}

static struct timer racing[4];

static void again(struct timer *timer)
{
    if (__atomic_fetch_add(&ordered, 1, __ATOMIC_SEQ_CST) < 4000)
        (void)timer_start(timer, machine_now_ns());
}

TEST(a_timer_that_was_stopped_does_not_run)
{
    __atomic_store_n(&ordered, 0, __ATOMIC_SEQ_CST);
    for (unsigned turn = 0; turn < 200; turn++) {
        for (unsigned i = 0; i < 4; i++) {
            timer_init(&racing[i], again);
            EXPECT_EQ(timer_start(&racing[i], machine_now_ns()), 0);
        }
        for (unsigned i = 0; i < 4; i++)
            (void)timer_stop(&racing[i]);
        uint64_t seen = __atomic_load_n(&ordered, __ATOMIC_SEQ_CST);
        (void)sched_yield();
        EXPECT_EQ(__atomic_load_n(&ordered, __ATOMIC_SEQ_CST), seen);
    }
    host_wait_for_threads();
}

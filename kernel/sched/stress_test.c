/* Stress: for `stress=` (default 3) of guest time, random operations on three address
 * spaces full of threads, on all CPUs: start, kill, move, reprioritise, map, protect and unmap
 * under their feet, sleep, kernel timers, cross calls.
 *
 * What must hold all the time: registers and vector registers keep their values; a sleeper does
 * not stay blocked past its deadline; a page shows the word that was put there, or
 * faults; every kernel timer fires once, not early, or is cancelled. What must hold at the end:
 * everything dies and nothing is lost.
 */
#include <kernel/cmdline.h>
#include <kernel/frame.h>
#include <kernel/ipi.h>
#include <kernel/sched.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

enum { SPACES = 3, THREADS = 8, TIMERS = 16, ARENA_PAGES = 8, DEFAULT_SECONDS = 3 };

#define MS          ((uint64_t)1000 * 1000)
#define LATE_MAX_NS (200 * MS)

struct stress_timer {
    struct timer timer;
    uint64_t deadline_ns;
    uint32_t fired; /* [A] */
    uint32_t early; /* [A] */
    bool running;
};

static struct stress {
    uint64_t random;
    uint64_t operations;
    struct user_fixture space[SPACES];
    uint64_t last_deadline_ns[SPACES][THREADS]; /* of a sleeper: when it must be through */
    struct stress_timer timer[TIMERS];
    uint32_t cross_calls;
} stress;

static uint64_t random_below(uint64_t limit)
{
    return test_random(&stress.random) % limit;
}

/* ---- Threads ---- */

/* Starving behind a higher priority is a sleeper's good right; staying blocked is not. One that
 * sleeps again with a deadline in the past is blocked for a moment, so look twice.
 */
static void check_sleeper(struct user_fixture *space, unsigned s, unsigned t)
{
    uint64_t due = stress.last_deadline_ns[s][t];
    if (due == 0 || clock_now_ns() < due + LATE_MAX_NS)
        return;
    uint64_t count = user_count(space, t);
    for (unsigned look = 0; look < 2; look++) {
        if (READ_ONCE(space->thread[t]->state) != THREAD_BLOCKED || user_count(space, t) != count)
            return;
        user_let_run_ns(50 * MS);
    }
    test_fail(__FILE__, __LINE__, "a sleeper wakes up");
}

static void check_thread(struct user_fixture *space, unsigned s, unsigned t)
{
    const struct test_guest_command *command = &space->command[t];
    if (command->function == GUEST_REGISTERS || command->function == GUEST_VECTOR)
        EXPECT_EQ(READ_ONCE(command->out[0]), 0);
    if (command->function == GUEST_SLEEP)
        check_sleeper(space, s, t);
}

static void fill_arguments(struct test_guest_command *command, unsigned s, unsigned t)
{
    switch (command->function) {
    case GUEST_SLEEP:
        command->in[0] = 1 + random_below(20);
        command->in[1] = clock_now_ns() + random_below(5 * MS);
        command->in[2] = random_below(3 * MS);
        stress.last_deadline_ns[s][t] = command->in[1] + command->in[0] * command->in[2];
        break;
    case GUEST_LOAD_LOOP:
    case GUEST_STORE_LOOP:
        command->in[0] = TEST_GUEST_ARENA_AT + PAGE_SIZE * random_below(ARENA_PAGES);
        break;
    default:
        command->in[0] = 1 + random_below(1000000);
        command->in[1] = random_below(5000);
        break;
    }
}

static void replace_thread(unsigned s, unsigned t)
{
    static const enum test_guest_function functions[] = {
        GUEST_SPIN,      GUEST_YIELD,      GUEST_SLEEP,  GUEST_SLEEP, GUEST_LOAD_LOOP,
        GUEST_LOAD_LOOP, GUEST_STORE_LOOP, GUEST_VECTOR, GUEST_EXIT,  GUEST_REGISTERS,
    };
    struct user_fixture *space = &stress.space[s];
    if (space->thread[t] != NULL) {
        check_thread(space, s, t);
        thread_kill(space->thread[t]);
        if (!user_wait_dead(space, t))
            return;
    }
    stress.last_deadline_ns[s][t] = 0;
    if (!user_prepare(space, t, functions[random_below(ARRAY_LEN(functions))]))
        return;
    fill_arguments(&space->command[t], s, t);
    user_start(space, t);
}

static void move_thread(struct thread *thread)
{
    struct cpu_mask mask = cpu_mask_all();
    if (random_below(3) != 0) {
        mask = (struct cpu_mask){ .word = { 0 } };
        cpu_mask_set(&mask, (uint32_t)random_below(cpu_count));
    }
    EXPECT_EQ(sched_set_affinity(thread, &mask), OK);
}

/* ---- Address spaces ---- */

static void map_page(struct user_fixture *space, uaddr_t at)
{
    unsigned perm = random_below(2) == 0 ? PERM_READ : PERM_READ | PERM_WRITE;
    enum status status = vspace_reserve(space->vspace, at, PAGE_SIZE, perm);
    EXPECT(status == OK || status == ERR_EXISTS);
    if (status == OK)
        EXPECT_EQ(vspace_fault(space->vspace, at, PERM_READ), OK);
}

static void change_page(struct user_fixture *space)
{
    uaddr_t at = uaddr(TEST_GUEST_ARENA_AT + PAGE_SIZE * random_below(ARENA_PAGES));
    enum status status;
    switch (random_below(4)) {
    case 0:
        EXPECT_EQ(vspace_unmap(space->vspace, at, PAGE_SIZE), OK);
        break;
    case 1:
        status = vspace_protect(space->vspace, at, PAGE_SIZE, PERM_READ);
        EXPECT(status == OK || status == ERR_NOT_FOUND);
        break;
    case 2:
        status = vspace_reserve(space->vspace, at, PAGE_SIZE, PERM_READ | PERM_WRITE);
        EXPECT(status == OK || status == ERR_EXISTS);
        break;
    default:
        map_page(space, at);
        break;
    }
}

/* ---- Timers and cross calls ---- */

static void timer_fired(struct timer *timer)
{
    struct stress_timer *t = CONTAINER_OF(timer, struct stress_timer, timer);
    if (clock_now_ns() < t->deadline_ns)
        __atomic_store_n(&t->early, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&t->fired, 1, __ATOMIC_RELEASE);
}

/* Stop a timer, or find it fired: exactly one of the two. */
static void settle_timer(struct stress_timer *t)
{
    if (!t->running)
        return;
    bool cancelled = timer_cancel(&t->timer);
    uint32_t fired = __atomic_load_n(&t->fired, __ATOMIC_ACQUIRE);
    EXPECT_EQ(fired + (cancelled ? 1 : 0), 1);
    EXPECT_EQ(t->early, 0);
    t->running = false;
}

static void restart_timer(struct stress_timer *t)
{
    settle_timer(t);
    timer_init(&t->timer, timer_fired);
    t->fired = 0;
    t->early = 0;
    t->deadline_ns = clock_now_ns() + random_below(10 * MS);
    t->running = true;
    timer_start(&t->timer, t->deadline_ns);
}

static void count_call(void *argument)
{
    __atomic_fetch_add((uint32_t *)argument, 1, __ATOMIC_RELAXED);
}

static void cross_call(void)
{
    struct cpu_mask all = cpu_mask_all();
    uint32_t served = 0;
    ipi_call(&all, count_call, &served);
    EXPECT_EQ(served, cpu_count - 1);
}

/* ---- The run ---- */

static void one_operation(void)
{
    unsigned s = (unsigned)random_below(SPACES);
    unsigned t = (unsigned)random_below(THREADS);
    struct user_fixture *space = &stress.space[s];
    struct thread *thread = space->thread[t];
    stress.operations++;
    if (thread == NULL) {
        replace_thread(s, t);
        return;
    }
    switch (random_below(8)) {
    case 0:
        replace_thread(s, t);
        break;
    case 1:
        EXPECT_EQ(sched_set_priority(thread, 8 + (unsigned)random_below(4)), OK);
        break;
    case 2:
    case 3:
        move_thread(thread);
        break;
    case 4:
        restart_timer(&stress.timer[random_below(TIMERS)]);
        break;
    case 5:
        cross_call();
        break;
    default:
        change_page(space);
        break;
    }
    check_thread(space, s, t);
}

static void finish(void)
{
    for (unsigned i = 0; i < TIMERS; i++)
        settle_timer(&stress.timer[i]);
    for (unsigned s = 0; s < SPACES; s++)
        user_fixture_destroy(&stress.space[s]);
}

GUEST_TEST(stress)
{
    uint64_t seconds = DEFAULT_SECONDS;
    if (cmdline_has("stress") && cmdline_number("stress", &seconds) != OK)
        test_fail(__FILE__, __LINE__, "stress= is a number");
    stress = (struct stress){ .random = test_seed() };
    for (unsigned s = 0; s < SPACES; s++) {
        if (!user_fixture_init(&stress.space[s])) {
            finish();
            return;
        }
    }

    uint64_t end_ns = clock_now_ns() + seconds * 1000 * MS;
    while (clock_now_ns() < end_ns && !test_has_failed()) {
        uint64_t burst = 1 + random_below(20);
        for (uint64_t i = 0; i < burst; i++)
            one_operation();
        user_let_run_ns(random_below(4 * MS));
    }
    test_note("%llu operations on %u CPUs", (unsigned long long)stress.operations, cpu_count);
    finish();
}

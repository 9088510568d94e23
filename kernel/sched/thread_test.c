/* Threads as the machine runs them: life and death, preemption, priorities, sleep, placement,
 * registers. */
#include <kernel/ipi.h>
#include <kernel/sched.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

#define MS ((uint64_t)1000 * 1000)

GUEST_TEST(thread_runs_and_exits)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    if (user_run(&f, 0, GUEST_EXIT, 0, 0) && user_wait_dead(&f, 0)) {
        EXPECT_EQ(f.command[0].finished, 1);
        EXPECT_EQ(f.thread[0]->end, THREAD_END_EXIT);
        EXPECT_EQ(thread_start(f.thread[0]), ERR_STATE);
    }
    user_fixture_destroy(&f);
}

GUEST_TEST(two_spinners_share_a_cpu)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint32_t cpu = cpu_count - 1;
    for (unsigned i = 0; i < 2; i++) {
        REQUIRE(user_prepare(&f, i, GUEST_SPIN));
        user_pin(&f, i, cpu);
        user_start(&f, i);
    }
    /* Time, not turns: neither is starved. What a host takes from the CPU counts as the time of
     * whoever ran then, so how long both take together is left open. */
    for (unsigned i = 0;
         i < 200 && !(f.thread[0]->run_ns > 50 * MS && f.thread[1]->run_ns > 50 * MS); i++)
        user_let_run_ns(50 * MS);
    for (unsigned i = 0; i < 2; i++)
        thread_kill(f.thread[i]);
    (void)user_wait_dead(&f, 0);
    (void)user_wait_dead(&f, 1);
    EXPECT(f.thread[0]->run_ns > 50 * MS);
    EXPECT(f.thread[1]->run_ns > 50 * MS);
    EXPECT(user_count(&f, 0) != 0 && user_count(&f, 1) != 0);
    EXPECT_EQ(f.thread[0]->end, THREAD_END_KILLED);
    user_fixture_destroy(&f);
}

GUEST_TEST(higher_priority_runs_alone)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint32_t cpu = cpu_count - 1;
    for (unsigned i = 0; i < 2; i++) {
        REQUIRE(user_prepare(&f, i, GUEST_SPIN));
        user_pin(&f, i, cpu);
        EXPECT_EQ(sched_set_priority(f.thread[i], 10 + i), OK);
    }
    EXPECT_EQ(sched_set_priority(f.thread[0], PRIORITY_COUNT), ERR_RANGE);
    user_start(&f, 0);
    (void)user_wait_count(&f, 0, 1);
    user_start(&f, 1);
    (void)user_wait_count(&f, 1, 1);
    uint64_t low = user_count(&f, 0);
    user_let_run_ns(50 * MS);
    EXPECT_EQ(user_count(&f, 0), low);

    /* Lowered below the other, it gives way at once. */
    EXPECT_EQ(sched_set_priority(f.thread[1], 5), OK);
    (void)user_wait_count(&f, 0, low + 1);
    uint64_t high = user_count(&f, 1);
    user_let_run_ns(50 * MS);
    EXPECT_EQ(user_count(&f, 1), high);
    user_fixture_destroy(&f);
}

GUEST_TEST(more_spinners_than_cpus_all_get_on)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    unsigned count = MIN(2 * cpu_count + 1, (unsigned)TEST_GUEST_THREADS);
    for (unsigned i = 0; i < count; i++)
        REQUIRE(user_run(&f, i, GUEST_SPIN, 0, 0));
    for (unsigned i = 0; i < count; i++)
        (void)user_wait_count(&f, i, 1000);
    user_fixture_destroy(&f);
}

GUEST_TEST(sleep_ends_at_the_deadline_not_before)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t start_ns = clock_now_ns();
    REQUIRE(user_prepare(&f, 0, GUEST_SLEEP));
    f.command[0].in[0] = 10;
    f.command[0].in[1] = start_ns + 20 * MS;
    f.command[0].in[2] = 2 * MS;
    user_start(&f, 0);
    (void)user_wait_started(&f, 0);
    user_let_run_ns(10 * MS);
    /* The host may have been away: count first, then the time. */
    uint64_t count = user_count(&f, 0);
    EXPECT(count == 0 || clock_now_ns() >= start_ns + 20 * MS);
    (void)user_wait_dead(&f, 0);
    EXPECT(clock_now_ns() >= start_ns + 38 * MS);
    EXPECT_EQ(user_count(&f, 0), 10);
    user_fixture_destroy(&f);
}

GUEST_TEST(kill_reaches_every_state)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint32_t cpu = cpu_count - 1;
    REQUIRE(user_prepare(&f, 0, GUEST_SPIN));  /* new */
    REQUIRE(user_prepare(&f, 1, GUEST_SPIN));  /* running */
    REQUIRE(user_prepare(&f, 2, GUEST_SPIN));  /* ready, behind 1 */
    REQUIRE(user_prepare(&f, 3, GUEST_SLEEP)); /* blocked */
    f.command[3].in[0] = 1;
    f.command[3].in[1] = DEADLINE_NEVER - 1;
    for (unsigned i = 1; i < 3; i++)
        user_pin(&f, i, cpu);
    EXPECT_EQ(sched_set_priority(f.thread[2], PRIORITY_DEFAULT - 1), OK);
    EXPECT_EQ(sched_set_priority(f.thread[1], PRIORITY_COUNT - 1), OK);
    user_start(&f, 3);
    (void)user_wait_started(&f, 3);
    user_let_run_ns(2 * MS);
    user_start(&f, 1);
    (void)user_wait_count(&f, 1, 1);
    user_start(&f, 2);
    EXPECT_EQ(f.thread[3]->state, THREAD_BLOCKED);
    EXPECT_EQ(f.thread[2]->state, THREAD_READY);
    EXPECT_EQ(f.thread[0]->state, THREAD_NEW);
    for (unsigned i = 0; i < 4; i++) {
        thread_kill(f.thread[i]);
        thread_kill(f.thread[i]); /* twice is once */
    }
    for (unsigned i = 0; i < 4; i++) {
        (void)user_wait_dead(&f, i);
        EXPECT_EQ(f.thread[i]->end, THREAD_END_KILLED);
    }
    EXPECT_EQ(user_count(&f, 2), 0);
    user_fixture_destroy(&f);
}

GUEST_TEST(affinity_moves_a_running_thread)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    struct cpu_mask none = { .word = { 0 } };
    REQUIRE(user_run(&f, 0, GUEST_SPIN, 0, 0));
    EXPECT_EQ(sched_set_affinity(f.thread[0], &none), ERR_INVALID);
    for (unsigned round = 0; round < 3 * cpu_count; round++) {
        uint32_t cpu = round % cpu_count;
        user_pin(&f, 0, cpu);
        (void)user_wait_count(&f, 0, user_count(&f, 0) + 100);
        user_let_run_ns(MS);
        EXPECT_EQ(f.thread[0]->cpu->index, cpu);
    }
    user_fixture_destroy(&f);
}

/* Two register checkers and a yielder on each CPU: preempted, moved, called into, nothing may
 * change. */
static void check_state(enum test_guest_function function)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    unsigned count = cpu_count > 4 ? 8 : 2 * cpu_count;
    REQUIRE(count != 0);
    for (unsigned i = 0; i < count; i++)
        REQUIRE(user_run(&f, i, function, 0x1000000ull * (i + 1), 20000));
    REQUIRE(user_run(&f, count, GUEST_YIELD, 0, 0));
    for (unsigned round = 0; round < 40; round++) {
        user_pin(&f, round % count, (round / 2) % cpu_count);
        user_let_run_ns(5 * MS);
    }
    for (unsigned i = 0; i < count; i++) {
        user_stop(&f, i);
        (void)user_wait_dead(&f, i);
        EXPECT(user_count(&f, i) != 0);
        EXPECT_EQ(f.command[i].out[0], 0);
        EXPECT_EQ(f.thread[i]->end, THREAD_END_EXIT);
    }
    user_fixture_destroy(&f);
}

GUEST_TEST(registers_survive_preemption_and_migration)
{
    check_state(GUEST_REGISTERS);
}

GUEST_TEST(vector_registers_survive_preemption_and_migration)
{
    check_state(GUEST_VECTOR);
}

GUEST_TEST(vector_registers_are_clean_at_first_use)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
        /* One thread fills them, another looks, on the same CPU. */
        REQUIRE(user_prepare(&f, 0, GUEST_VECTOR));
        f.command[0].in[0] = UINT64_MAX / 3;
        f.command[0].in[1] = 1000;
        user_pin(&f, 0, cpu);
        user_start(&f, 0);
        (void)user_wait_count(&f, 0, 3);
        REQUIRE(user_prepare(&f, 1, GUEST_VECTOR_CLEAN));
        f.command[1].out[0] = UINT64_MAX;
        user_pin(&f, 1, cpu);
        user_start(&f, 1);
        (void)user_wait_dead(&f, 1);
        EXPECT_EQ(f.command[1].finished, 1);
        EXPECT_EQ(f.command[1].out[0], 0);
        user_stop(&f, 0);
        (void)user_wait_dead(&f, 0);
    }
    user_fixture_destroy(&f);
}

GUEST_TEST(a_lone_thread_is_not_interrupted)
{
    if (cpu_count < 2)
        SKIP("needs a CPU that does not run the tests");
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    struct cpu *cpu = cpu_get(cpu_count - 1);
    REQUIRE(user_prepare(&f, 0, GUEST_SPIN));
    user_pin(&f, 0, cpu->index);
    user_start(&f, 0);
    (void)user_wait_count(&f, 0, 1);
    user_let_run_ns(20 * MS); /* what was programmed before runs out */
    uint64_t before = READ_ONCE(cpu->interrupts);
    user_let_run_ns(100 * MS);
    EXPECT(READ_ONCE(cpu->interrupts) - before <= 1);
    user_fixture_destroy(&f);
}

GUEST_TEST(an_idle_machine_takes_no_ticks)
{
    if (cpu_count < 2)
        SKIP("needs a CPU that does not run the tests");
    struct cpu *cpu = cpu_get(cpu_count - 1);
    user_let_run_ns(20 * MS);
    uint64_t before = READ_ONCE(cpu->interrupts);
    user_let_run_ns(100 * MS);
    EXPECT(READ_ONCE(cpu->interrupts) - before <= 1);
}

/* One thread for each CPU that ends at once, not started yet. */
static bool prepare_everywhere(struct user_fixture *f, unsigned count)
{
    if (!user_fixture_init(f))
        return false;
    bool all = true;
    for (unsigned i = 0; all && i < count; i++) {
        all = user_prepare(f, i, GUEST_EXIT);
        if (all)
            user_pin(f, i, i);
    }
    return all;
}

static void start_everywhere(struct user_fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        user_start(f, i);
}

static void wait_everywhere(struct user_fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)user_wait_dead(f, i);
}

/* Idle CPUs stay on the address space of the thread that they ran last. It dies while they go to
 * another one.
 */
GUEST_TEST(an_address_space_dies_while_its_cpus_leave_it)
{
    unsigned count = MIN(cpu_count, (unsigned)TEST_GUEST_THREADS);
    /* As many deaths of threads, however many CPUs there are. */
    for (unsigned round = 0; round < 1 + 64 / count; round++) {
        struct user_fixture old, new;
        REQUIRE(prepare_everywhere(&old, count));
        REQUIRE(prepare_everywhere(&new, count));
        start_everywhere(&old, count);
        wait_everywhere(&old, count);
        start_everywhere(&new, count);
        user_fixture_destroy(&old);
        wait_everywhere(&new, count);
        user_fixture_destroy(&new);
    }
}

/* ---- Cross calls ---- */

static void count_up(void *argument)
{
    __atomic_fetch_add((uint32_t *)argument, 1, __ATOMIC_RELAXED);
}

GUEST_TEST(cross_call_reaches_every_other_cpu_once)
{
    struct cpu_mask all = cpu_mask_all();
    for (unsigned round = 0; round < 100; round++) {
        uint32_t calls = 0;
        ipi_call(&all, count_up, &calls);
        EXPECT_EQ(calls, cpu_count - 1);
    }
}

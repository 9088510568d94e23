/* CPU time of budgets on simulated CPUs: what quotas and weights promise. */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <kernel/budget.h>
#include <kernel/sched.h>
#include <kernel/test.h>

#define MS ((uint64_t)1000 * 1000)

enum { THREADS_MAX = 160, BUDGETS_MAX = 4, SETTLE_MAX = 2000 };

/* A tree of budgets, the first of them the root, and threads that always want to run. */
static struct world {
    struct vspace *vspace;
    struct budget *budget[BUDGETS_MAX];
    size_t budget_count;
    struct thread *thread[THREADS_MAX];
    size_t thread_count;
} world;

static struct budget *add_budget(struct budget *parent)
{
    struct budget **place = &world.budget[world.budget_count];

    if (budget_create(parent, place) != OK)
        return NULL;
    world.budget_count++;
    return *place;
}

static bool world_init(void)
{
    world = (struct world){ .thread_count = 0 };
    /* What earlier tests had programmed runs out first. */
    simulation_clock_set(clock_now_ns() + (uint64_t)2 * SCHED_SLICE_NS);
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++)
        simulation_cpu_run(cpu, NULL, NULL);
    return vspace_create(NULL, &world.vspace) == OK && add_budget(NULL) != NULL;
}

static struct thread *add_thread(struct budget *budget, uint64_t cpus)
{
    struct cpu_mask mask = { .word = { cpus } };
    struct thread **place = &world.thread[world.thread_count];

    if (thread_create(world.vspace, budget, uaddr(USER_START), uaddr(USER_START), 0, place) != OK) {
        test_fail(__FILE__, __LINE__, "thread_create");
        return NULL;
    }
    world.thread_count++;
    EXPECT_EQ(sched_set_affinity(*place, &mask), OK);
    EXPECT_EQ(thread_start(*place), OK);
    return *place;
}

/* Every CPU takes what is pending at this moment, until nothing is. */
static void settle(void)
{
    bool pending = true;

    for (unsigned round = 0; pending && round < SETTLE_MAX; round++) {
        pending = false;
        for (uint32_t i = 0; i < cpu_count; i++) {
            if (!simulation_cpu_pending(i))
                continue;
            simulation_cpu_run(i, NULL, NULL);
            pending = true;
        }
    }
    EXPECT(!pending);
}

static void run_for(uint64_t duration_ns)
{
    uint64_t end_ns = clock_now_ns() + duration_ns;

    settle();
    while (clock_now_ns() < end_ns && !test_has_failed()) {
        uint64_t next_ns = end_ns;
        for (uint32_t i = 0; i < cpu_count; i++)
            next_ns = MIN(next_ns, simulation_timer(i));
        simulation_clock_set(MAX(next_ns, clock_now_ns()));
        settle();
    }
}

static uint64_t used_ns(struct budget *budget)
{
    return budget->share.used_ns;
}

static void expect_between(uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low || value > high)
        test_note("%llu is not in %llu..%llu", (unsigned long long)value, (unsigned long long)low,
                  (unsigned long long)high);
    EXPECT(value >= low && value <= high);
}

static void world_end(void)
{
    for (size_t i = 0; i < world.thread_count; i++)
        thread_kill(world.thread[i]);
    settle();
    for (size_t i = 0; i < world.thread_count; i++) {
        EXPECT(thread_is_dead(world.thread[i]));
        thread_put(world.thread[i]);
    }
    while (world.budget_count > 0)
        budget_put(world.budget[--world.budget_count]);
    vspace_put(world.vspace);
    EXPECT_EQ(share_limit_count, 0);
}

HOST_TEST(limits_out_of_range_are_refused)
{
    REQUIRE(world_init());
    struct budget *root = world.budget[0];
    EXPECT_EQ(share_set_quota(root, 0, 10 * MS), ERR_RANGE);
    EXPECT_EQ(share_set_quota(root, MS, SHARE_PERIOD_MIN_NS - 1), ERR_RANGE);
    EXPECT_EQ(share_set_quota(root, MS, SHARE_PERIOD_MAX_NS + 1), ERR_RANGE);
    EXPECT_EQ(share_set_quota(root, 10 * MS * CPU_MAX + 1, 10 * MS), ERR_RANGE);
    EXPECT_EQ(share_set_weight(root, 0), ERR_RANGE);
    EXPECT_EQ(share_set_weight(root, SHARE_WEIGHT_MAX + 1), ERR_RANGE);
    EXPECT_EQ(share_limit_count, 0);
    EXPECT_EQ(share_set_quota(root, MS, 10 * MS), OK);
    EXPECT_EQ(share_set_weight(root, 1), OK);
    EXPECT_EQ(share_limit_count, 1);
    world_end();
}

HOST_TEST(a_quota_holds_in_every_period)
{
    REQUIRE(world_init());
    (void)add_thread(world.budget[0], BIT64(1));
    EXPECT_EQ(share_set_quota(world.budget[0], 2 * MS, 10 * MS), OK);
    for (unsigned period = 0; period < 10; period++) {
        uint64_t before = used_ns(world.budget[0]);
        run_for(10 * MS);
        EXPECT_EQ(used_ns(world.budget[0]) - before, 2 * MS);
    }
    world_end();
}

/* A thread that ran alone was not asked for a long time. */
HOST_TEST(what_was_used_before_the_quota_is_free)
{
    REQUIRE(world_init());
    (void)add_thread(world.budget[0], BIT64(1));
    run_for(1000 * MS);
    EXPECT_EQ(share_set_quota(world.budget[0], 2 * MS, 10 * MS), OK);
    settle();
    uint64_t before = world.thread[0]->run_ns;
    run_for(100 * MS);
    expect_between(world.thread[0]->run_ns - before, 19 * MS, 21 * MS);
    world_end();
}

HOST_TEST(a_parked_thread_leaves_the_cpu_to_others_and_takes_no_ticks)
{
    REQUIRE(world_init());
    struct budget *limited = add_budget(world.budget[0]);
    struct thread *parked = add_thread(limited, BIT64(1));
    EXPECT_EQ(share_set_quota(limited, 5 * MS, 500 * MS), OK);
    run_for(100 * MS);
    EXPECT_EQ(parked->state, THREAD_BLOCKED);
    uint64_t before = cpu_get(1)->interrupts;
    run_for(100 * MS);
    EXPECT(cpu_get(1)->interrupts - before <= 1);
    struct thread *other = add_thread(world.budget[0], BIT64(1));
    run_for(100 * MS);
    EXPECT_EQ(other->state, THREAD_RUNNING);
    world_end();
}

HOST_TEST(a_quota_holds_for_all_threads_on_all_cpus)
{
    REQUIRE(world_init());
    for (unsigned i = 0; i < 6; i++)
        (void)add_thread(world.budget[0], 15);
    EXPECT_EQ(share_set_quota(world.budget[0], 20 * MS, 10 * MS), OK); /* two of four CPUs */
    run_for(200 * MS);
    expect_between(used_ns(world.budget[0]), 396 * MS, 404 * MS);
    world_end();
}

HOST_TEST(quotas_hold_on_every_level)
{
    REQUIRE(world_init());
    struct budget *a = add_budget(world.budget[0]);
    struct budget *b = add_budget(world.budget[0]);
    (void)add_thread(a, BIT64(1));
    (void)add_thread(b, BIT64(2));
    EXPECT_EQ(share_set_quota(world.budget[0], 5 * MS, 10 * MS), OK);
    EXPECT_EQ(share_set_quota(a, MS, 10 * MS), OK);
    run_for(100 * MS);
    expect_between(used_ns(a), 9 * MS, 11 * MS);
    expect_between(used_ns(world.budget[0]), 48 * MS, 52 * MS);
    world_end();
}

HOST_TEST(a_quota_that_goes_lets_all_run_again)
{
    REQUIRE(world_init());
    for (size_t i = 0; i < THREADS_MAX; i++)
        (void)add_thread(world.budget[0], BIT64(1));
    EXPECT_EQ(share_set_quota(world.budget[0], MS / 1000, 100 * MS), OK);
    run_for(90 * MS);
    EXPECT_EQ(cpu_get(1)->queue.running, NULL);
    EXPECT_EQ(share_set_quota(world.budget[0], SHARE_UNLIMITED, 0), OK);
    run_for(50 * MS);
    for (size_t i = 0; i < THREADS_MAX; i++)
        EXPECT(world.thread[i]->state != THREAD_BLOCKED);
    world_end();
}

HOST_TEST(many_parked_threads_all_get_their_turn)
{
    REQUIRE(world_init());
    for (size_t i = 0; i < THREADS_MAX; i++)
        (void)add_thread(world.budget[0], 15);
    EXPECT_EQ(share_set_quota(world.budget[0], 20 * MS, 10 * MS), OK);
    run_for(2000 * MS);
    for (size_t i = 0; i < THREADS_MAX; i++)
        EXPECT(world.thread[i]->run_ns > 0);
    expect_between(used_ns(world.budget[0]), 3990 * MS, 4004 * MS);
    world_end();
}

/* Killed, suspended, resumed and written to in the parking place. */
HOST_TEST(parked_threads_can_be_ended_and_suspended)
{
    REQUIRE(world_init());
    struct thread *a = add_thread(world.budget[0], BIT64(1));
    struct thread *b = add_thread(world.budget[0], BIT64(2));
    EXPECT_EQ(share_set_quota(world.budget[0], MS, 100 * MS), OK);
    run_for(50 * MS);
    EXPECT_EQ(a->state, THREAD_BLOCKED);
    EXPECT_EQ(b->state, THREAD_BLOCKED);
    thread_kill(a);
    EXPECT(thread_is_dead(a));
    EXPECT_EQ(thread_suspend(b), OK);
    run_for(100 * MS);
    EXPECT_EQ(b->state, THREAD_SUSPENDED);
    EXPECT_EQ(thread_resume(b), OK);
    uint64_t before = b->run_ns;
    run_for(100 * MS);
    expect_between(b->run_ns - before, MS - 1, 2 * MS);
    world_end();
}

/* ---- Weights ---- */

static void expect_ratio(struct budget *a, struct budget *b, uint64_t a_weight, uint64_t b_weight,
                         uint64_t duration_ns)
{
    uint64_t a_before = used_ns(a);
    uint64_t b_before = used_ns(b);
    run_for(duration_ns);
    uint64_t a_used = used_ns(a) - a_before;
    uint64_t b_used = used_ns(b) - b_before;
    uint64_t expected = (a_used + b_used) * a_weight / (a_weight + b_weight);
    /* A slice each at the beginning and at the end. */
    expect_between(a_used, expected - MIN(expected, 2 * (uint64_t)SCHED_SLICE_NS),
                   expected + 2 * (uint64_t)SCHED_SLICE_NS);
}

HOST_TEST(weights_divide_a_cpu_whatever_the_number_of_threads)
{
    REQUIRE(world_init());
    struct budget *a = add_budget(world.budget[0]);
    struct budget *b = add_budget(world.budget[0]);
    (void)add_thread(a, BIT64(1));
    for (unsigned i = 0; i < 7; i++)
        (void)add_thread(b, BIT64(1));
    EXPECT_EQ(share_set_weight(a, 300), OK);
    expect_ratio(a, b, 3, 1, 2000 * MS);
    EXPECT_EQ(share_set_weight(a, 50), OK);
    expect_ratio(a, b, 1, 2, 2000 * MS);
    for (size_t i = 1; i < world.thread_count; i++)
        EXPECT(world.thread[i]->run_ns > 0);
    world_end();
}

/* More of them than are looked at for each turn. */
HOST_TEST(many_threads_do_not_hide_those_of_another)
{
    REQUIRE(world_init());
    struct budget *a = add_budget(world.budget[0]);
    struct budget *b = add_budget(world.budget[0]);
    for (unsigned i = 0; i < 100; i++)
        (void)add_thread(b, BIT64(1));
    (void)add_thread(a, BIT64(1));
    EXPECT_EQ(share_set_weight(b, 101), OK);
    run_for(2000 * MS); /* those that came before there were weights */
    expect_ratio(a, b, 100, 101, 2000 * MS);
    for (size_t i = 0; i < world.thread_count; i++)
        EXPECT(world.thread[i]->run_ns > 0);
    world_end();
}

HOST_TEST(weights_count_among_siblings)
{
    REQUIRE(world_init());
    struct budget *a = add_budget(world.budget[0]);
    struct budget *b = add_budget(world.budget[0]);
    struct budget *below = add_budget(b);
    (void)add_thread(a, BIT64(1));
    for (unsigned i = 0; i < 3; i++)
        (void)add_thread(below, BIT64(1));
    EXPECT_EQ(share_set_weight(below, 10000), OK); /* has no siblings */
    expect_ratio(a, b, 1, 1, 1000 * MS);
    EXPECT_EQ(share_set_weight(b, 400), OK);
    expect_ratio(a, below, 1, 4, 2000 * MS);
    world_end();
}

HOST_TEST(time_that_was_not_asked_for_is_not_saved_up)
{
    REQUIRE(world_init());
    struct budget *a = add_budget(world.budget[0]);
    struct budget *b = add_budget(world.budget[0]);
    struct thread *idler = add_thread(a, BIT64(1));
    (void)add_thread(b, BIT64(1));
    EXPECT_EQ(share_set_weight(b, 200), OK);
    EXPECT(thread_suspend(idler) != ERR_STATE);
    run_for(1000 * MS);
    EXPECT_EQ(thread_resume(idler), OK);
    settle(); /* who ran alone is charged now */
    expect_ratio(a, b, 1, 2, 300 * MS);
    world_end();
}

HOST_TEST(priority_comes_before_weight)
{
    REQUIRE(world_init());
    struct budget *a = add_budget(world.budget[0]);
    struct budget *b = add_budget(world.budget[0]);
    (void)add_thread(a, BIT64(1));
    struct thread *high = add_thread(b, BIT64(1));
    EXPECT_EQ(share_set_weight(a, SHARE_WEIGHT_MAX), OK);
    EXPECT_EQ(sched_set_priority(high, PRIORITY_DEFAULT + 1), OK);
    settle();
    uint64_t before = used_ns(a);
    run_for(200 * MS);
    EXPECT_EQ(used_ns(a), before);
    world_end();
}

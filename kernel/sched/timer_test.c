/* Timers against a table of what should fire, on simulated CPUs with a clock that stands still. */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <kernel/cpu.h>
#include <kernel/test.h>
#include <kernel/timer.h>

enum { TIMER_MAX = 48, STEP_COUNT = 3000, SPREAD_NS = 1000 };

struct item {
    struct timer timer;
    bool queued;  /* by the model */
    uint32_t cpu; /* where it was started */
    uint64_t deadline_ns;
    unsigned fired;
};

static struct item item[TIMER_MAX];
static uint64_t last_fired_ns; /* within one run of a queue deadlines rise */
static uint64_t run_until_ns;

static void on_fire(struct timer *timer)
{
    struct item *it = CONTAINER_OF(timer, struct item, timer);

    EXPECT(it->queued);
    EXPECT_EQ(it->cpu, cpu_self()->index);
    EXPECT(it->deadline_ns <= run_until_ns);
    EXPECT(it->deadline_ns >= last_fired_ns);
    last_fired_ns = it->deadline_ns;
    it->queued = false;
    it->fired++;
}

static uint64_t model_next(uint32_t cpu)
{
    uint64_t next = DEADLINE_NEVER;

    for (size_t i = 0; i < TIMER_MAX; i++) {
        if (item[i].queued && item[i].cpu == cpu)
            next = MIN(next, item[i].deadline_ns);
    }
    return next;
}

/* All that was due on this CPU has fired; nothing else can have (on_fire). */
static void run_queue_at(uint64_t now_ns)
{
    struct cpu *cpu = cpu_self();

    last_fired_ns = 0;
    run_until_ns = now_ns;
    timer_queue_run(cpu, now_ns);
    EXPECT(model_next(cpu->index) > now_ns);
}

static void one_step(uint64_t *random, uint64_t *now_ns)
{
    struct item *it = &item[test_random(random) % TIMER_MAX];

    arch_cpu_set_self(cpu_get((uint32_t)(test_random(random) % cpu_count)));
    if (test_random(random) % 4 == 0) {
        *now_ns += test_random(random) % SPREAD_NS;
        run_queue_at(*now_ns);
    } else if (!it->queued) {
        uint64_t far = test_random(random) % 16 == 0 ? UINT64_MAX / 2 : 0;
        it->deadline_ns = *now_ns + test_random(random) % ((uint64_t)4 * SPREAD_NS) + far;
        it->cpu = cpu_self()->index;
        it->queued = true;
        timer_start(&it->timer, it->deadline_ns);
        EXPECT(simulation_timer(it->cpu) <= model_next(it->cpu));
    } else if (test_random(random) % 3 == 0) {
        EXPECT(timer_cancel(&it->timer)); /* from whatever CPU */
        EXPECT(!timer_cancel(&it->timer));
        it->queued = false;
    }
    for (uint32_t i = 0; i < cpu_count; i++)
        EXPECT_EQ(cpu_get(i)->timers.next_ns, model_next(i));
}

HOST_TEST(random_timers_fire_once_in_order_and_never_early)
{
    struct cpu *self = cpu_self();
    uint64_t random = test_seed();
    uint64_t now_ns = 1;

    for (size_t i = 0; i < TIMER_MAX; i++) {
        item[i] = (struct item){ .queued = false };
        timer_init(&item[i].timer, on_fire);
    }
    for (unsigned step = 0; step < STEP_COUNT && !test_has_failed(); step++)
        one_step(&random, &now_ns);
    for (size_t i = 0; i < TIMER_MAX; i++)
        EXPECT_EQ(timer_cancel(&item[i].timer), item[i].queued);
    for (uint32_t i = 0; i < cpu_count; i++) {
        EXPECT_EQ(cpu_get(i)->timers.next_ns, DEADLINE_NEVER);
        EXPECT_EQ(cpu_get(i)->timers.count, 0);
        cpu_get(i)->timer_programmed_ns = DEADLINE_NEVER;
    }
    arch_cpu_set_self(self);
}

static unsigned fired_count;

static void count_fire(struct timer *timer)
{
    (void)timer;
    fired_count++;
}

/* Nobody keeps a CPU in one interrupt by letting all that he has be due at once. */
HOST_TEST(timers_that_are_due_together_fire_in_slices)
{
    static struct timer many[300];
    struct cpu *cpu = cpu_self();
    unsigned runs = 0;

    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        timer_init(&many[i], count_fire);
        timer_start(&many[i], 1000);
    }
    for (fired_count = 0; cpu->timers.next_ns <= 1000; runs++) {
        unsigned before = fired_count;
        timer_queue_run(cpu, 1000);
        EXPECT(fired_count > before && fired_count - before <= 64);
    }
    EXPECT_EQ(fired_count, ARRAY_LEN(many));
    EXPECT(runs > 1);
    cpu->timer_programmed_ns = DEADLINE_NEVER;
}

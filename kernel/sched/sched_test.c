/* The scheduler against a model: a table of which thread may run, on simulated CPUs that take
 * turns.
 *
 * What must hold at any time: a thread is where its state says, once; what sleeps is not woken
 * early; what is dead stays dead. And when every CPU has had its say: none idles while a thread
 * waits that it may run, none runs a thread while a better one waits in its queue, none a thread
 * that it may not.
 */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <kernel/sched.h>
#include <kernel/slab.h>
#include <kernel/test.h>
#include <kernel/timer.h>

enum { THREAD_MAX = 24, STEP_COUNT = 3000, SETTLE_MAX = 1000 };

enum model_state { MODEL_NEW, MODEL_RUNNABLE, MODEL_BLOCKED, MODEL_SLEEPING, MODEL_DYING };

struct item {
    struct thread *thread; /* NULL: none */
    enum model_state state;
    bool suspended;
    uint64_t deadline_ns;
};

static struct item item[THREAD_MAX];
static struct vspace *space[2];
static uint64_t random_state;
static uint64_t now_ns;

static uint64_t random_below(uint64_t limit)
{
    return test_random(&random_state) % limit;
}

static struct item *item_of(const struct thread *thread)
{
    for (size_t i = 0; i < THREAD_MAX; i++) {
        if (item[i].thread == thread)
            return &item[i];
    }
    return NULL;
}

static bool may_run(const struct thread *thread, uint32_t cpu)
{
    return (thread->affinity.word[0] >> cpu & 1) != 0;
}

/* ---- What happens ---- */

/* In the name of the thread that is in user mode on this CPU. */
static void user_event(void *unused)
{
    struct thread *thread = cpu_self()->current;
    struct item *it = item_of(thread);

    (void)unused;
    /* An interrupt of this turn may have made it leave. */
    if (thread->state != THREAD_RUNNING || it == NULL)
        return;
    bool alive = it->state != MODEL_DYING;
    switch (random_below(8)) {
    case 0:
        (void)sched_block(cpu_self()->current);
        it->state = alive ? MODEL_BLOCKED : it->state;
        break;
    case 1:
        it->deadline_ns = now_ns + random_below(SCHED_SLICE_NS);
        sched_sleep_current(it->deadline_ns);
        it->state = alive ? MODEL_SLEEPING : it->state;
        break;
    case 2:
        sched_yield_current();
        break;
    case 3:
        if (random_below(4) == 0) {
            thread_end_current(THREAD_END_EXIT);
            it->state = MODEL_DYING;
        }
        break;
    default:
        break; /* computes */
    }
}

static void create(struct item *it)
{
    struct vspace *vspace = space[random_below(ARRAY_LEN(space))];

    if (thread_create(vspace, NULL, uaddr(USER_START), uaddr(USER_START), 0, &it->thread) != OK) {
        test_fail(__FILE__, __LINE__, "thread_create");
        it->thread = NULL;
        return;
    }
    it->state = MODEL_NEW;
    it->suspended = false;
}

static void kill(struct item *it)
{
    thread_kill(it->thread);
    if (it->state != MODEL_RUNNABLE || it->thread->state == THREAD_DEAD)
        EXPECT(it->state == MODEL_DYING || thread_is_dead(it->thread));
    it->state = MODEL_DYING;
}

static void change_affinity(struct item *it)
{
    struct cpu_mask mask = { .word = { 1 + random_below(BIT64(SIMULATION_CPU_COUNT) - 1) } };
    struct cpu_mask none = { .word = { BIT64(SIMULATION_CPU_COUNT) } };

    EXPECT_EQ(sched_set_affinity(it->thread, &none), ERR_INVALID);
    EXPECT_EQ(sched_set_affinity(it->thread, &mask), OK);
}

static void start_or_wake(struct item *it)
{
    if (it->state == MODEL_NEW) {
        EXPECT_EQ(thread_start(it->thread), OK);
        it->state = MODEL_RUNNABLE;
        return;
    }
    EXPECT_EQ(thread_start(it->thread), ERR_STATE);
    if (it->state == MODEL_SLEEPING)
        return;
    EXPECT_EQ(sched_wake(it->thread), it->state == MODEL_BLOCKED);
    if (it->state == MODEL_BLOCKED)
        it->state = MODEL_RUNNABLE;
}

static void suspend_or_resume(struct item *it)
{
    if (it->state == MODEL_NEW || it->thread->state == THREAD_DEAD) {
        EXPECT_EQ(thread_suspend(it->thread), it->state == MODEL_NEW ? ERR_STATE : ERR_DEAD);
        EXPECT_EQ(thread_resume(it->thread), ERR_STATE);
    } else if (random_below(2) == 0) {
        enum status status = thread_suspend(it->thread);
        EXPECT(status == (it->thread->state == THREAD_RUNNING ? ERR_WOULD_BLOCK : OK));
        it->suspended = true;
    } else {
        EXPECT_EQ(thread_resume(it->thread), it->suspended ? OK : ERR_STATE);
        it->suspended = false;
    }
}

static void bury(struct item *it)
{
    if (!thread_is_dead(it->thread))
        return;
    EXPECT(it->state == MODEL_DYING);
    thread_put(it->thread);
    it->thread = NULL;
}

/* Some kernel code, on some CPU, does something to some thread. */
static void outside_event(void)
{
    struct item *it = &item[random_below(THREAD_MAX)];

    if (it->thread == NULL) {
        create(it);
        return;
    }
    switch (random_below(12)) {
    case 0:
        change_affinity(it);
        break;
    case 1:
        EXPECT_EQ(sched_set_priority(it->thread, (unsigned)(30 + random_below(4))), OK);
        EXPECT_EQ(sched_set_priority(it->thread, PRIORITY_COUNT), ERR_RANGE);
        break;
    case 2:
        if (random_below(4) == 0)
            kill(it);
        break;
    case 3:
        bury(it);
        break;
    case 4:
    case 5:
        suspend_or_resume(it);
        break;
    default:
        start_or_wake(it);
        break;
    }
}

/* ---- What must hold ---- */

/* How often the scheduler knows of a thread: running somewhere, or in the queue of its own CPU. */
static unsigned places(const struct thread *thread)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < cpu_count; i++) {
        const struct run_queue *queue = &cpu_get(i)->queue;
        count += queue->running == thread;
        for (unsigned p = 0; p < PRIORITY_COUNT; p++) {
            LIST_FOR_EACH(node, &queue->fifo[p])
            {
                bool here = CONTAINER_OF(node, struct thread, run_node) == thread;
                EXPECT(!here || (thread->cpu == cpu_get(i) && thread->priority == p));
                count += here;
            }
        }
    }
    return count;
}

static void check_thread(struct item *it)
{
    enum thread_state state = it->thread->state;
    bool ready = state == THREAD_READY || state == THREAD_RUNNING;

    if (it->suspended) {
        EXPECT(state != THREAD_READY);
        ready = state == THREAD_SUSPENDED || state == THREAD_RUNNING;
    }
    if (it->state == MODEL_SLEEPING && ready) {
        EXPECT(now_ns >= it->deadline_ns);
        it->state = MODEL_RUNNABLE;
    }
    switch (it->state) {
    case MODEL_NEW:
        EXPECT_EQ(state, THREAD_NEW);
        break;
    case MODEL_RUNNABLE:
        EXPECT(ready);
        break;
    case MODEL_BLOCKED:
    case MODEL_SLEEPING:
        EXPECT_EQ(state, THREAD_BLOCKED);
        break;
    case MODEL_DYING:
        EXPECT(state == THREAD_DEAD ||
               (state == THREAD_RUNNING && (it->thread->attention & THREAD_KILL) != 0));
        break;
    }
    EXPECT_EQ(places(it->thread), state == THREAD_READY || state == THREAD_RUNNING ? 1 : 0);
}

static void check_queue(const struct run_queue *queue)
{
    uint32_t count = 0;

    for (unsigned p = 0; p < PRIORITY_COUNT; p++) {
        EXPECT_EQ(queue->ready >> p & 1, !list_empty(&queue->fifo[p]));
        LIST_FOR_EACH(node, &queue->fifo[p])
        {
            EXPECT_EQ(CONTAINER_OF(node, struct thread, run_node)->state, THREAD_READY);
            count++;
        }
    }
    EXPECT_EQ(queue->ready_count, count);
}

static void check_all(void)
{
    for (size_t i = 0; i < THREAD_MAX; i++) {
        if (item[i].thread != NULL)
            check_thread(&item[i]);
    }
    for (uint32_t i = 0; i < cpu_count; i++)
        check_queue(&cpu_get(i)->queue);
}

/* Every CPU takes what is pending, until nothing is. Time stands still. */
static void settle(void)
{
    for (unsigned round = 0; round < SETTLE_MAX; round++) {
        bool pending = false;
        for (uint32_t i = 0; i < cpu_count; i++) {
            if (!simulation_cpu_pending(i))
                continue;
            simulation_cpu_run(i, NULL, NULL);
            pending = true;
        }
        if (!pending)
            return;
    }
    test_fail(__FILE__, __LINE__, "the CPUs never come to rest");
}

static void check_settled(void)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        const struct run_queue *queue = &cpu_get(i)->queue;
        const struct thread *running = queue->running;
        EXPECT(cpu_get(i)->current == running);
        if (running != NULL) {
            EXPECT(may_run(running, i));
            EXPECT(queue->ready >> running->priority >> 1 == 0);
        }
        for (size_t t = 0; t < THREAD_MAX; t++) {
            const struct thread *thread = item[t].thread;
            if (running == NULL && thread != NULL && thread->state == THREAD_READY)
                EXPECT(!may_run(thread, i)); /* it waits while this CPU idles */
        }
    }
    for (size_t t = 0; t < THREAD_MAX; t++) {
        const struct item *it = &item[t];
        if (it->thread != NULL && it->state == MODEL_DYING)
            EXPECT(thread_is_dead(it->thread));
        if (it->thread != NULL && it->suspended && it->state != MODEL_DYING)
            EXPECT(it->thread->state != THREAD_RUNNING);
        if (it->thread != NULL && it->state == MODEL_SLEEPING)
            EXPECT(it->deadline_ns > now_ns);
    }
}

static void one_step(void)
{
    uint32_t cpu = (uint32_t)random_below(cpu_count);

    switch (random_below(4)) {
    case 0:
        now_ns += random_below(SCHED_SLICE_NS);
        simulation_clock_set(now_ns);
        break;
    case 1:
        arch_cpu_set_self(cpu_get(cpu));
        outside_event();
        arch_cpu_set_self(cpu_get(0));
        break;
    default:
        simulation_cpu_run(cpu, user_event, NULL);
        break;
    }
}

static void end_all(void)
{
    for (size_t i = 0; i < THREAD_MAX; i++) {
        if (item[i].thread != NULL)
            kill(&item[i]);
    }
    settle();
    for (size_t i = 0; i < THREAD_MAX; i++) {
        if (item[i].thread != NULL)
            bury(&item[i]);
        EXPECT(item[i].thread == NULL);
    }
}

HOST_TEST(random_events_agree_with_a_model_and_no_cpu_idles_in_vain)
{
    struct cpu *self = cpu_self();
    uint64_t threads = thread_count();

    random_state = test_seed();
    now_ns = clock_now_ns();
    for (size_t i = 0; i < ARRAY_LEN(space); i++)
        REQUIRE(vspace_create(NULL, &space[i]) == OK);
    for (unsigned step = 0; step < STEP_COUNT && !test_has_failed(); step++) {
        one_step();
        check_all();
        if (step % 8 == 0) {
            settle();
            check_all();
            check_settled();
        }
    }
    end_all();
    for (size_t i = 0; i < ARRAY_LEN(space); i++)
        vspace_put(space[i]);
    EXPECT_EQ(thread_count(), threads);
    arch_cpu_set_self(self);
}

/* Two threads share a CPU: at the end of a slice the timer is set for the end of the next one, not
 * once more for what is over.
 */
HOST_TEST(a_slice_takes_one_timer_interrupt)
{
    struct cpu_mask only = { .word = { BIT64(SIMULATION_CPU_COUNT - 1) } };
    uint32_t cpu = SIMULATION_CPU_COUNT - 1;
    struct thread *thread[2];
    struct vspace *vspace;

    REQUIRE(vspace_create(NULL, &vspace) == OK);
    /* What an earlier test had programmed runs out first. */
    simulation_clock_set(clock_now_ns() + (uint64_t)2 * SCHED_SLICE_NS);
    simulation_cpu_run(cpu, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
        REQUIRE(thread_create(vspace, NULL, uaddr(USER_START), uaddr(USER_START), 0, &thread[i]) ==
                OK);
        EXPECT_EQ(sched_set_affinity(thread[i], &only), OK);
        EXPECT_EQ(thread_start(thread[i]), OK);
    }
    simulation_cpu_run(cpu, NULL, NULL);
    for (unsigned slice = 0; slice < 10; slice++) {
        const struct thread *before = cpu_get(cpu)->current;
        uint64_t end_ns = simulation_timer(cpu);
        EXPECT(end_ns <= clock_now_ns() + SCHED_SLICE_NS);
        simulation_clock_set(end_ns);
        simulation_cpu_run(cpu, NULL, NULL);
        EXPECT(cpu_get(cpu)->current != before);
        EXPECT_EQ(simulation_timer(cpu), end_ns + SCHED_SLICE_NS);
    }
    for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
        thread_kill(thread[i]);
        simulation_cpu_run(cpu, NULL, NULL);
        EXPECT(thread_is_dead(thread[i]));
        thread_put(thread[i]);
    }
    vspace_put(vspace);
}

static void sleep_a_slice(void *unused)
{
    (void)unused;
    sched_sleep_current(clock_now_ns() + SCHED_SLICE_NS);
}

static void block(void *unused)
{
    (void)unused;
    (void)sched_block(cpu_self()->current);
}

/* Woken early from a sleep, a thread that waits for something else is not woken by the old
 * deadline. */
HOST_TEST(a_sleep_that_was_cut_short_wakes_nobody_later)
{
    uint32_t cpu = 1;
    struct cpu_mask only = { .word = { BIT64(cpu) } };
    struct thread *thread;
    struct vspace *vspace;

    REQUIRE(vspace_create(NULL, &vspace) == OK);
    REQUIRE(thread_create(vspace, NULL, uaddr(USER_START), uaddr(USER_START), 0, &thread) == OK);
    EXPECT_EQ(sched_set_affinity(thread, &only), OK);
    EXPECT_EQ(thread_start(thread), OK);
    simulation_cpu_run(cpu, NULL, NULL);
    simulation_cpu_run(cpu, sleep_a_slice, NULL);
    EXPECT_EQ(thread->state, THREAD_BLOCKED);
    thread->wait.cancel(thread, ERR_CANCELLED);
    simulation_cpu_run(cpu, NULL, NULL);
    EXPECT_EQ(thread->state, THREAD_RUNNING);
    simulation_cpu_run(cpu, block, NULL);
    simulation_clock_set(clock_now_ns() + (uint64_t)2 * SCHED_SLICE_NS);
    simulation_cpu_run(cpu, NULL, NULL);
    EXPECT_EQ(thread->state, THREAD_BLOCKED);
    thread_kill(thread);
    simulation_cpu_run(cpu, NULL, NULL);
    thread_put(thread);
    vspace_put(vspace);
}

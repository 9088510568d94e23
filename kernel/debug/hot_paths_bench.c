/* What the hot paths cost. Under `-icount shift=0,sleep=off` on one CPU the counter counts
 * instructions, and every figure repeats to the digit.
 *
 * A user thread's figure is the difference between 2n and n turns, divided by n: start and end of
 * the thread cancel out, the user loop of four instructions does not. The difference is taken
 * within one millisecond of guest time, in which no timer of the test rig fires.
 */
#include <arch/timer.h>
#include <base/bench.h>
#include <kernel/frame.h>
#include <kernel/ipi.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

enum { TURNS = 256, PAGES_MAX = 2048 };

/* Run `threads` threads of the fixture until all are dead; the counter's difference. */
static uint64_t run_threads(struct user_fixture *fixtures, unsigned threads,
                            enum test_guest_function function, uint64_t in_0, uint64_t in_1)
{
    for (unsigned i = 0; i < threads; i++) {
        if (!user_prepare(&fixtures[i], 0, function))
            return 0;
        fixtures[i].command[0].in[0] = in_0;
        fixtures[i].command[0].in[1] = in_1;
        user_pin(&fixtures[i], 0, 0);
    }
    for (unsigned i = 0; i < threads; i++)
        user_start(&fixtures[i], 0);
    uint64_t start = arch_cycle_count();
    for (unsigned i = 0; i < threads; i++)
        (void)user_wait_dead(&fixtures[i], 0);
    return arch_cycle_count() - start;
}

/* The cost of one turn; a first run warms caches and page tables. */
static void report_turn(const char *name, unsigned threads, enum test_guest_function function,
                        uint64_t in_0, uint64_t turns)
{
    struct user_fixture fixtures[2];
    for (unsigned i = 0; i < threads; i++) {
        if (!user_fixture_init(&fixtures[i]))
            return;
    }
    (void)run_threads(fixtures, threads, function, in_0, turns);
    uint64_t once = run_threads(fixtures, threads, function, in_0, turns);
    uint64_t twice = run_threads(fixtures, threads, function, in_0, 2 * turns);
    bench_report(name, "instructions", (twice - once) / (turns * threads));
    for (unsigned i = 0; i < threads; i++)
        user_fixture_destroy(&fixtures[i]);
}

BENCH(null_system_call)
{
    report_turn("null_system_call", 1, GUEST_CALLS, SYSCALL_COUNT, TURNS);
}

BENCH(yield_alone)
{
    report_turn("yield_alone", 1, GUEST_CALLS, SYSCALL_thread_yield, TURNS);
}

/* Two threads in two address spaces give way to each other: one turn is a call and a switch. */
BENCH(context_switch)
{
    report_turn("context_switch", 2, GUEST_CALLS, SYSCALL_thread_yield, TURNS);
}

/* ---- Faults and mappings ---- */

static uint64_t touch(struct user_fixture *f, uint64_t pages)
{
    uint64_t at = TEST_GUEST_ARENA_AT;
    if (vspace_reserve(f->vspace, uaddr(at), pages * PAGE_SIZE, PERM_READ | PERM_WRITE) != OK)
        return 0;
    uint64_t cost = run_threads(f, 1, GUEST_TOUCH, at, pages);
    EXPECT_EQ(vspace_unmap(f->vspace, uaddr(at), pages * PAGE_SIZE), OK);
    return cost;
}

/* A first write to a page that is reserved: fault, zeroed frame, return. */
BENCH(page_fault)
{
    struct user_fixture f;
    if (!user_fixture_init(&f))
        return;
    (void)touch(&f, 128);
    uint64_t once = touch(&f, 64);
    uint64_t twice = touch(&f, 128);
    bench_report("page_fault", "instructions", (twice - once) / 64);
    user_fixture_destroy(&f);
}

BENCH(frame_alloc_and_free)
{
    struct frame *frame;
    EXPECT_EQ(frame_alloc(0, 0, &frame), OK);
    frame_put(frame);
    uint64_t start = arch_cycle_count();
    EXPECT_EQ(frame_alloc(0, 0, &frame), OK);
    uint64_t middle = arch_cycle_count();
    frame_put(frame);
    uint64_t end = arch_cycle_count();
    bench_report("frame_alloc", "instructions", middle - start);
    bench_report("frame_free", "instructions", end - middle);
}

static void report_map(struct vspace *vspace, struct memory *memory, size_t pages, const char *map,
                       const char *protect, const char *unmap)
{
    /* Beside the next 2 MiB boundary, so that pages are mapped one by one. */
    uaddr_t at = uaddr(TEST_GUEST_ARENA_AT + PAGE_SIZE);
    struct map_request request = {
        .memory = memory,
        .at = at,
        .size_bytes = pages * PAGE_SIZE,
        .perm = PERM_READ | PERM_WRITE,
        .limit = PERM_READ | PERM_WRITE,
        .flags = MAP_POPULATE,
    };
    uint64_t cost[3] = { 0 };
    for (unsigned round = 0; round < 2; round++) {
        uint64_t start = arch_cycle_count();
        EXPECT_EQ(vspace_map(vspace, &request), OK);
        uint64_t mapped = arch_cycle_count();
        EXPECT_EQ(vspace_protect(vspace, at, pages * PAGE_SIZE, PERM_READ), OK);
        uint64_t narrowed = arch_cycle_count();
        EXPECT_EQ(vspace_unmap(vspace, at, pages * PAGE_SIZE), OK);
        cost[2] = arch_cycle_count() - narrowed;
        cost[1] = narrowed - mapped;
        cost[0] = mapped - start;
    }
    bench_report(map, "instructions", cost[0]);
    bench_report(protect, "instructions", cost[1]);
    bench_report(unmap, "instructions", cost[2]);
}

BENCH(map_and_unmap)
{
    struct vspace *vspace;
    struct memory *memory;
    struct work work = { .left = UINT32_MAX };
    uint64_t page = 0;
    if (vspace_create(NULL, &vspace) != OK)
        return;
    if (memory_create(NULL, PAGES_MAX * PAGE_SIZE, &memory) == OK) {
        EXPECT_EQ(memory_commit(memory, &page, PAGES_MAX, &work), OK);
        report_map(vspace, memory, 1, "map_1_page", "protect_1_page", "unmap_1_page");
        report_map(vspace, memory, PAGES_MAX, "map_2048_pages", "protect_2048_pages",
                   "unmap_2048_pages");
        memory_put(memory);
    }
    vspace_put(vspace);
}

/* ---- Interrupts ---- */

/* A high-priority thread sleeps and wakes `wakes` times over a spinner. What the spinner did not
 * use went into interrupt, wake-up, both switches, the thread's own call, and the way back.
 */
static void sleep_over_spinner(struct user_fixture *f, uint64_t wakes, uint64_t *total_out,
                               uint64_t *spins_out)
{
    enum { STEP_NS = 20000 };
    uint64_t spins = user_count(f, 1);
    uint64_t start = arch_cycle_count();
    if (!user_prepare(f, 0, GUEST_SLEEP))
        return;
    f->command[0].in[0] = wakes;
    f->command[0].in[1] = clock_now_ns() + STEP_NS;
    f->command[0].in[2] = STEP_NS;
    user_pin(f, 0, 0);
    EXPECT_EQ(sched_set_priority(f->thread[0], PRIORITY_DEFAULT + 1), OK);
    user_start(f, 0);
    (void)user_wait_dead(f, 0);
    *total_out = arch_cycle_count() - start;
    *spins_out = user_count(f, 1) - spins;
}

/* Instructions in one turn of the spinner: a small whole number, so that the odd interrupt rounds
 * away. */
static uint64_t spin_cost(struct user_fixture *f)
{
    uint64_t spins = user_count(f, 1);
    uint64_t start = arch_cycle_count();
    user_let_run_ns((uint64_t)900 * 1000);
    uint64_t cost = arch_cycle_count() - start;
    spins = user_count(f, 1) - spins;
    return spins == 0 ? 0 : (cost + spins / 2) / spins;
}

BENCH(timer_interrupt_to_thread)
{
    struct user_fixture f;
    if (!user_fixture_init(&f))
        return;
    if (user_prepare(&f, 1, GUEST_SPIN)) {
        user_pin(&f, 1, 0);
        user_start(&f, 1);
        (void)user_wait_count(&f, 1, 1);
        uint64_t per_turn = spin_cost(&f);
        uint64_t total[2] = { 0 };
        uint64_t spins[2] = { 0 };
        sleep_over_spinner(&f, 10, &total[0], &spins[0]);
        sleep_over_spinner(&f, 30, &total[1], &spins[1]);
        int64_t kernel =
            (int64_t)(total[1] - total[0]) - (int64_t)((spins[1] - spins[0]) * per_turn);
        bench_report("timer_interrupt_to_thread_and_back", "instructions", (uint64_t)(kernel / 20));
    }
    user_fixture_destroy(&f);
}

static void nothing(void *argument)
{
    (void)argument;
}

/* Under -icount the CPUs take turns, and both count: what the asker and the other CPU spend
 * together. */
BENCH(cross_call)
{
    if (cpu_count < 2)
        return;
    struct cpu_mask mask = { .word = { 0 } };
    cpu_mask_set(&mask, 1);
    ipi_call(&mask, nothing, NULL);
    uint64_t start = arch_cycle_count();
    for (unsigned i = 0; i < 16; i++)
        ipi_call(&mask, nothing, NULL);
    bench_report("cross_call", "instructions", (arch_cycle_count() - start) / 16);
}

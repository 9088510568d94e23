/* What Memory costs a program: system calls in user mode (scripts, see capability_bench.c), and
 * faults.
 */
#include <arch/timer.h>
#include <base/bench.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

enum { TURNS = 4, PAGES_MAX = 2048, TOUCHED = 64 };
#define MAP_AT (TEST_GUEST_ARENA_AT + BIT64(30) + PAGE_SIZE)
#define RW     (ACCESS_READ | ACCESS_WRITE)

struct world {
    struct user_fixture f;
    struct test_guest_step *step;
    uint64_t space;
    uint64_t budget;
    uint64_t memory; /* PAGES_MAX pages, committed */
};

static bool world_init(struct world *w)
{
    if (!user_fixture_init(&w->f))
        return false;
    w->step = user_map_arena(&w->f);
    w->space = user_give(&w->f, &w->f.process->object, RIGHT_PROCESS_MAP);
    w->budget = user_give(&w->f, &w->f.budget->object, RIGHT_BUDGET_CHARGE);
    EXPECT_EQ(user_call(&w->f, SYSCALL_memory_create, &w->memory, w->budget, PAGES_MAX * PAGE_SIZE),
              OK);
    EXPECT_EQ(user_call(&w->f, SYSCALL_memory_range, NULL, w->memory, MEMORY_OP_COMMIT, 0,
                        PAGES_MAX * PAGE_SIZE),
              OK);
    return w->step != NULL && w->memory != 0;
}

static uint64_t run(struct world *w, enum test_guest_function function, uint64_t a, uint64_t b,
                    uint64_t c)
{
    if (!user_prepare(&w->f, 0, function))
        return 0;
    w->f.command[0].in[0] = a;
    w->f.command[0].in[1] = b;
    w->f.command[0].in[2] = c;
    user_pin(&w->f, 0, 0);
    uint64_t start = arch_cycle_count();
    user_start(&w->f, 0);
    (void)user_wait_dead(&w->f, 0);
    return arch_cycle_count() - start;
}

/* One turn of a script of so many steps. */
static uint64_t turn(struct world *w, size_t steps)
{
    (void)run(w, GUEST_SCRIPT, TEST_GUEST_ARENA_AT, steps, 2ull * TURNS);
    uint64_t once = run(w, GUEST_SCRIPT, TEST_GUEST_ARENA_AT, steps, TURNS);
    EXPECT_EQ(w->f.command[0].out[0], 0);
    return (run(w, GUEST_SCRIPT, TEST_GUEST_ARENA_AT, steps, 2ull * TURNS) - once) / TURNS;
}

/* Map and unmap so many pages; the same with protecting them between; the difference is protect. */
static void report_range(struct world *w, uint64_t pages, const char *both, const char *protect)
{
    const uint64_t size = pages * PAGE_SIZE;
    struct test_guest_step map = { SYSCALL_map,
                                   { w->space, w->memory, MAP_AT, 0, size, RW | ACCESS_POPULATE },
                                   0 };
    struct test_guest_step unmap = { SYSCALL_unmap, { w->space, MAP_AT, size }, 0 };

    w->step[0] = map;
    w->step[1] = unmap;
    uint64_t two = turn(w, 2);
    w->step[1] =
        (struct test_guest_step){ SYSCALL_protect, { w->space, MAP_AT, size, ACCESS_READ }, 0 };
    w->step[2] = unmap;
    bench_report(both, "instructions", two);
    bench_report(protect, "instructions", turn(w, 3) - two);
}

BENCH(memory_ranges)
{
    struct world w;
    if (!world_init(&w))
        return;
    report_range(&w, 1, "call_map_unmap_1_page", "call_protect_1_page");
    report_range(&w, 32, "call_map_unmap_32_pages", "call_protect_32_pages");
    report_range(&w, PAGES_MAX, "call_map_unmap_2048_pages", "call_protect_2048_pages");
    user_fixture_destroy(&w.f);
}

/* Touch pages of the Memory from `first` on, where nothing is mapped yet. */
static uint64_t touch(struct world *w, uint64_t memory, uint64_t first, uint64_t pages)
{
    const uint64_t size = pages * PAGE_SIZE;

    EXPECT_EQ(
        user_call(&w->f, SYSCALL_map, NULL, w->space, memory, MAP_AT, first * PAGE_SIZE, size, RW),
        OK);
    uint64_t cost = run(w, GUEST_TOUCH, MAP_AT, pages, 0);
    EXPECT_EQ(user_call(&w->f, SYSCALL_unmap, NULL, w->space, MAP_AT, size), OK);
    return cost;
}

/* A leaf that has to be copied, or made, is so by the first touch. */
static uint64_t per_page(struct world *w, uint64_t memory)
{
    (void)touch(w, memory, 500, 1);
    uint64_t once = touch(w, memory, 0, TOUCHED);
    return (touch(w, memory, TOUCHED, 2 * (uint64_t)TOUCHED) - once) / TOUCHED;
}

BENCH(memory_faults)
{
    struct world w;
    uint64_t fresh = 0;
    uint64_t clone = 0;
    if (!world_init(&w))
        return;
    EXPECT_EQ(user_call(&w.f, SYSCALL_memory_create, &fresh, w.budget, PAGES_MAX * PAGE_SIZE), OK);
    bench_report("fault_zero", "instructions", per_page(&w, fresh));
    bench_report("fault_present", "instructions", per_page(&w, w.memory));
    EXPECT_EQ(
        user_call(&w.f, SYSCALL_memory_clone, &clone, w.memory, w.budget, 0, PAGES_MAX * PAGE_SIZE),
        OK);
    bench_report("fault_copy", "instructions", per_page(&w, clone));
    user_fixture_destroy(&w.f);
}

/* Clone and give up the clone, with all pages in page tables that must not be written any more. */
BENCH(memory_clone)
{
    struct world w;
    if (!world_init(&w))
        return;
    const uint64_t size = PAGES_MAX * PAGE_SIZE;
    w.step[0] =
        (struct test_guest_step){ SYSCALL_memory_clone, { w.memory, w.budget, 0, size }, 0 };
    w.step[1] = (struct test_guest_step){ SYSCALL_handle_close, { 0 }, 1 };
    bench_report("clone_2048_pages_and_close", "instructions", turn(&w, 2));
    EXPECT_EQ(user_call(&w.f, SYSCALL_map, NULL, w.space, w.memory, MAP_AT, 0, size,
                        RW | ACCESS_POPULATE),
              OK);
    bench_report("clone_2048_mapped_pages_and_close", "instructions", turn(&w, 2));
    user_fixture_destroy(&w.f);
}

/* What it costs to leave a guest and come back, by reason and mode. A figure is the difference
 * between 2n and n turns, divided by n: the loops of sandbox (six to eight instructions) and guest
 * (two) are in it.
 */
#include <abi_syscalls.h>
#include <arch/guest_test.h>
#include <arch/timer.h>
#include <base/bench.h>
#include <base/string.h>
#include <kernel/guest.h>
#include <kernel/memory.h>
#include <kernel/sandbox_fixture.h>
#include <kernel/test.h>

enum { TURNS = 256, REPLY_NUMBER = 39 };

extern const char guest_code_call[], guest_code_undefined[], guest_code_reply[], guest_code_spin[];

static uint64_t run(struct sandbox *s, const char *snippet, uint64_t turns, uint64_t counter)
{
    GUEST_COUNTER(sandbox_registers(s, 0, snippet, 0, REPLY_NUMBER)) = counter;
    if (!sandbox_prepare(s, 0, SANDBOX_TURNS, s->handle, turns, 0))
        return 0;
    user_pin(&s->f, 0, 0);
    user_start(&s->f, 0);
    uint64_t start = arch_cycle_count();
    (void)user_wait_dead(&s->f, 0);
    return arch_cycle_count() - start;
}

static void report_turn(const char *name, unsigned flags, const char *snippet)
{
    struct sandbox s;
    if (!sandbox_init(&s, flags))
        return;
    (void)run(&s, snippet, TURNS, 0);
    uint64_t once = run(&s, snippet, TURNS, 0);
    uint64_t twice = run(&s, snippet, 2ull * TURNS, 0);
    bench_report(name, "instructions", (twice - once) / TURNS);
    sandbox_destroy(&s);
}

BENCH(guest_system_call)
{
    report_turn("guest_system_call_fused", 0, guest_code_call);
    report_turn("guest_system_call_split", GUEST_SPLIT, guest_code_call);
}

/* ---- Fork ---- */

enum { FORK_STEP = 1 << 18 };
#define FORK_AT ((uint64_t)0x40000000)

/* So many mappings more, each of a Memory of its own with so many pages that were written. */
static bool fill(struct sandbox *s, unsigned from, unsigned to, unsigned pages)
{
    for (; from < to; from++) {
        uint64_t at = FORK_AT + (uint64_t)from * FORK_STEP;
        struct memory *memory;
        if (memory_create(s->f.budget, FORK_STEP, &memory) != OK)
            return false;
        enum status status =
            vspace_map(s->guest->vspace, &(struct map_request){ .memory = memory,
                                                                .at = uaddr(at),
                                                                .size_bytes = FORK_STEP,
                                                                .perm = PERM_READ | PERM_WRITE,
                                                                .limit = PERM_READ | PERM_WRITE });
        memory_put(memory);
        for (unsigned i = 0; i < pages && status == OK; i++)
            status =
                vspace_fault(s->guest->vspace, uaddr(at + (uint64_t)i * PAGE_SIZE), PERM_WRITE);
        if (status != OK)
            return false;
    }
    return true;
}

/* Copy the guest's memory, and then its copy's: what a fork costs that is the first of its parent,
 * and the next, of which the parent has written nothing since.
 */
static uint64_t fork_cost(struct sandbox *s, uint64_t *end_out)
{
    struct work work = { UINT32_MAX };
    struct guest *copy;
    uint64_t at = 0;
    if (guest_create(s->f.vspace, s->f.budget, GUEST_SPLIT, &copy) != OK)
        return 0;
    uint64_t start = arch_cycle_count();
    EXPECT_EQ(guest_clone(s->guest, copy, s->f.budget, &at, &work), OK);
    uint64_t middle = arch_cycle_count();
    EXPECT_EQ(vspace_close(copy->vspace, &work), OK);
    *end_out = arch_cycle_count() - middle;
    object_put(&copy->object);
    return middle - start;
}

static void report_fork(unsigned pages, const char *first_name, const char *again_name,
                        const char *end_name)
{
    enum { MAPPINGS = 200 };
    struct sandbox s;
    uint64_t end = 0;
    if (!sandbox_init(&s, GUEST_SPLIT))
        return;
    (void)fork_cost(&s, &end);
    EXPECT(fill(&s, 0, MAPPINGS, pages));
    bench_report(first_name, "instructions", fork_cost(&s, &end));
    bench_report(again_name, "instructions", fork_cost(&s, &end));
    bench_report(end_name, "instructions", end);
    sandbox_destroy(&s);
}

BENCH(guest_fork)
{
    report_fork(1, "fork_200_mappings_200_pages", "fork_again_200_mappings_200_pages",
                "fork_end_200_mappings_200_pages");
    report_fork(11, "fork_200_mappings_2200_pages", "fork_again_200_mappings_2200_pages",
                "fork_end_200_mappings_2200_pages");
}

BENCH(guest_exception)
{
    report_turn("guest_exception_fused", 0, guest_code_undefined);
    report_turn("guest_exception_split", GUEST_SPLIT, guest_code_undefined);
}

/* From the kick of a guest that computes to the end of its thread, which does nothing more. */
BENCH(guest_kick)
{
    enum { KICKS = 8 };
    struct sandbox s;
    uint64_t cost = 0;
    if (!sandbox_init(&s, GUEST_SPLIT))
        return;
    for (unsigned i = 0; i <= KICKS; i++) {
        (void)sandbox_registers(&s, 0, guest_code_spin, 0, 0);
        if (!sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 1, 0))
            break;
        user_pin(&s.f, 0, 0);
        user_start(&s.f, 0);
        user_let_run_ns(3ull * 1000 * 1000);
        uint64_t start = arch_cycle_count();
        guest_kick_thread(s.f.thread[0]);
        (void)user_wait_dead(&s.f, 0);
        cost += i == 0 ? 0 : arch_cycle_count() - start;
    }
    bench_report("guest_kick_to_end", "instructions", cost / KICKS);
    sandbox_destroy(&s);
}

BENCH(guest_constant_reply)
{
    struct sandbox s;
    if (!sandbox_init(&s, GUEST_SPLIT))
        return;
    memset(s.state[0]->reply_set, 0xff, sizeof(s.state[0]->reply_set));
    (void)run(&s, guest_code_reply, 1, TURNS);
    uint64_t once = run(&s, guest_code_reply, 1, TURNS);
    uint64_t twice = run(&s, guest_code_reply, 1, 2ull * TURNS);
    bench_report("guest_constant_reply", "instructions", (twice - once) / TURNS);
    sandbox_destroy(&s);
}

/* What capabilities and objects cost a program: scripts of system calls, run in user mode. A figure
 * has the loop of the script runner in it, about thirty instructions a step.
 */
#include <arch/timer.h>
#include <base/bench.h>
#include <base/string.h>
#include <kernel/grace.h>
#include <kernel/irq.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

enum { TURNS = 32 };

static uint64_t run_script(struct user_fixture *f, size_t steps, uint64_t turns)
{
    if (!user_prepare(f, 0, GUEST_SCRIPT))
        return 0;
    f->command[0].in[0] = TEST_GUEST_ARENA_AT;
    f->command[0].in[1] = steps;
    f->command[0].in[2] = turns;
    user_pin(f, 0, 0);
    uint64_t start = arch_cycle_count();
    user_start(f, 0);
    (void)user_wait_dead(f, 0);
    uint64_t cost = arch_cycle_count() - start;
    EXPECT_EQ(f->command[0].out[0], 0);
    return cost;
}

/* The cost of one turn of the script that stands in the arena. */
static void report_script(struct user_fixture *f, const char *name, size_t steps)
{
    (void)run_script(f, steps, 2ull * TURNS);
    uint64_t once = run_script(f, steps, TURNS);
    uint64_t twice = run_script(f, steps, 2ull * TURNS);
    bench_report(name, "instructions", (twice - once) / TURNS);
}

BENCH(copy_and_close)
{
    struct user_fixture f;
    if (!user_fixture_init(&f))
        return;
    struct test_guest_step *step = user_map_arena(&f);
    uint64_t budget = user_give(&f, &f.budget->object, RIGHT_BUDGET_CHARGE);
    if (step != NULL) {
        step[0] =
            (struct test_guest_step){ SYSCALL_handle_copy, { budget, RIGHT_BUDGET_CHARGE }, 0 };
        step[1] = (struct test_guest_step){ SYSCALL_handle_close, { 0 }, 1 };
        report_script(&f, "handle_copy_and_close", 2);
    }
    user_fixture_destroy(&f);
}

/* An object that its budget is destroyed with, or that is closed: what a turn leaves is freed after
 * a grace period, whose interrupt is part of the figure.
 */
static void report_object(const char *name, enum object_type type, bool destroy)
{
    struct user_fixture f;
    if (!user_fixture_init(&f))
        return;
    struct test_guest_step *step = user_map_arena(&f);
    uint64_t budget = user_give(&f, &f.budget->object, RIGHT_BUDGET_CHARGE | RIGHT_BUDGET_SPLIT);
    if (step != NULL) {
        size_t count = 0;
        step[count++] = (struct test_guest_step){ SYSCALL_object_create, { budget, type }, 0 };
        if (destroy) {
            /* Copies keep the value for the step after. */
            step[count++] =
                (struct test_guest_step){ SYSCALL_handle_copy, { 0, object_type_rights(type) }, 1 };
            step[count++] = (struct test_guest_step){ SYSCALL_object_destroy, { 0 }, 1 };
        } else {
            step[count++] = (struct test_guest_step){ SYSCALL_handle_close, { 0 }, 1 };
        }
        report_script(&f, name, count);
    }
    user_fixture_destroy(&f);
}

BENCH(budget_create_and_close)
{
    report_object("budget_create_and_close", OBJECT_BUDGET, false);
}

BENCH(process_create_copy_and_destroy)
{
    report_object("process_create_copy_and_destroy", OBJECT_PROCESS, true);
}

BENCH(ipc_objects_create_and_close)
{
    report_object("endpoint_create_and_close", OBJECT_ENDPOINT, false);
    report_object("notification_create_and_close", OBJECT_NOTIFICATION, false);
    report_object("reply_create_and_close", OBJECT_REPLY, false);
}

/* It is never started, so it goes with its capability. */
BENCH(thread_create_and_close)
{
    struct user_fixture f;
    if (!user_fixture_init(&f))
        return;
    struct test_guest_step *step = user_map_arena(&f);
    uint64_t process = user_give(&f, &f.process->object, RIGHT_PROCESS_SPAWN);
    uint64_t budget = user_give(&f, &f.budget->object, RIGHT_BUDGET_CHARGE);
    if (step != NULL) {
        step[0] = (struct test_guest_step){ SYSCALL_thread_create,
                                            { process, budget, TEST_GUEST_ARENA_AT, 0, 0, 0 },
                                            0 };
        step[1] = (struct test_guest_step){ SYSCALL_handle_close, { 0 }, 1 };
        report_script(&f, "thread_create_and_close", 2);
    }
    user_fixture_destroy(&f);
}

/* ---- Words to wait for ---- */

/* Two threads on one CPU take turns at a word: each adds one, wakes the other and waits. */
static uint64_t run_turns(struct user_fixture *f, uint64_t process, uint64_t turns)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!user_prepare(f, i, GUEST_TURNS))
            return 0;
        const uint64_t in[] = { process, TEST_GUEST_ARENA_AT, i, turns };
        memcpy(f->command[i].in, in, sizeof(in));
        user_pin(f, i, 0);
    }
    uint64_t start = arch_cycle_count();
    for (unsigned i = 0; i < 2; i++)
        user_start(f, i);
    for (unsigned i = 0; i < 2; i++)
        (void)user_wait_dead(f, i);
    return arch_cycle_count() - start;
}

BENCH(address_ping_pong)
{
    struct user_fixture f;
    if (!user_fixture_init(&f))
        return;
    uint64_t process = user_give(&f, &f.process->object, RIGHT_PROCESS_MAP);
    if (user_map_arena(&f) != NULL) {
        (void)run_turns(&f, process, 2ull * TURNS);
        uint64_t once = run_turns(&f, process, TURNS);
        uint64_t twice = run_turns(&f, process, 2ull * TURNS);
        bench_report("address_ping_pong", "instructions", (twice - once) / TURNS);
    }
    user_fixture_destroy(&f);
}

/* ---- Revocation of many ---- */

enum { MANY = 10000 };

static bool make_copies(struct user_fixture *f, uint64_t source)
{
    struct cspace *cspace = &f->process->cspace;
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t copy;
        if (cspace_copy(cspace, source, &(struct capability_mint){ 0, 0 }, cspace, &copy) != OK)
            return false;
    }
    return true;
}

/* The longest that interrupts wait meanwhile is one slice: what one call of the kernel's takes. */
static uint64_t longest_slice(struct user_fixture *f, uint64_t source)
{
    uint64_t longest = 0;
    enum status status = ERR_WOULD_BLOCK;
    while (status == ERR_WOULD_BLOCK) {
        struct work work = { WORK_SLICE };
        uint64_t start = arch_cycle_count();
        status = cspace_revoke(&f->process->cspace, source, &work);
        longest = MAX(longest, arch_cycle_count() - start);
    }
    EXPECT_EQ(status, OK);
    return longest;
}

BENCH(revoke_of_10000)
{
    struct user_fixture f;
    if (!user_fixture_init(&f))
        return;
    uint64_t source = user_give(&f, &f.budget->object, RIGHT_ANY_REVOKE);
    if (make_copies(&f, source)) {
        uint64_t start = arch_cycle_count();
        EXPECT_EQ(user_call(&f, SYSCALL_handle_revoke, NULL, source), OK);
        bench_report("revoke_10000", "instructions", arch_cycle_count() - start);
    }
    if (make_copies(&f, source))
        bench_report("revoke_10000_longest_interrupt_delay", "instructions",
                     longest_slice(&f, source));
    user_fixture_destroy(&f);
}

/* Threads through system calls, from user mode: life, rights, registers, and waiting for words. */
#include <arch/guest_test.h>
#include <base/string.h>
#include <kernel/flat.h>
#include <kernel/frame.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>

extern const struct flat_header user_test_image;

#define MS         ((uint64_t)1000 * 1000)
#define ARENA      TEST_GUEST_ARENA_AT
#define STACK_STEP ((uint64_t)0x100000)

static const uint32_t all_thread = RIGHT_THREAD_START | RIGHT_THREAD_STOP | RIGHT_THREAD_SUSPEND |
                                   RIGHT_THREAD_RESUME | RIGHT_THREAD_REGISTERS |
                                   RIGHT_THREAD_SCHEDULE;

static uint64_t give_thread(struct user_fixture *f, unsigned index, uint32_t rights)
{
    return user_give(f, &f->thread[index]->object, rights);
}

static uint64_t give_process(struct user_fixture *f)
{
    return user_give(f, &f->process->object, RIGHT_PROCESS_SPAWN | RIGHT_PROCESS_MAP);
}

/* The handle of a thread that will run command `index`. */
static uint64_t create(struct user_fixture *f, unsigned index, enum test_guest_function function)
{
    uint64_t thread = 0;
    uint64_t process = give_process(f);
    uint64_t budget = user_give(f, &f->budget->object, RIGHT_BUDGET_CHARGE);
    f->command[index] = (struct test_guest_command){ .function = function };
    EXPECT_EQ(user_call(f, SYSCALL_thread_create, &thread, process, budget, user_test_image.entry,
                        TEST_GUEST_STACK_AT + STACK_STEP * index + TEST_GUEST_STACK_BYTES,
                        TEST_GUEST_SHARED_AT + sizeof(struct test_guest_command) * index, ARENA),
              OK);
    return thread;
}

static enum status control(struct user_fixture *f, uint64_t thread, enum thread_op op,
                           uint64_t value)
{
    return user_call(f, SYSCALL_thread_control, NULL, thread, op, value);
}

GUEST_TEST(a_program_makes_threads_within_its_budget)
{
    struct user_fixture f;
    struct object_info_budget info;
    REQUIRE(user_fixture_init(&f));
    uint64_t thread = create(&f, 1, GUEST_SPIN);
    budget_inspect(f.budget, &info);
    EXPECT_EQ(info.used[BUDGET_THREADS], 1);
    EXPECT_EQ(control(&f, thread, THREAD_OP_START, 0), OK);
    EXPECT_EQ(control(&f, thread, THREAD_OP_START, 0), ERR_STATE);
    (void)user_wait_count(&f, 1, 100);
    /* It outlives its handles, and ends with its process. */
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, thread), OK);
    (void)user_wait_count(&f, 1, user_count(&f, 1) + 100);

    uint64_t process = give_process(&f);
    uint64_t budget = user_give(&f, &f.budget->object, RIGHT_BUDGET_CHARGE);
    uint64_t other = user_give(&f, &f.budget->object, RIGHT_BUDGET_SPLIT);
    uint64_t mapper = user_give(&f, &f.process->object, RIGHT_PROCESS_MAP);
    uint64_t unused = 0;
    EXPECT_EQ(user_call(&f, SYSCALL_thread_create, &unused, process, budget, USER_END, 0, 0, 0),
              ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_thread_create, &unused, process, other, 0x400000), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_thread_create, &unused, mapper, budget, 0x400000), ERR_ACCESS);
    budget_limit(f.budget, BUDGET_THREADS, 1);
    EXPECT_EQ(user_call(&f, SYSCALL_thread_create, &unused, process, budget, 0x400000), ERR_LIMIT);
    user_fixture_destroy(&f);
}

/* Nothing but its grace period separates it from its process. */
GUEST_TEST(a_process_ends_whose_thread_never_ran)
{
    struct user_fixture f;
    uint64_t child = 0;
    uint64_t thread = 0;
    REQUIRE(user_fixture_init(&f));
    uint64_t budget = user_give(&f, &f.budget->object, RIGHT_BUDGET_CHARGE);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, &child, budget, OBJECT_PROCESS), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_thread_create, &thread, child, budget, 0x400000), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, thread), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, child), OK);
    user_fixture_destroy(&f);
}

/* It could not finish what ends itself. */
GUEST_TEST(a_thread_does_not_destroy_the_budget_that_pays_for_it)
{
    struct user_fixture f;
    uint64_t below = 0;
    uint64_t thread = 0;
    REQUIRE(user_fixture_init(&f));
    uint64_t process = give_process(&f);
    uint64_t own = user_give(&f, &f.budget->object, RIGHT_BUDGET_CHARGE | RIGHT_BUDGET_SPLIT);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, &below, own, OBJECT_BUDGET), OK);
    f.command[1] = (struct test_guest_command){ .function = GUEST_SYSCALL_LOOP };
    f.command[1].in[0] = SYSCALL_object_destroy;
    f.command[1].in[1] = below;
    EXPECT_EQ(user_call(&f, SYSCALL_thread_create, &thread, process, below, user_test_image.entry,
                        TEST_GUEST_STACK_AT + STACK_STEP + TEST_GUEST_STACK_BYTES,
                        TEST_GUEST_SHARED_AT + sizeof(struct test_guest_command), ARENA),
              OK);
    EXPECT_EQ(control(&f, thread, THREAD_OP_START, 0), OK);
    (void)user_wait_count(&f, 1, 1);
    EXPECT_EQ(f.command[1].out[0], ERR_STATE);
    user_fixture_destroy(&f);
}

GUEST_TEST(each_operation_needs_its_right)
{
    static const struct {
        enum thread_op op;
        uint32_t right;
    } cases[] = {
        { THREAD_OP_START, RIGHT_THREAD_START },       { THREAD_OP_STOP, RIGHT_THREAD_STOP },
        { THREAD_OP_SUSPEND, RIGHT_THREAD_SUSPEND },   { THREAD_OP_RESUME, RIGHT_THREAD_RESUME },
        { THREAD_OP_PRIORITY, RIGHT_THREAD_SCHEDULE }, { THREAD_OP_CEILING, RIGHT_THREAD_SCHEDULE },
        { THREAD_OP_AFFINITY, RIGHT_THREAD_SCHEDULE },
    };
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_run(&f, 1, GUEST_SPIN, 0, 0));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t lacking = give_thread(&f, 1, all_thread & ~cases[i].right);
        EXPECT_EQ(control(&f, lacking, cases[i].op, 1), ERR_ACCESS);
    }
    EXPECT_EQ(control(&f, give_process(&f), THREAD_OP_STOP, 0), ERR_NOT_FOUND);
    EXPECT_EQ(control(&f, give_thread(&f, 1, all_thread), (enum thread_op)7, 0), ERR_RANGE);
    uint64_t lacking = give_thread(&f, 1, all_thread & ~(uint32_t)RIGHT_THREAD_REGISTERS);
    EXPECT_EQ(user_call(&f, SYSCALL_thread_registers, NULL, lacking, 0, ARENA,
                        sizeof(struct guest_registers)),
              ERR_ACCESS);
    lacking = give_thread(&f, 1, all_thread & ~(uint32_t)RIGHT_THREAD_STOP);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, lacking), ERR_ACCESS);
    (void)user_wait_count(&f, 1, user_count(&f, 1) + 100);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, give_thread(&f, 1, all_thread)), OK);
    EXPECT(thread_is_dead(f.thread[1]));
    user_fixture_destroy(&f);
}

GUEST_TEST(nobody_gives_more_priority_than_its_ceiling)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t thread = create(&f, 1, GUEST_SPIN);
    f.command[2] = (struct test_guest_command){ .function = GUEST_SYSCALL };
    EXPECT_EQ(control(&f, thread, THREAD_OP_PRIORITY, PRIORITY_COUNT), ERR_RANGE);
    EXPECT_EQ(control(&f, thread, THREAD_OP_CEILING, PRIORITY_COUNT), ERR_RANGE);
    EXPECT_EQ(control(&f, thread, THREAD_OP_CEILING, PRIORITY_DEFAULT - 1), OK);
    EXPECT_EQ(control(&f, thread, THREAD_OP_PRIORITY, PRIORITY_DEFAULT), ERR_ACCESS);
    EXPECT_EQ(control(&f, thread, THREAD_OP_PRIORITY, PRIORITY_DEFAULT - 2), OK);
    /* A caller with a low ceiling. */
    REQUIRE(user_prepare(&f, 2, GUEST_SYSCALL));
    const uint64_t in[] = { SYSCALL_thread_control, thread, THREAD_OP_CEILING, PRIORITY_DEFAULT };
    memcpy(f.command[2].in, in, sizeof(in));
    sched_set_ceiling(f.thread[2], PRIORITY_DEFAULT - 1);
    user_start(&f, 2);
    (void)user_wait_dead(&f, 2);
    EXPECT_EQ(f.command[2].out[0], ERR_ACCESS);
    user_fixture_destroy(&f);
}

GUEST_TEST(a_suspended_thread_executes_nothing)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_prepare(&f, 1, GUEST_SPIN));
    user_pin(&f, 1, cpu_count - 1);
    uint64_t thread = give_thread(&f, 1, all_thread);
    EXPECT_EQ(control(&f, thread, THREAD_OP_SUSPEND, 0), ERR_STATE);
    EXPECT_EQ(control(&f, thread, THREAD_OP_START, 0), OK);
    for (unsigned round = 0; round < 20; round++) {
        (void)user_wait_count(&f, 1, user_count(&f, 1) + 10);
        EXPECT_EQ(control(&f, thread, THREAD_OP_SUSPEND, 0), OK);
        uint64_t count = user_count(&f, 1);
        user_let_run_ns(MS);
        EXPECT_EQ(user_count(&f, 1), count);
        EXPECT_EQ(control(&f, thread, THREAD_OP_RESUME, 0), OK);
        EXPECT_EQ(control(&f, thread, THREAD_OP_RESUME, 0), ERR_STATE);
    }
    EXPECT_EQ(control(&f, thread, THREAD_OP_SUSPEND, 0), OK);
    EXPECT_EQ(control(&f, thread, THREAD_OP_STOP, 0), OK);
    EXPECT(thread_is_dead(f.thread[1]));
    EXPECT_EQ(control(&f, thread, THREAD_OP_SUSPEND, 0), ERR_DEAD);
    user_fixture_destroy(&f);
}

/* ---- Registers ---- */

static enum status registers(struct user_fixture *f, uint64_t thread, enum registers_op op)
{
    return user_call(f, SYSCALL_thread_registers, NULL, thread, op, ARENA,
                     sizeof(struct guest_registers));
}

GUEST_TEST(written_registers_give_no_privilege)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    struct guest_registers *r = user_map_arena(&f);
    REQUIRE(r != NULL);
    REQUIRE(user_run(&f, 1, GUEST_SPIN, 0, 0));
    uint64_t thread = give_thread(&f, 1, all_thread);
    (void)user_wait_count(&f, 1, 10);
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_READ), ERR_STATE);
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_WRITE), ERR_STATE);
    EXPECT_EQ(control(&f, thread, THREAD_OP_SUSPEND, 0), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_thread_registers, NULL, thread, 0, ARENA, 8), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_thread_registers, NULL, thread, 0, 0x400000,
                        sizeof(struct guest_registers)),
              ERR_FAULT);
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_READ), OK);
    EXPECT(GUEST_IP(r) >= 0x400000 && GUEST_IP(r) < 0x500000);
    /* Every flag that there is: it goes on, in user mode and interruptible. */
    uint64_t flags = GUEST_FLAGS_OF(r);
    GUEST_FLAGS_OF(r) = UINT64_MAX & ~GUEST_FLAGS_FELT;
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_WRITE), OK);
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_READ), OK);
    EXPECT_EQ(GUEST_FLAGS_OF(r) & ~(GUEST_FLAGS | flags), 0);
    GUEST_FLAGS_OF(r) = flags;
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_WRITE), OK);
    uint64_t count = user_count(&f, 1);
    EXPECT_EQ(control(&f, thread, THREAD_OP_RESUME, 0), OK);
    (void)user_wait_count(&f, 1, count + 100);
    /* Addresses of the kernel, and of nobody. */
    EXPECT_EQ(control(&f, thread, THREAD_OP_SUSPEND, 0), OK);
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_READ), OK);
    static const uint64_t bad[] = { USER_END, 0x0000800000000000, 0xffffffff80000000, UINT64_MAX };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        GUEST_IP(r) = bad[i];
        EXPECT_EQ(registers(&f, thread, REGISTERS_OP_WRITE), ERR_RANGE);
    }
    GUEST_IP(r) = 8;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        GUEST_THREAD_POINTER(r) = bad[i];
        enum status expected = guest_thread_pointer_ok(bad[i]) ? OK : ERR_RANGE;
        EXPECT_EQ(registers(&f, thread, REGISTERS_OP_WRITE), expected);
    }
    GUEST_THREAD_POINTER(r) = 0;
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_WRITE), OK);
    EXPECT_EQ(control(&f, thread, THREAD_OP_RESUME, 0), OK);
    (void)user_wait_dead(&f, 1);
    EXPECT_EQ(f.thread[1]->fault_address, 8);
    user_fixture_destroy(&f);
}

/* ---- Words ---- */

static bool waits(struct user_fixture *f, unsigned index, uint64_t process, uint64_t deadline_ns)
{
    if (!user_prepare(f, index, GUEST_SYSCALL))
        return false;
    const uint64_t in[] = { SYSCALL_address_wait, process, ARENA, 0, deadline_ns };
    memcpy(f->command[index].in, in, sizeof(in));
    f->command[index].out[0] = UINT64_MAX;
    user_start(f, index);
    return true;
}

static void until_blocked(struct user_fixture *f, unsigned index)
{
    for (unsigned i = 0; i < 1000 && READ_ONCE(f->thread[index]->state) != THREAD_BLOCKED; i++)
        user_let_run_ns(MS);
    EXPECT_EQ(f->thread[index]->state, THREAD_BLOCKED);
}

GUEST_TEST(address_wait_checks_what_it_is_given)
{
    struct user_fixture f, g;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_fixture_init(&g));
    REQUIRE(user_map_arena(&f) != NULL);
    uint64_t own = give_process(&f);
    uint64_t other = user_give(&f, &g.process->object, RIGHT_PROCESS_MAP);
    uint64_t blind = user_give(&f, &f.process->object, RIGHT_PROCESS_SPAWN);
    const uint64_t never = DEADLINE_NEVER;
    uint64_t woken = 9;
    EXPECT_EQ(user_call(&f, SYSCALL_address_wait, NULL, own, ARENA + 2, 0, never), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wait, NULL, other, ARENA, 0, never), ERR_INVALID);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wait, NULL, blind, ARENA, 0, never), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wait, NULL, own, ARENA - 4, 0, never), ERR_FAULT);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wait, NULL, own, ARENA, 1, never), ERR_WOULD_BLOCK);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wait, NULL, own, ARENA, 0, 0), ERR_TIMED_OUT);
    uint64_t start_ns = clock_now_ns();
    EXPECT_EQ(user_call(&f, SYSCALL_address_wait, NULL, own, ARENA, 0, start_ns + 20 * MS),
              ERR_TIMED_OUT);
    EXPECT(clock_now_ns() >= start_ns + 20 * MS);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wake, &woken, own, ARENA + 1, 1), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wake, &woken, blind, ARENA, 1), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wake, &woken, own, ARENA, 1), OK);
    EXPECT_EQ(woken, 0);
    user_fixture_destroy(&g);
    user_fixture_destroy(&f);
}

GUEST_TEST(wakes_go_to_those_who_wait_there_longest)
{
    struct user_fixture f;
    uint64_t woken = 9;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_map_arena(&f) != NULL);
    uint64_t process = give_process(&f);
    for (unsigned i = 1; i <= 4; i++) {
        REQUIRE(waits(&f, i, process, DEADLINE_NEVER));
        until_blocked(&f, i);
    }
    EXPECT_EQ(user_call(&f, SYSCALL_address_wake, &woken, process, ARENA + 4, 9), OK);
    EXPECT_EQ(woken, 0);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wake, &woken, process, ARENA, 2), OK);
    EXPECT_EQ(woken, 2);
    (void)user_wait_dead(&f, 1);
    (void)user_wait_dead(&f, 2);
    EXPECT_EQ(f.command[1].out[0], OK);
    EXPECT_EQ(f.thread[3]->state, THREAD_BLOCKED);
    /* One is killed where it waits, and one suspended, woken, and resumed. */
    thread_kill(f.thread[3]);
    EXPECT(thread_is_dead(f.thread[3]));
    EXPECT_EQ(control(&f, give_thread(&f, 4, all_thread), THREAD_OP_SUSPEND, 0), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_address_wake, &woken, process, ARENA, UINT32_MAX), OK);
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(f.thread[4]->state, THREAD_SUSPENDED);
    EXPECT_EQ(f.command[4].finished, 0);
    EXPECT_EQ(control(&f, give_thread(&f, 4, all_thread), THREAD_OP_RESUME, 0), OK);
    (void)user_wait_dead(&f, 4);
    EXPECT_EQ(f.command[4].out[0], OK);
    user_fixture_destroy(&f);
}

/* The wait ends, and the thread goes on where it is told to. */
GUEST_TEST(writing_registers_ends_a_wait)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    struct guest_registers *r = user_map_arena(&f);
    REQUIRE(r != NULL);
    REQUIRE(waits(&f, 1, give_process(&f), DEADLINE_NEVER));
    until_blocked(&f, 1);
    uint64_t thread = give_thread(&f, 1, all_thread);
    EXPECT_EQ(control(&f, thread, THREAD_OP_SUSPEND, 0), OK);
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_READ), OK);
    EXPECT_EQ(f.thread[1]->state, THREAD_BLOCKED);
    GUEST_IP(r) = 8;
    EXPECT_EQ(registers(&f, thread, REGISTERS_OP_WRITE), OK);
    EXPECT_EQ(f.thread[1]->state, THREAD_SUSPENDED);
    EXPECT_EQ(control(&f, thread, THREAD_OP_RESUME, 0), OK);
    (void)user_wait_dead(&f, 1);
    EXPECT_EQ(f.thread[1]->fault_address, 8);
    user_fixture_destroy(&f);
}

/* Each adds one when it is his turn, and wakes the other: a wake that is lost stops both. */
GUEST_TEST(no_wake_is_lost)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint32_t *word = user_map_arena(&f);
    REQUIRE(word != NULL);
    uint64_t process = give_process(&f);
    enum { PAIRS = 3, ROUNDS = 400 };
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        REQUIRE(user_prepare(&f, i, GUEST_TURNS));
        const uint64_t in[] = { process, ARENA + 64ull * (i / 2), i % 2, ROUNDS };
        memcpy(f.command[i].in, in, sizeof(in));
    }
    for (unsigned i = 0; i < 2 * PAIRS; i++)
        user_start(&f, i);
    for (unsigned i = 0; i < 2 * PAIRS; i++) {
        (void)user_wait_count(&f, i, ROUNDS);
        (void)user_wait_dead(&f, i);
    }
    for (unsigned i = 0; i < PAIRS; i++)
        EXPECT_EQ(word[(size_t)16 * i], 2 * ROUNDS);
    user_fixture_destroy(&f);
}

/* ---- Budgets ---- */

GUEST_TEST(a_quota_slows_a_program_down)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t budget = user_give(&f, &f.budget->object, RIGHT_BUDGET_LIMIT | RIGHT_BUDGET_CHARGE);
    uint64_t blind = user_give(&f, &f.budget->object, RIGHT_BUDGET_CHARGE);
    const uint64_t quota = LIMIT_KIND_CPU_QUOTA;
    EXPECT_EQ(user_call(&f, SYSCALL_budget_limit, NULL, blind, quota, MS, 10 * MS), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_budget_limit, NULL, budget, quota, MS, 10), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_budget_limit, NULL, budget, LIMIT_KIND_CPU_WEIGHT, 0, 0),
              ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_budget_limit, NULL, budget, 5, 1, 0), ERR_RANGE);
    uint64_t thread[3];
    for (unsigned i = 0; i < 3; i++) {
        thread[i] = create(&f, i + 1, GUEST_SPIN);
        EXPECT_EQ(control(&f, thread[i], THREAD_OP_START, 0), OK);
    }
    for (unsigned i = 1; i <= 3; i++)
        (void)user_wait_count(&f, i, 1);
    EXPECT_EQ(user_call(&f, SYSCALL_budget_limit, NULL, budget, quota, 2 * MS, 20 * MS), OK);
    user_let_run_ns(40ull * MS); /* who ran alone is charged now for all of it */
    uint64_t start_ns = clock_now_ns();
    uint64_t used_ns = READ_ONCE(f.budget->share.used_ns);
    user_let_run_ns(400ull * MS);
    /* Nobody runs, so all is charged: what was used and what is owed belong to the same moment. */
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(control(&f, thread[i], THREAD_OP_SUSPEND, 0), OK);
    used_ns = READ_ONCE(f.budget->share.used_ns) - used_ns;
    /* An emulated CPU may get no time of the host's while it runs: that is a debt. */
    int64_t left_ns = READ_ONCE(f.budget->share.left_ns);
    uint64_t debt_ns = left_ns < 0 ? (uint64_t)-left_ns : 0;
    uint64_t elapsed_ns = clock_now_ns() - start_ns;
    test_note("%llu us of %llu us, owing %llu us", (unsigned long long)used_ns / 1000,
              (unsigned long long)elapsed_ns / 1000, (unsigned long long)debt_ns / 1000);
    EXPECT(used_ns <= 2 * MS * (elapsed_ns / (20 * MS) + 2) + debt_ns +
                          (uint64_t)cpu_count * SHARE_QUANTUM_NS);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(control(&f, thread[i], THREAD_OP_RESUME, 0), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_budget_limit, NULL, budget, quota, UINT64_MAX, 0), OK);
    for (unsigned i = 1; i <= 3; i++)
        (void)user_wait_count(&f, i, user_count(&f, i) + 100);
    user_fixture_destroy(&f);
    EXPECT_EQ(share_limit_count, 0);
}

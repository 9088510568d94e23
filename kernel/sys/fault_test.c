/* What a user program may not do ends that thread, with the right name, and nothing else. */
#include <base/string.h>
#include <kernel/frame.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/system.h>
#include <kernel/test.h>
#include <kernel/trap.h>
#include <kernel/user_fixture.h>

/* A thread that does `function` dies of a fault at `address`; a neighbour lives on. */
static void expect_fault(struct user_fixture *f, enum test_guest_function function,
                         uint64_t address, const char *name)
{
    uint64_t before = user_count(f, 1);
    if (!user_run(f, 0, function, address, 1) || !user_wait_dead(f, 0))
        return;
    EXPECT_EQ(f->thread[0]->end, THREAD_END_FAULT);
    EXPECT_STR(f->thread[0]->fault_name, name);
    EXPECT_EQ(f->thread[0]->fault_address, address);
    EXPECT_EQ(f->command[0].finished, 0);
    (void)user_wait_count(f, 1, before + 1);
}

GUEST_TEST(page_faults_kill_the_thread_only)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_run(&f, 1, GUEST_SPIN, 0, 0));
    expect_fault(&f, GUEST_LOAD, 0, "page fault (read)");
    expect_fault(&f, GUEST_STORE, 8, "page fault (write)");
    expect_fault(&f, GUEST_JUMP, 0, "page fault (execute)");
    expect_fault(&f, GUEST_LOAD, TEST_GUEST_ARENA_AT, "page fault (read)");
    /* Its own code cannot be written, its own data not executed. */
    expect_fault(&f, GUEST_STORE, 0x400000, "page fault (write)");
    expect_fault(&f, GUEST_JUMP, TEST_GUEST_SHARED_AT, "page fault (execute)");
    /* The guard below a stack. */
    expect_fault(&f, GUEST_STORE, TEST_GUEST_STACK_AT - 8, "page fault (write)");
    user_fixture_destroy(&f);
}

GUEST_TEST(kernel_memory_is_out_of_reach)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_run(&f, 1, GUEST_SPIN, 0, 0));
    uint64_t image = (uint64_t)(uintptr_t)&trap_syscall;
    expect_fault(&f, GUEST_LOAD, image & ~7ull, "page fault (read)");
    expect_fault(&f, GUEST_STORE, image & ~7ull, "page fault (write)");
    expect_fault(&f, GUEST_JUMP, image, "page fault (execute)");
    expect_fault(&f, GUEST_LOAD, direct_map_offset + 0x200000, "page fault (read)");
    expect_fault(&f, GUEST_LOAD, (uint64_t)(uintptr_t)cpu_self(), "page fault (read)");
    user_fixture_destroy(&f);
}

GUEST_TEST(exceptions_kill_the_thread_only)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_run(&f, 1, GUEST_SPIN, 0, 0));
    for (uint64_t kind = 0; kind < GUEST_FAULT_COUNT; kind++) {
        uint64_t before = user_count(&f, 1);
        if (!user_run(&f, 0, GUEST_FAULT, kind, 0) || !user_wait_dead(&f, 0))
            break;
        /* Halting may be allowed and then does nothing; the rest is fatal. */
        if (kind != GUEST_FAULT_HALT || f.command[0].out[0] == 0) {
            EXPECT_EQ(f.thread[0]->end, THREAD_END_FAULT);
            EXPECT(f.thread[0]->fault_name != NULL);
            EXPECT_EQ(f.command[0].finished, 0);
        }
        (void)user_wait_count(&f, 1, before + 1);
    }
    user_fixture_destroy(&f);
}

GUEST_TEST(exhausted_memory_kills_the_thread_that_faults)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    EXPECT_EQ(vspace_reserve(f.vspace, uaddr(TEST_GUEST_ARENA_AT), 64 * PAGE_SIZE,
                             PERM_READ | PERM_WRITE),
              OK);
    if (user_prepare(&f, 0, GUEST_TOUCH)) {
        f.command[0].in[0] = TEST_GUEST_ARENA_AT;
        f.command[0].in[1] = 64;
        user_start(&f, 0);
        frame_fail_after(8); /* its code and stack take the first few */
        (void)user_wait_dead(&f, 0);
        frame_fail_after(0);
        EXPECT_EQ(f.thread[0]->end, THREAD_END_FAULT);
        EXPECT_STR(f.thread[0]->fault_name, "out of memory");
        EXPECT(f.command[0].count < 64);
    }
    user_fixture_destroy(&f);
}

/* ---- System calls ---- */

static uint64_t call(struct user_fixture *f, uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    if (!user_prepare(f, 0, GUEST_SYSCALL))
        return UINT64_MAX;
    const uint64_t in[4] = { number, a, b, c };
    memcpy(f->command[0].in, in, sizeof(in));
    f->command[0].out[0] = UINT64_MAX;
    user_start(f, 0);
    (void)user_wait_dead(f, 0);
    EXPECT_EQ(f->command[0].finished, 1);
    return f->command[0].out[0];
}

GUEST_TEST(unknown_system_calls_are_refused)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    EXPECT_EQ(call(&f, SYSCALL_COUNT, 0, 0, 0), ERR_SYSCALL);
    EXPECT_EQ(call(&f, UINT64_MAX, 0, 0, 0), ERR_SYSCALL);
    EXPECT_EQ(call(&f, 1ull << 32, 0, 0, 0), ERR_SYSCALL);
    user_fixture_destroy(&f);
}

static uint64_t give_system(struct user_fixture *f, uint32_t rights)
{
    uint64_t handle = 0;
    EXPECT_EQ(cspace_create(&f->process->cspace, system_object(), rights, &handle), OK);
    return handle;
}

GUEST_TEST(log_write_needs_the_capability)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t other = give_system(&f, RIGHT_SYSTEM_POWER | RIGHT_SYSTEM_AUDIT);
    uint64_t log = give_system(&f, RIGHT_SYSTEM_LOG);
    EXPECT_EQ(call(&f, SYSCALL_log_write, 0, 0x400000, 8), ERR_NOT_FOUND);
    EXPECT_EQ(call(&f, SYSCALL_log_write, log + 1, 0x400000, 8), ERR_NOT_FOUND);
    EXPECT_EQ(call(&f, SYSCALL_log_write, log + (1ull << 32), 0x400000, 8), ERR_NOT_FOUND);
    EXPECT_EQ(call(&f, SYSCALL_log_write, other, 0x400000, 8), ERR_ACCESS);
    EXPECT_EQ(call(&f, SYSCALL_log_write, log, 0x400000, 8), OK);
    user_fixture_destroy(&f);
}

GUEST_TEST(log_write_checks_every_address)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t log = give_system(&f, RIGHT_SYSTEM_LOG);
    static const struct {
        uint64_t at, size_bytes;
        enum status expected;
    } cases[] = {
        { 0x400000, 0, ERR_RANGE },
        { 0x400000, 201, ERR_RANGE },
        { 0x400000, UINT64_MAX, ERR_RANGE },
        { 0, 8, ERR_FAULT },
        { TEST_GUEST_ARENA_AT, 8, ERR_FAULT },
        { TEST_GUEST_SHARED_AT + 4092, 8, ERR_FAULT }, /* the second half is unmapped */
        { USER_END - 4, 8, ERR_FAULT },
        { USER_END, 1, ERR_FAULT },
        { UINT64_MAX - 3, 8, ERR_FAULT },
        { 0xffffffff80000000, 8, ERR_FAULT },
        { 0x0000800000000000, 8, ERR_FAULT },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        EXPECT_EQ(call(&f, SYSCALL_log_write, log, cases[i].at, cases[i].size_bytes),
                  cases[i].expected);
    EXPECT_EQ(call(&f, SYSCALL_log_write, log, direct_map_offset + 0x200000, 8), ERR_FAULT);
    user_fixture_destroy(&f);
}

/* ---- Rights that were taken away are gone on every CPU ---- */

static bool map_arena(struct user_fixture *f, unsigned perm)
{
    uaddr_t at = uaddr(TEST_GUEST_ARENA_AT);
    return vspace_reserve(f->vspace, at, PAGE_SIZE, perm) == OK &&
           vspace_fault(f->vspace, at, PERM_READ) == OK;
}

GUEST_TEST(unmapping_is_seen_by_a_cpu_that_is_reading)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    for (unsigned round = 0; round < 20; round++) {
        EXPECT(map_arena(&f, PERM_READ));
        REQUIRE(user_run(&f, 0, GUEST_LOAD_LOOP, TEST_GUEST_ARENA_AT, 0));
        user_pin(&f, 0, round % cpu_count);
        (void)user_wait_count(&f, 0, 100);
        EXPECT_EQ(vspace_unmap(f.vspace, uaddr(TEST_GUEST_ARENA_AT), PAGE_SIZE), OK);
        uint64_t count = user_count(&f, 0);
        (void)user_wait_dead(&f, 0);
        EXPECT(user_count(&f, 0) <= count + 1);
        EXPECT_STR(f.thread[0]->fault_name, "page fault (read)");
    }
    user_fixture_destroy(&f);
}

GUEST_TEST(write_protection_is_seen_by_a_cpu_that_is_writing)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    EXPECT(map_arena(&f, PERM_READ | PERM_WRITE));
    for (unsigned round = 0; round < 20; round++) {
        EXPECT_EQ(
            vspace_protect(f.vspace, uaddr(TEST_GUEST_ARENA_AT), PAGE_SIZE, PERM_READ | PERM_WRITE),
            OK);
        REQUIRE(user_run(&f, 0, GUEST_STORE_LOOP, TEST_GUEST_ARENA_AT, 0));
        user_pin(&f, 0, round % cpu_count);
        (void)user_wait_count(&f, 0, 100);
        EXPECT_EQ(vspace_protect(f.vspace, uaddr(TEST_GUEST_ARENA_AT), PAGE_SIZE, PERM_READ), OK);
        uint64_t count = user_count(&f, 0);
        (void)user_wait_dead(&f, 0);
        EXPECT(user_count(&f, 0) <= count + 1);
        EXPECT_STR(f.thread[0]->fault_name, "page fault (write)");
    }
    user_fixture_destroy(&f);
}

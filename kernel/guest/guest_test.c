/* Guests on the real machine: small programs that are entered, kicked, changed and killed. */
#include <abi_syscalls.h>
#include <arch/guest_test.h>
#include <base/string.h>
#include <kernel/coroutine.h>
#include <kernel/frame.h>
#include <kernel/memory.h>
#include <kernel/sandbox_fixture.h>
#include <kernel/sched.h>
#include <kernel/test.h>

#define SNIPPET(name) extern const char guest_code_##name[]
SNIPPET(call);
SNIPPET(spin);
SNIPPET(load);
SNIPPET(store);
SNIPPET(undefined);
SNIPPET(step);
SNIPPET(jump);
SNIPPET(reply);
SNIPPET(vector);
SNIPPET(upset);
#define DECLARE_TRAP(n) SNIPPET(trap_##n);
#define TRAPS(each)                                                                                \
    each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7) each(8) each(9) each(10)       \
        each(11) each(12) each(13) each(14) each(15)
TRAPS(DECLARE_TRAP)

static const unsigned modes[] = { 0, GUEST_SPLIT };

/* ---- Registers ---- */

/* The words of both, but for the reserved ones that a system call or a check changes. */
static void expect_same(struct guest_registers *before, struct guest_registers *after)
{
    const uint64_t *a = (const uint64_t *)before;
    const uint64_t *b = (const uint64_t *)after;

    for (size_t i = 0; i < sizeof(*before) / sizeof(uint64_t); i++) {
        if (!EXPECT_EQ(a[i], b[i]))
            test_note("register %u", (unsigned)i);
    }
}

static void fill(struct guest_registers *registers)
{
    uint64_t *word = (uint64_t *)registers;

    for (unsigned i = 0; i < GUEST_GENERAL; i++)
        word[i] = 0x1234567800000001u * (i + 1);
    GUEST_FLAGS_OF(registers) = UINT64_MAX & ~GUEST_FLAG_STEP;
    GUEST_THREAD_POINTER(registers) = 0x7654321000;
}

static void check_registers(struct sandbox *s, const char *snippet, uint64_t reason, unsigned bytes)
{
    struct guest_registers *registers = sandbox_registers(s, 0, snippet, 0, 0);
    fill(registers);
    struct guest_registers before = *registers;
    GUEST_IP(&before) += bytes;
    GUEST_FLAGS_OF(&before) = (GUEST_FLAGS_KEPT | GUEST_FLAGS_FIXED);
    if (reason == GUEST_REASON_SYSCALL)
        guest_registers_settle(&before);
    REQUIRE(sandbox_run(s, 0, SANDBOX_ENTER, s->handle, 1, 0));
    EXPECT_EQ(s->f.command[0].out[0], OK);
    EXPECT_EQ(s->f.command[0].out[1], reason);
    EXPECT_EQ(GUEST_FLAGS_OF(registers) & ~(uint64_t)0x10000, GUEST_FLAGS_OF(&before));
    GUEST_FLAGS_OF(registers) = GUEST_FLAGS_OF(&before);
    expect_same(&before, registers);
}

GUEST_TEST(registers_go_in_and_come_back)
{
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct sandbox s;
        REQUIRE(sandbox_init(&s, modes[mode]));
        check_registers(&s, guest_code_call, GUEST_REASON_SYSCALL, GUEST_SYSCALL_BYTES);
        check_registers(&s, guest_code_undefined, GUEST_REASON_EXCEPTION, 0);
        EXPECT_EQ(s.state[0]->fault.code, GUEST_UNDEFINED_CODE);
        EXPECT_EQ(s.state[0]->fault.access, 0);
        sandbox_destroy(&s);
    }
}

/* What the sandbox finds in its registers is the result and nothing else. */
GUEST_TEST(no_register_of_the_guest_reaches_its_sandbox)
{
    static const char *const snippets[] = { guest_code_call, guest_code_undefined,
                                            guest_code_spin };
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    for (size_t i = 0; i < ARRAY_LEN(snippets); i++) {
        fill(sandbox_registers(&s, 0, snippets[i], 0, 0));
        REQUIRE(sandbox_prepare(&s, 0, SANDBOX_REGISTERS, s.handle, 0, 0));
        s.f.command[0].out[0] = UINT64_MAX;
        user_start(&s.f, 0);
        if (snippets[i] == guest_code_spin) {
            user_let_run_ns(2000ull * 1000);
            guest_kick_thread(s.f.thread[0]);
        }
        EXPECT(user_wait_dead(&s.f, 0));
        EXPECT_EQ(s.f.command[0].finished, 1);
        EXPECT_EQ(s.f.command[0].out[0], 0);
    }
    sandbox_destroy(&s);
}

GUEST_TEST(flags_and_selectors_of_the_guest_stay_with_it)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, 0));
    EXPECT_EQ(sandbox_enter(&s, guest_code_upset, 0, 0), GUEST_REASON_SYSCALL);
    EXPECT(sandbox_run(&s, 0, SANDBOX_COPY_IN, GUEST_DATA_AT, 64, TEST_SANDBOX_SHARED_AT + 2048));
    EXPECT_EQ(s.f.command[0].out[0], 64); /* this thread is in no guest */
    sandbox_destroy(&s);
}

/* ---- Faults ---- */

static void expect_page_fault(struct sandbox *s, const char *snippet, uint64_t at, unsigned access)
{
    EXPECT_EQ(sandbox_enter(s, snippet, at, 1), GUEST_REASON_EXCEPTION);
    EXPECT_EQ(s->state[0]->fault.address, at);
    EXPECT_EQ(s->state[0]->fault.access, access);
    EXPECT_EQ(s->state[0]->fault.status, ERR_FAULT);
}

GUEST_TEST(only_faults_that_nobody_resolves_come_back)
{
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct sandbox s;
        REQUIRE(sandbox_init(&s, modes[mode]));
        *(uint64_t *)s.data = 4711;
        EXPECT_EQ(sandbox_enter(&s, guest_code_load, GUEST_DATA_AT, 0), GUEST_REASON_SYSCALL);
        EXPECT_EQ(GUEST_ARGUMENT(&s.state[0]->registers), 4711);
        EXPECT_EQ(sandbox_enter(&s, guest_code_store, GUEST_LAZY_AT, 1), GUEST_REASON_SYSCALL);
        expect_page_fault(&s, guest_code_load, GUEST_DATA_AT + PAGE_SIZE, PERM_READ);
        expect_page_fault(&s, guest_code_store, GUEST_CODE_AT, PERM_WRITE);
        expect_page_fault(&s, guest_code_jump, GUEST_DATA_AT, PERM_EXECUTE);
        expect_page_fault(&s, guest_code_load, direct_map_offset, PERM_READ);
        /* What the sandbox's process has below its own part is not the guest's. */
        expect_page_fault(&s, guest_code_load, 0x400000, PERM_READ);
        expect_page_fault(&s, guest_code_load, TEST_GUEST_SHARED_AT, PERM_READ);
        sandbox_destroy(&s);
    }
}

GUEST_TEST(lack_of_memory_comes_back_as_such)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    EXPECT_EQ(sandbox_enter(&s, guest_code_load, GUEST_DATA_AT, 0), GUEST_REASON_SYSCALL);
    (void)sandbox_registers(&s, 0, guest_code_store, GUEST_LAZY_AT, 1);
    REQUIRE(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 1, 0));
    (void)vspace_fault(s.f.vspace, uaddr(TEST_SANDBOX_STACK_AT + 16384 - PAGE_SIZE), PERM_WRITE);
    frame_fail_after(1);
    user_start(&s.f, 0);
    EXPECT(user_wait_dead(&s.f, 0));
    frame_fail_after(0);
    EXPECT_EQ(s.f.command[0].out[1], GUEST_REASON_EXCEPTION);
    EXPECT(s.state[0]->fault.status != ERR_FAULT);
    sandbox_destroy(&s);
}

GUEST_TEST(what_is_the_kernels_comes_back_as_an_exception)
{
#define TRAP_ENTRY(n) guest_code_trap_##n,
    static const char *const traps[] = { TRAPS(TRAP_ENTRY) };
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    for (size_t i = 0; i < ARRAY_LEN(traps); i++) {
        if (!EXPECT_EQ(sandbox_enter(&s, traps[i], 0x1000, 0), GUEST_REASON_EXCEPTION))
            test_note("trap %u", (unsigned)i);
        EXPECT_EQ(s.state[0]->fault.status, ERR_FAULT);
    }
    sandbox_destroy(&s);
}

GUEST_TEST(a_single_step_comes_back_after_one_instruction)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    struct guest_registers *registers = sandbox_registers(&s, 0, guest_code_step, 0, 0);
    uint64_t start = GUEST_IP(registers);
    GUEST_FLAGS_OF(registers) = GUEST_FLAG_STEP;
    REQUIRE(sandbox_run(&s, 0, SANDBOX_ENTER, s.handle, 1, 0));
    EXPECT_EQ(s.f.command[0].out[1], GUEST_REASON_EXCEPTION);
    EXPECT_EQ(s.state[0]->fault.code, GUEST_STEP_CODE);
    EXPECT(GUEST_IP(registers) > start && GUEST_IP(registers) <= start + 4);
    /* The sandbox is not stepped, nor is the next guest. */
    EXPECT_EQ(s.f.command[0].finished, 1);
    EXPECT_EQ(sandbox_enter(&s, guest_code_step, 0, 0), GUEST_REASON_SYSCALL);
    sandbox_destroy(&s);
}

/* ---- The two parts of user space ---- */

GUEST_TEST(a_split_guest_reads_no_byte_of_its_sandbox)
{
    static const uint64_t places[] = { GUEST_END,
                                       GUEST_END + 0x400000,
                                       TEST_SANDBOX_SHARED_AT,
                                       TEST_SANDBOX_STATE_AT,
                                       TEST_SANDBOX_STACK_AT + 16384 - PAGE_SIZE,
                                       USER_END - PAGE_SIZE };
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        expect_page_fault(&s, guest_code_load, places[i], PERM_READ);
        expect_page_fault(&s, guest_code_store, places[i], PERM_WRITE);
        expect_page_fault(&s, guest_code_jump, places[i], PERM_EXECUTE);
    }
    sandbox_destroy(&s);
}

/* The proof by the tables: nothing behind the second root but what is the guest's. */
GUEST_TEST(the_root_of_a_split_guest_has_no_entry_for_its_sandbox)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    EXPECT_EQ(sandbox_enter(&s, guest_code_store, GUEST_LAZY_AT, 1), GUEST_REASON_SYSCALL);
    const uint64_t *both = paddr_to_kernel(s.guest->vspace->root);
    const uint64_t *inside = paddr_to_kernel(s.guest->vspace->inside_root);
    for (unsigned i = 0; i < 255; i++)
        EXPECT_EQ(inside[i] & 1, both[i] & 1);
    EXPECT_EQ(inside[255], 0);
    EXPECT(both[255] != 0);
    sandbox_destroy(&s);
}

GUEST_TEST(a_fused_guest_shares_its_sandboxs_part)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, 0));
    EXPECT_EQ(sandbox_enter(&s, guest_code_load, TEST_SANDBOX_SHARED_AT, 0), GUEST_REASON_SYSCALL);
    EXPECT_EQ(GUEST_ARGUMENT(&s.state[0]->registers), SANDBOX_ENTER);
    sandbox_destroy(&s);
}

GUEST_TEST(a_guest_maps_nothing_beyond_its_end)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    struct vspace *vspace = s.guest->vspace;
    unsigned perm = PERM_READ | PERM_WRITE;
    EXPECT_EQ(vspace_reserve(vspace, uaddr(GUEST_END), PAGE_SIZE, perm), ERR_RANGE);
    EXPECT_EQ(vspace_reserve(vspace, uaddr(GUEST_END - PAGE_SIZE), 2 * PAGE_SIZE, perm), ERR_RANGE);
    EXPECT_EQ(sandbox_map(vspace, GUEST_END, s.data_memory, perm), ERR_RANGE);
    EXPECT_EQ(vspace_unmap(vspace, uaddr(TEST_SANDBOX_SHARED_AT), PAGE_SIZE), ERR_RANGE);
    EXPECT_EQ(vspace_reserve(vspace, uaddr(GUEST_END - PAGE_SIZE), PAGE_SIZE, perm), OK);
    sandbox_destroy(&s);
}

/* What the sandbox maps and unmaps in its part is so in all of its guests at once. */
GUEST_TEST(changes_of_the_sandboxs_part_reach_every_guest)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, 0));
    uaddr_t at = uaddr(GUEST_END + 0x4000000000);
    for (unsigned round = 0; round < 3; round++) {
        expect_page_fault(&s, guest_code_load, at.raw, PERM_READ);
        EXPECT_EQ(sandbox_map(s.f.vspace, at.raw, s.data_memory, PERM_READ), OK);
        EXPECT_EQ(sandbox_enter(&s, guest_code_load, at.raw, 0), GUEST_REASON_SYSCALL);
        EXPECT_EQ(vspace_unmap(s.f.vspace, at, PAGE_SIZE), OK);
    }
    sandbox_destroy(&s);
}

/* ---- Entering ---- */

static enum status enter_status(struct sandbox *s)
{
    s->f.command[0].out[0] = UINT64_MAX;
    (void)sandbox_run(s, 0, SANDBOX_ENTER, s->handle, 1, 0);
    EXPECT_EQ(s->f.command[0].finished, 1);
    return (enum status)s->f.command[0].out[0];
}

GUEST_TEST(an_entry_needs_registers_of_a_guest)
{
    static const uint64_t wild[] = { GUEST_END,          USER_END,           0x0000800000000000,
                                     0x1234567890abcdef, 0xffffffff80000000, UINT64_MAX };
    struct sandbox s;
    REQUIRE(sandbox_init(&s, 0));
    for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
        struct guest_registers *registers = sandbox_registers(&s, 0, guest_code_call, 0, 0);
        GUEST_IP(registers) = wild[i];
        EXPECT_EQ(enter_status(&s), ERR_RANGE);
        /* Any stack pointer is a guest's own business, and any thread pointer that can be one. */
        GUEST_SP(sandbox_registers(&s, 0, guest_code_call, 0, 0)) = wild[i];
        EXPECT_EQ(enter_status(&s), OK);
        GUEST_THREAD_POINTER(sandbox_registers(&s, 0, guest_code_call, 0, 0)) = wild[i];
        EXPECT_EQ(enter_status(&s), guest_thread_pointer_ok(wild[i]) ? OK : ERR_RANGE);
    }
    sandbox_destroy(&s);
}

GUEST_TEST(an_entry_needs_a_guest_of_the_process_and_a_state_page)
{
    struct sandbox s, other;
    REQUIRE(sandbox_init(&s, 0));
    if (!sandbox_init(&other, 0)) {
        sandbox_destroy(&s);
        return;
    }
    uint64_t weak = 0, foreign = 0;
    uint32_t rights = object_type_rights(OBJECT_GUEST) & ~(uint32_t)RIGHT_GUEST_ENTER;
    EXPECT_EQ(cspace_create(&s.f.process->cspace, &s.guest->object, rights, &weak), OK);
    EXPECT_EQ(
        cspace_create(&s.f.process->cspace, &other.guest->object, RIGHT_GUEST_ENTER, &foreign), OK);
    static const enum status expected[] = { ERR_ACCESS, ERR_INVALID, ERR_NOT_FOUND };
    const uint64_t handles[] = { weak, foreign, 0 };
    for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
        (void)sandbox_registers(&s, 0, guest_code_call, 0, 0);
        EXPECT(sandbox_run(&s, 0, SANDBOX_ENTER, handles[i], 1, 0));
        EXPECT_EQ(s.f.command[0].out[0], expected[i]);
    }
    EXPECT(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 1, 0));
    guest_thread_fini(s.f.thread[0]);
    user_start(&s.f, 0);
    EXPECT(user_wait_dead(&s.f, 0));
    EXPECT_EQ(s.f.command[0].out[0], ERR_STATE);
    sandbox_destroy(&other);
    sandbox_destroy(&s);
}

/* Another CPU writes what it likes into the page while a thread goes in and out. */
GUEST_TEST(a_state_page_may_change_while_it_is_read)
{
    uint64_t random = test_seed();
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct sandbox s;
        REQUIRE(sandbox_init(&s, modes[mode]));
        (void)sandbox_registers(&s, 0, guest_code_call, 0, 0);
        REQUIRE(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 0, 0));
        user_pin(&s.f, 0, cpu_count - 1);
        user_start(&s.f, 0);
        (void)user_wait_count(&s.f, 0, 1);
        uint64_t *word = (uint64_t *)&s.state[0]->registers;
        for (unsigned turn = 0; turn < 400; turn++) {
            for (unsigned i = 0; i < 64; i++) {
                uint64_t value = test_random(&random);
                uint64_t place = value % (sizeof(struct guest_registers) / 8);
                WRITE_ONCE(word[place], value >> (value % 64));
            }
            (void)sandbox_registers(&s, 0, guest_code_call, 0, 0);
            guest_kick_thread(s.f.thread[0]);
            if (turn % 8 == 0)
                user_let_run_ns(50ull * 1000);
        }
        user_stop(&s.f, 0);
        guest_kick_thread(s.f.thread[0]);
        EXPECT(user_wait_dead(&s.f, 0));
        EXPECT_EQ(s.f.command[0].finished, 1);
        sandbox_destroy(&s);
    }
}

/* ---- Kicks ---- */

GUEST_TEST(a_kick_before_the_entry_ends_it_at_once)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    struct guest_registers *registers = sandbox_registers(&s, 0, guest_code_spin, 0, 0);
    REQUIRE(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 1, 0));
    for (unsigned i = 0; i < 5; i++)
        guest_kick_thread(s.f.thread[0]); /* they collapse */
    user_start(&s.f, 0);
    EXPECT(user_wait_dead(&s.f, 0));
    EXPECT_EQ(s.f.command[0].out[1], GUEST_REASON_KICK);
    EXPECT_EQ(GUEST_COUNTER(registers), 0);

    EXPECT_EQ(sandbox_enter(&s, guest_code_call, 0, 0), GUEST_REASON_SYSCALL);
    sandbox_destroy(&s);
}

GUEST_TEST(a_kick_ends_a_guest_that_computes)
{
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct sandbox s;
        REQUIRE(sandbox_init(&s, modes[mode]));
        struct guest_registers *registers = sandbox_registers(&s, 0, guest_code_spin, 0, 0);
        REQUIRE(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 0, 0));
        user_start(&s.f, 0);
        (void)user_wait_started(&s.f, 0);
        EXPECT_EQ(s.f.command[0].count, 0);
        /* One that comes before the guest has computed anything is as good. */
        for (unsigned turn = 1; turn < 1000 && GUEST_COUNTER(registers) == 0; turn++) {
            user_let_run_ns(3000ull * 1000);
            guest_kick_thread(s.f.thread[0]);
            (void)user_wait_count(&s.f, 0, turn);
        }
        EXPECT(GUEST_COUNTER(registers) > 0);
        user_stop(&s.f, 0);
        guest_kick_thread(s.f.thread[0]);
        EXPECT(user_wait_dead(&s.f, 0));
        EXPECT_EQ(s.f.command[0].out[1], GUEST_REASON_KICK);
        sandbox_destroy(&s);
    }
}

GUEST_TEST(a_storm_of_kicks_loses_nothing)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    static const char *const snippets[SANDBOX_THREADS] = { guest_code_call, guest_code_spin,
                                                           guest_code_call, guest_code_spin };
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        (void)sandbox_registers(&s, i, snippets[i], 0, 0);
        if (sandbox_prepare(&s, i, SANDBOX_ENTER, s.handle, 0, 0))
            user_start(&s.f, i);
    }
    for (unsigned turn = 0; turn < 2000; turn++) {
        guest_kick_thread(s.f.thread[turn % SANDBOX_THREADS]);
        if (turn % 64 == 0)
            user_let_run_ns(100ull * 1000);
    }
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        uint64_t count = user_count(&s.f, i);
        guest_kick_thread(s.f.thread[i]);
        (void)user_wait_count(&s.f, i, count + 1);
        user_stop(&s.f, i);
    }
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        guest_kick_thread(s.f.thread[i]);
        EXPECT(user_wait_dead(&s.f, i));
        EXPECT_EQ(s.f.command[i].out[0], OK);
    }
    sandbox_destroy(&s);
}

static enum status kick_call(struct sandbox *s, uint64_t guest, uint64_t thread)
{
    if (!sandbox_prepare(s, 1, SANDBOX_SYSCALL, SYSCALL_guest_kick, guest, thread))
        return ERR_NO_MEMORY;
    user_start(&s->f, 1);
    EXPECT(user_wait_dead(&s->f, 1));
    return (enum status)s->f.command[1].out[0];
}

GUEST_TEST(guest_kick_needs_its_right_and_a_thread_of_the_process)
{
    struct sandbox s, other;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    if (!sandbox_init(&other, 0)) {
        sandbox_destroy(&s);
        return;
    }
    uint64_t thread = 0, weak = 0, foreign = 0;
    struct cspace *table = &s.f.process->cspace;
    uint32_t rights = object_type_rights(OBJECT_GUEST) & ~(uint32_t)RIGHT_GUEST_KICK;
    EXPECT_EQ(cspace_create(table, &s.guest->object, rights, &weak), OK);
    EXPECT_EQ(cspace_create(table, &other.guest->object, RIGHT_GUEST_KICK, &foreign), OK);
    (void)sandbox_registers(&s, 0, guest_code_spin, 0, 0);
    EXPECT(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 1, 0));
    EXPECT_EQ(cspace_create(table, &s.f.thread[0]->object, 0, &thread), OK);
    user_start(&s.f, 0);
    EXPECT_EQ(kick_call(&s, weak, thread), ERR_ACCESS);
    EXPECT_EQ(kick_call(&s, foreign, thread), ERR_INVALID);
    EXPECT_EQ(kick_call(&s, s.handle, s.handle), ERR_NOT_FOUND);
    EXPECT_EQ(s.f.command[0].count, 0);
    EXPECT_EQ(kick_call(&s, s.handle, thread), OK);
    EXPECT(user_wait_dead(&s.f, 0));
    EXPECT_EQ(s.f.command[0].out[1], GUEST_REASON_KICK);
    sandbox_destroy(&other);
    sandbox_destroy(&s);
}

/* ---- Constant replies ---- */

GUEST_TEST(constant_replies_do_not_leave_the_guest)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    static const uint64_t numbers[] = { 0, 39, 64, GUEST_REPLIES - 1 };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        memset(s.state[0]->reply_set, 0, sizeof(s.state[0]->reply_set));
        s.state[0]->reply_set[numbers[i] / 64] = BIT64(numbers[i] % 64);
        s.state[0]->reply[numbers[i]] = 123456789 + i;
        GUEST_COUNTER(sandbox_registers(&s, 0, guest_code_reply, 0, numbers[i])) = 100;
        REQUIRE(sandbox_run(&s, 0, SANDBOX_ENTER, s.handle, 1, 0));
        EXPECT_EQ(s.f.command[0].out[1], GUEST_REASON_SYSCALL);
        EXPECT_EQ(GUEST_NUMBER(&s.state[0]->registers), 500);
        EXPECT_EQ(GUEST_ARGUMENT(&s.state[0]->registers), 123456789 + i);
    }
    /* Beyond the table, and numbers that are not set. */
    memset(s.state[0]->reply_set, 0xff, sizeof(s.state[0]->reply_set));
    s.state[0]->reply_set[0] = 0;
    static const uint64_t others[] = { 39, GUEST_REPLIES, UINT64_MAX, BIT64(63), BIT64(32) };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        GUEST_COUNTER(sandbox_registers(&s, 0, guest_code_reply, 0, others[i])) = 1;
        REQUIRE(sandbox_run(&s, 0, SANDBOX_ENTER, s.handle, 1, 0));
        EXPECT_EQ(GUEST_NUMBER(&s.state[0]->registers), others[i]);
    }
    sandbox_destroy(&s);
}

/* ---- Vector registers ---- */

GUEST_TEST(vector_registers_stay_and_are_the_threads_own)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        (void)sandbox_registers(&s, i, guest_code_vector, 0x1111111111111111u * (i + 1), 0);
        if (!sandbox_prepare(&s, i, SANDBOX_ENTER, s.handle, 0, 0))
            continue;
        user_pin(&s.f, i, i % 2 % cpu_count);
        user_start(&s.f, i);
    }
    user_let_run_ns(60ull * 1000 * 1000);
    for (unsigned i = 0; i < SANDBOX_THREADS; i++)
        (void)user_wait_count(&s.f, i, 3); /* however little of its CPUs the machine gets */
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        user_stop(&s.f, i);
        guest_kick_thread(s.f.thread[i]);
        EXPECT(user_wait_dead(&s.f, i));
        EXPECT_EQ(GUEST_COUNTER(&s.state[i]->registers), 0);
    }
    sandbox_destroy(&s);
}

/* ---- Copies ---- */

/* Enter the guest first, so that its memory is there; then the same thread copies. */
static uint64_t copy(struct sandbox *s, enum test_sandbox_function function, uint64_t at,
                     uint64_t size)
{
    (void)sandbox_registers(s, 0, guest_code_call, 0, 0);
    if (!sandbox_prepare(s, 0, function, at, size, TEST_SANDBOX_SHARED_AT + 2048))
        return UINT64_MAX;
    s->f.command[0].in[3] = s->handle;
    s->f.command[0].out[0] = UINT64_MAX;
    user_start(&s->f, 0);
    EXPECT(user_wait_dead(&s->f, 0));
    EXPECT_EQ(s->f.command[0].finished, 1);
    return s->f.command[0].out[0];
}

GUEST_TEST(copies_end_at_the_first_bad_byte)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    uint64_t end = GUEST_DATA_AT + PAGE_SIZE;
    uint8_t *data = s.data;
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        data[i] = (uint8_t)(i * 7 + 1);
    for (unsigned before = 0; before < 20; before++) {
        EXPECT_EQ(copy(&s, SANDBOX_COPY_IN, end - before, 40), 40 - before);
        const uint8_t *got = (const uint8_t *)s.f.command + 2048;
        EXPECT(memcmp(got, data + PAGE_SIZE - before, before) == 0);
    }
    EXPECT_EQ(copy(&s, SANDBOX_COPY_IN, GUEST_DATA_AT, 1000), 0);
    EXPECT_EQ(copy(&s, SANDBOX_COPY_OUT, end - 13, 64), 64 - 13);
    EXPECT_EQ(copy(&s, SANDBOX_COPY_OUT, GUEST_CODE_AT, 8), 8);
    EXPECT_EQ(copy(&s, SANDBOX_COPY_OUT, GUEST_LAZY_AT + 4090, 100), 0); /* filled on the way */
    EXPECT_EQ(copy(&s, SANDBOX_COPY_IN, 0, 16), 16);
    /* A pointer that leads to the sandbox itself is none of its guest's. */
    EXPECT_EQ(copy(&s, SANDBOX_COPY_IN, TEST_SANDBOX_SHARED_AT, 16), 16);
    EXPECT_EQ(copy(&s, SANDBOX_COPY_IN, GUEST_END - 8, 16), 16);
    EXPECT_EQ(copy(&s, SANDBOX_COPY_IN, UINT64_MAX - 7, 16), 16);
    sandbox_destroy(&s);
}

GUEST_TEST(other_code_of_the_sandbox_dies_of_a_bad_pointer)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    EXPECT(sandbox_run(&s, 0, SANDBOX_LOAD, GUEST_DATA_AT + PAGE_SIZE, 0, 0));
    EXPECT_EQ(s.f.thread[0]->end, THREAD_END_FAULT);
    EXPECT_EQ(s.f.command[0].finished, 0);
    sandbox_destroy(&s);
}

/* ---- The end ---- */

GUEST_TEST(a_thread_can_be_killed_in_its_guest)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    for (unsigned round = 0; round < 8; round++) {
        (void)sandbox_registers(&s, 0, guest_code_spin, 0, 0);
        REQUIRE(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 0, 0));
        user_start(&s.f, 0);
        (void)user_wait_started(&s.f, 0);
        user_let_run_ns(300ull * 1000 * round);
        thread_kill(s.f.thread[0]);
        EXPECT(user_wait_dead(&s.f, 0));
        EXPECT_EQ(s.f.thread[0]->end, THREAD_END_KILLED);
    }
    sandbox_destroy(&s);
}

static bool is_retired(void *argument)
{
    struct work work = { WORK_SLICE };
    return object_end(argument, &work) == OK;
}

GUEST_TEST(a_guest_that_goes_lets_its_threads_come_back)
{
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct sandbox s;
        REQUIRE(sandbox_init(&s, modes[mode]));
        for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
            const char *snippet = i % 2 == 0 ? guest_code_spin : guest_code_call;
            (void)sandbox_registers(&s, i, snippet, 0, 0);
            if (sandbox_prepare(&s, i, SANDBOX_ENTER, s.handle, i % 2 == 0 ? 1 : 0, 0))
                user_start(&s.f, i);
        }
        (void)user_wait_count(&s.f, 1, 10);
        user_let_run_ns(100ull * 1000 * 1000); /* on one CPU each has its turn */
        EXPECT_EQ(coroutine_wait(is_retired, &s.guest->object, clock_now_ns() + 2000000000), OK);
        EXPECT(list_empty(&s.guest->threads));
        for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
            user_stop(&s.f, i);
            EXPECT(user_wait_dead(&s.f, i));
            EXPECT_EQ(s.f.command[i].finished, 1);
        }
        EXPECT_EQ(s.f.command[0].out[0], ERR_DEAD);
        /* Who was not inside may have seen the end, or that the handle went first. */
        uint64_t other = s.f.command[1].out[0];
        EXPECT(other == OK || other == ERR_NOT_FOUND || other == ERR_DEAD);
        sandbox_destroy(&s);
    }
}

GUEST_TEST(a_thread_changes_guests_and_two_share_one)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    struct guest *second;
    uint64_t handle = 0;
    REQUIRE(sandbox_guest(&s, 0, &second, &handle));
    EXPECT_EQ(vspace_unmap(second->vspace, uaddr(GUEST_DATA_AT), PAGE_SIZE), OK);
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        (void)sandbox_registers(&s, i, guest_code_call, 0, 0);
        REQUIRE(sandbox_prepare(&s, i, SANDBOX_ENTER, i % 2 == 0 ? s.handle : handle, 200, 0));
        user_start(&s.f, i);
    }
    for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
        EXPECT(user_wait_dead(&s.f, i));
        EXPECT_EQ(s.f.command[i].count, 200);
        EXPECT_EQ(s.f.command[i].out[0], OK);
    }
    EXPECT_EQ(sandbox_enter(&s, guest_code_load, GUEST_DATA_AT, 0), GUEST_REASON_SYSCALL);
    uint64_t first = s.handle;
    s.handle = handle;
    EXPECT_EQ(sandbox_enter(&s, guest_code_load, GUEST_DATA_AT, 0), GUEST_REASON_EXCEPTION);
    s.handle = first;
    object_put(&second->object);
    sandbox_destroy(&s);
}

/* ---- Creation ---- */

/* One guest's memory, twice: what is written in one is not in the other. */
static void check_copy(struct sandbox *s, uint64_t copy_handle)
{
    uint64_t first = s->handle;

    s->handle = copy_handle;
    EXPECT_EQ(sandbox_enter(s, guest_code_load, GUEST_LAZY_AT, 0), GUEST_REASON_SYSCALL);
    EXPECT_EQ(GUEST_ARGUMENT(&s->state[0]->registers), 11);
    EXPECT_EQ(sandbox_enter(s, guest_code_store, GUEST_LAZY_AT, 22), GUEST_REASON_SYSCALL);
    s->handle = first;
    EXPECT_EQ(sandbox_enter(s, guest_code_load, GUEST_LAZY_AT, 0), GUEST_REASON_SYSCALL);
    EXPECT_EQ(GUEST_ARGUMENT(&s->state[0]->registers), 11);
}

GUEST_TEST(a_copy_has_the_memory_and_goes_its_own_way)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    uint64_t copy_handle = 0, value = 0;
    uint64_t budget = user_give(&s.f, &s.f.budget->object, RIGHT_BUDGET_CHARGE);
    uint64_t process = user_give(&s.f, &s.f.process->object, RIGHT_PROCESS_MAP);
    EXPECT_EQ(sandbox_enter(&s, guest_code_store, GUEST_LAZY_AT, 11), GUEST_REASON_SYSCALL);
    EXPECT_EQ(user_call(&s.f, SYSCALL_guest_create, &copy_handle, process, budget, 0, GUEST_SPLIT),
              OK);
    EXPECT_EQ(user_call(&s.f, SYSCALL_guest_create, &value, process, budget, s.handle, GUEST_SPLIT,
                        copy_handle, 0),
              OK);
    EXPECT_EQ(value, copy_handle);
    check_copy(&s, copy_handle);
    EXPECT_EQ(user_call(&s.f, SYSCALL_guest_create, &value, process, budget, s.handle, GUEST_SPLIT,
                        s.handle, 0),
              ERR_INVALID);
    /* A copy shows what only those may see who enter the source. */
    uint64_t mapper = user_give(&s.f, &s.guest->object, RIGHT_GUEST_MAP);
    uint64_t visitor = user_give(&s.f, &s.guest->object, RIGHT_GUEST_ENTER);
    EXPECT_EQ(user_call(&s.f, SYSCALL_guest_create, &value, process, budget, mapper, GUEST_SPLIT,
                        copy_handle, 0),
              ERR_ACCESS);
    EXPECT_EQ(user_call(&s.f, SYSCALL_guest_create, &value, process, budget, visitor, GUEST_SPLIT,
                        copy_handle, 0),
              ERR_ACCESS);
    sandbox_destroy(&s);
}

enum { FORK_MAPPINGS = 200, FORK_PAGES = 10, FORK_STEP = 1 << 16 };
#define FORK_AT ((uint64_t)0x40000000)

static uaddr_t fork_place(unsigned mapping, unsigned page)
{
    return uaddr(FORK_AT + (uint64_t)mapping * FORK_STEP + (uint64_t)page * PAGE_SIZE);
}

static bool fork_source(struct sandbox *s)
{
    enum status status = OK;

    for (unsigned i = 0; i < FORK_MAPPINGS && status == OK; i++) {
        struct memory *memory;
        status = memory_create(s->f.budget, FORK_STEP, &memory);
        if (status != OK)
            return false;
        struct map_request request = { .memory = memory,
                                       .at = fork_place(i, 0),
                                       .size_bytes = FORK_STEP,
                                       .perm = PERM_READ | PERM_WRITE,
                                       .limit = PERM_READ | PERM_WRITE };
        status = vspace_map(s->guest->vspace, &request);
        memory_put(memory);
        for (unsigned j = 0; j < FORK_PAGES && status == OK; j++)
            status = vspace_fault(s->guest->vspace, fork_place(i, j), PERM_WRITE);
    }
    return status == OK;
}

static uint64_t fork_used(const struct sandbox *s)
{
    return __atomic_load_n(&s->f.budget->account[BUDGET_MEMORY].used, __ATOMIC_RELAXED);
}

/* What a fork inherits it gives back piece by piece, as it unmaps it. */
static void unmap_inherited(struct sandbox *s, uint64_t child, const struct guest *copy)
{
    uint64_t before = fork_used(s);
    for (unsigned j = 0; j < FORK_PAGES; j++)
        EXPECT_EQ(vspace_fault(copy->vspace, fork_place(7, j), PERM_WRITE), OK);
    uint64_t written = fork_used(s);
    EXPECT(written >= before + FORK_PAGES * PAGE_SIZE);
    for (unsigned j = 0; j < FORK_PAGES; j += 2)
        EXPECT_EQ(user_call(&s->f, SYSCALL_unmap, NULL, child, fork_place(7, j).raw, PAGE_SIZE),
                  OK);
    EXPECT(fork_used(s) < written - FORK_PAGES / 2 * PAGE_SIZE + PAGE_SIZE);
    for (unsigned j = 1; j < FORK_PAGES; j += 2)
        EXPECT_EQ(user_call(&s->f, SYSCALL_unmap, NULL, child, fork_place(7, j).raw, PAGE_SIZE),
                  OK);
    EXPECT(fork_used(s) < before + 2 * PAGE_SIZE); /* with the tables that unmapping leaves */
}

GUEST_TEST(a_fork_of_many_mappings_is_whole)
{
    struct sandbox s;
    struct guest *copy;
    uint64_t child = 0;
    paddr_t pa, mine;
    unsigned perm;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    uint64_t budget = user_give(&s.f, &s.f.budget->object, RIGHT_BUDGET_CHARGE);
    uint64_t process = user_give(&s.f, &s.f.process->object, RIGHT_PROCESS_MAP);
    REQUIRE(guest_create(s.f.vspace, s.f.budget, GUEST_SPLIT, &copy) == OK);
    child = user_give(&s.f, &copy->object, object_type_rights(OBJECT_GUEST));
    EXPECT(fork_source(&s));
    EXPECT_EQ(user_call(&s.f, SYSCALL_guest_create, NULL, process, budget, s.handle, GUEST_SPLIT,
                        child, 0),
              OK);
    for (unsigned i = 0; i < FORK_MAPPINGS; i++) {
        unsigned page = i % FORK_PAGES;
        EXPECT_EQ(vspace_fault(copy->vspace, fork_place(i, page), PERM_READ), OK);
        EXPECT_EQ(vspace_query(copy->vspace, fork_place(i, page), &pa, &perm), OK);
        EXPECT_EQ(perm & PERM_WRITE, 0);
        EXPECT_EQ(vspace_query(s.guest->vspace, fork_place(i, page), &mine, &perm), OK);
        EXPECT_EQ(perm & PERM_WRITE, 0);
        EXPECT_EQ(pa.raw, mine.raw);
    }
    unmap_inherited(&s, child, copy);
    object_put(&copy->object);
    sandbox_destroy(&s);
}

GUEST_TEST(the_first_entry_names_the_state_page)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, GUEST_SPLIT));
    uint32_t all = RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE | RIGHT_MEMORY_MAP;
    uint64_t state = user_give(&s.f, &s.state_memory[0]->object, all);
    uint64_t weak =
        user_give(&s.f, &s.state_memory[0]->object, all & ~(uint32_t)RIGHT_MEMORY_WRITE);
    const struct {
        uint64_t memory, offset;
        enum status expected;
    } cases[] = {
        { weak, 0, ERR_ACCESS },
        { state, 8, ERR_RANGE },
        { state, PAGE_SIZE, ERR_RANGE },
        { s.handle, 0, ERR_NOT_FOUND },
        { state, UINT64_MAX - 4095, ERR_RANGE },
        { state, 0, OK },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)sandbox_registers(&s, 0, guest_code_call, 0, 0);
        REQUIRE(sandbox_prepare(&s, 0, SANDBOX_ENTER, s.handle, 1, cases[i].memory));
        s.f.command[0].in[3] = cases[i].offset;
        guest_thread_fini(s.f.thread[0]);
        user_start(&s.f, 0);
        EXPECT(user_wait_dead(&s.f, 0));
        EXPECT_EQ(s.f.command[0].out[0], cases[i].expected);
    }
    EXPECT_EQ(s.state_memory[0]->pin_count, 1);
    sandbox_destroy(&s);
}

GUEST_TEST(a_guest_needs_memory_and_says_so)
{
    struct sandbox s;
    REQUIRE(sandbox_init(&s, 0));
    struct guest *guest;
    EXPECT_EQ(guest_create(s.f.vspace, s.f.budget, 2, &guest), ERR_RANGE);
    enum status status = ERR_NO_MEMORY;
    for (unsigned n = 1; n < 8 && status != OK; n++) {
        frame_fail_after(n);
        status = guest_create(s.f.vspace, s.f.budget, GUEST_SPLIT, &guest);
        frame_fail_after(0);
        EXPECT(status == OK || status == ERR_NO_MEMORY);
    }
    EXPECT_EQ(status, OK);
    if (status == OK)
        object_put(&guest->object);
    sandbox_destroy(&s);
}

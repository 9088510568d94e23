/* Threads and guests between two CPUs, on a simulated machine. */
#include <abi_syscalls.h>
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <kernel/grace.h>
#include <kernel/guest.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/test.h>

static struct setting {
    struct vspace *vspace;
    struct memory *memory;
    struct thread *thread;
    struct guest *first;
    struct guest *second;
} s;

/* A thread with a state page, on CPU 1. */
static bool setting_init(void)
{
    struct cpu_mask only = { .word = { BIT64(1) } };

    if (vspace_create(NULL, &s.vspace) != OK || memory_create(NULL, PAGE_SIZE, &s.memory) != OK ||
        thread_create(s.vspace, NULL, uaddr(USER_START), uaddr(USER_START), 0, &s.thread) != OK ||
        guest_create(s.vspace, NULL, 0, &s.first) != OK ||
        guest_create(s.vspace, NULL, 0, &s.second) != OK)
        return false;
    return guest_bind(s.thread, s.memory, 0) == OK && sched_set_affinity(s.thread, &only) == OK &&
           thread_start(s.thread) == OK;
}

static void retire(struct guest *guest)
{
    struct work work = { .left = WORK_SLICE };

    (void)object_end(&guest->object, &work);
}

static void setting_fini(void)
{
    thread_kill(s.thread);
    simulation_cpu_run(1, NULL, NULL);
    thread_put(s.thread);
    retire(s.first);
    retire(s.second);
    object_put(&s.first->object);
    object_put(&s.second->object);
    memory_put(s.memory);
    vspace_put(s.vspace);
}

/* In and out again. */
static void visit(void *guest)
{
    EXPECT_EQ(guest_go(s.thread, guest), OK);
    EXPECT(guest_exception(s.thread, 0, 0, OK));
}

static void enter(void *guest)
{
    EXPECT_EQ(guest_go(s.thread, guest), OK);
}

static void enter_in_vain(void *context)
{
    (void)context;
    EXPECT_EQ(guest_go(s.thread, s.first), ERR_DEAD);
}

static void enter_to_leave(void *guest)
{
    s.thread->guest_pending |= GUEST_PENDING_LEAVE;
    EXPECT_EQ(guest_go(s.thread, guest), OK);
    EXPECT(s.thread->guest.inside);
    guest_attend(s.thread);
}

static void visit_and_sleep(void *guest)
{
    visit(guest);
    sched_sleep_current(DEADLINE_NEVER);
}

static void enter_kicked(void *guest)
{
    EXPECT_EQ(guest_go(s.thread, guest), OK);
    EXPECT(!s.thread->guest.inside);
}

static void retire_first(void)
{
    retire(s.first);
}

/* The thread is on its way from one guest to another when the first one goes and calls it. */
HOST_TEST(the_end_of_a_guest_that_was_left_does_not_end_the_next_one)
{
    for (uint64_t nth = 1;; nth++) {
        REQUIRE(setting_init());
        simulation_cpu_run(1, NULL, NULL);
        simulation_cpu_run(1, visit, s.first);
        EXPECT(s.thread->guest.guest == s.first);
        (void)simulation_interleave(nth, 2, retire_first);
        simulation_cpu_run(1, enter, s.second);
        bool came = simulation_interleave(0, 0, NULL);
        simulation_cpu_run(1, NULL, NULL);
        EXPECT(s.thread->guest.guest == s.second && s.thread->guest.inside);
        setting_fini();
        if (!came)
            break;
    }
}

HOST_TEST(memory_that_waits_to_be_freed_becomes_no_state_page)
{
    struct memory *memory;

    REQUIRE(setting_init());
    REQUIRE(memory_create(NULL, PAGE_SIZE, &memory) == OK);
    grace_enable(true);
    memory_put(memory);
    EXPECT_EQ(guest_bind(s.thread, memory, 0), ERR_NOT_FOUND);
    EXPECT(s.thread->guest.memory == s.memory);
    simulation_grace_settle();
    setting_fini();
}

/* Or that budget could not be destroyed before the thread is gone. */
HOST_TEST(a_state_page_is_paid_for_by_who_pays_for_the_thread)
{
    struct work work = { .left = WORK_SLICE };
    struct budget *budget;
    struct memory *memory;

    REQUIRE(setting_init());
    REQUIRE(budget_create(NULL, &budget) == OK);
    REQUIRE(memory_create(budget, PAGE_SIZE, &memory) == OK);
    EXPECT_EQ(guest_bind(s.thread, memory, 0), ERR_INVALID);
    memory_put(memory);
    EXPECT_EQ(budget_destroy(budget, &work), OK);
    budget_put(budget);
    setting_fini();
}

HOST_TEST(a_guest_that_is_gone_is_not_entered)
{
    REQUIRE(setting_init());
    simulation_cpu_run(1, NULL, NULL);
    retire(s.first);
    simulation_cpu_run(1, enter_in_vain, NULL);
    EXPECT(s.thread->guest.guest == NULL && !s.thread->guest.inside);
    setting_fini();
}

/* To leave is no kick: whoever is told to, meanwhile in its sandbox, does so at the kernel exit. */
HOST_TEST(who_is_to_leave_is_not_kicked)
{
    REQUIRE(setting_init());
    simulation_cpu_run(1, NULL, NULL);
    simulation_cpu_run(1, visit, s.first);
    simulation_cpu_run(1, enter_to_leave, s.first);
    EXPECT(s.thread->guest.guest == NULL && !s.thread->guest.inside);
    setting_fini();
}

/* The sandbox's own faults, in code that expects them and in all other. */
static void fault_at(uint64_t ip, unsigned access, bool expected)
{
    arch_frame_set_ip(&s.thread->frame, ip);
    EXPECT_EQ(guest_exception(s.thread, 0x1234, access, ERR_FAULT), expected);
    EXPECT_EQ(arch_frame_ip(&s.thread->frame), expected ? 0x5000 : ip);
}

static void faults(void *context)
{
    struct guest_state *state = s.thread->guest.state;
    uint64_t ip = arch_frame_ip(&s.thread->frame);

    (void)context;
    state->recover_start = 0x4000;
    state->recover_end = 0x4010;
    state->recover_at = 0x5000;
    fault_at(0x3fff, PERM_READ, false);
    fault_at(0x4010, PERM_READ, false);
    fault_at(0x4008, 0, false); /* no page fault */
    EXPECT_EQ(state->recover_address, 0);
    fault_at(0x4000, PERM_READ, true);
    fault_at(0x400f, PERM_WRITE, true);
    EXPECT_EQ(state->recover_address, 0x1234);
    arch_frame_set_ip(&s.thread->frame, ip);
}

HOST_TEST(a_sandbox_recovers_where_it_said)
{
    REQUIRE(setting_init());
    simulation_cpu_run(1, NULL, NULL);
    simulation_cpu_run(1, faults, NULL);
    setting_fini();
}

/* A thread that waits in its sandbox is on no CPU: the guest lets go of it, and a kick is kept. */
HOST_TEST(who_waits_is_expelled_at_once_and_kicked_later)
{
    REQUIRE(setting_init());
    simulation_cpu_run(1, NULL, NULL);
    simulation_cpu_run(1, visit_and_sleep, s.first);
    EXPECT(s.thread->state == THREAD_BLOCKED && s.thread->guest.guest == s.first);
    uint64_t references = s.first->object.references;
    guest_kick_thread(s.thread);
    EXPECT(s.thread->state == THREAD_BLOCKED);
    retire(s.first);
    EXPECT(s.thread->guest.guest == NULL && !s.thread->attached);
    EXPECT_EQ(s.first->object.references, references - 1);
    EXPECT(s.thread->state == THREAD_BLOCKED);
    setting_fini();
}

HOST_TEST(a_kick_of_who_waits_ends_its_next_entry)
{
    REQUIRE(setting_init());
    simulation_cpu_run(1, NULL, NULL);
    guest_kick_thread(s.thread);
    simulation_cpu_run(1, enter_kicked, s.first);
    EXPECT_EQ(s.thread->guest_pending, 0);
    simulation_cpu_run(1, enter, s.first);
    EXPECT(s.thread->guest.inside);
    setting_fini();
}

/* ---- What is refused ---- */

static void enter_strangers(void *guest)
{
    EXPECT_EQ(guest_go(s.thread, guest), ERR_INVALID);
    EXPECT(s.thread->guest.guest == NULL);
}

HOST_TEST(a_guest_of_another_process_is_not_entered)
{
    struct vspace *other;
    struct guest *guest;

    REQUIRE(setting_init());
    REQUIRE(vspace_create(NULL, &other) == OK);
    REQUIRE(guest_create(other, NULL, 0, &guest) == OK);
    simulation_cpu_run(1, NULL, NULL);
    simulation_cpu_run(1, enter_strangers, guest);
    retire(guest);
    object_put(&guest->object);
    vspace_put(other);
    EXPECT_EQ(guest_create(s.vspace, NULL, 2 * GUEST_SPLIT, &guest), ERR_RANGE);
    setting_fini();
}

static void without_a_state_page(void *guest)
{
    void *state = s.thread->guest.state;

    s.thread->guest.state = NULL;
    EXPECT_EQ(guest_go(s.thread, guest), ERR_STATE);
    EXPECT(!guest_exception(s.thread, 0x1234, PERM_READ, ERR_FAULT));
    s.thread->guest.state = state;
}

HOST_TEST(a_thread_without_a_state_page_enters_nothing)
{
    REQUIRE(setting_init());
    simulation_cpu_run(1, NULL, NULL);
    simulation_cpu_run(1, without_a_state_page, s.first);
    setting_fini();
}

HOST_TEST(a_state_page_is_a_page_of_its_memory)
{
    const void *state;

    REQUIRE(setting_init());
    state = s.thread->guest.state;
    EXPECT_EQ(guest_bind(s.thread, s.memory, 8), ERR_RANGE);
    EXPECT_EQ(guest_bind(s.thread, s.memory, PAGE_SIZE), ERR_RANGE);
    EXPECT(s.thread->guest.memory == s.memory && s.thread->guest.state == state);
    EXPECT_EQ(s.memory->pin_count, 1);
    setting_fini();
}

/* Threads and guests between two CPUs, on a simulated machine. */
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

/* Capabilities through system calls, from user mode. What holds below the calls is tested in
 * kernel/cap; here it is what a program gets back.
 */
#include <kernel/frame.h>
#include <kernel/slab.h>
#include <kernel/syscall.h>
#include <kernel/system.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>
#include <object_info.h>

static const uint32_t all_budget = RIGHT_BUDGET_CHARGE | RIGHT_BUDGET_SPLIT | RIGHT_BUDGET_LIMIT |
                                   RIGHT_BUDGET_DESTROY | RIGHT_ANY_GRANT | RIGHT_ANY_REVOKE |
                                   RIGHT_ANY_INSPECT;

static uint64_t give_budget(struct user_fixture *f, uint32_t rights)
{
    return user_give(f, &f->budget->object, rights);
}

static uint64_t create(struct user_fixture *f, uint64_t budget, enum object_type type)
{
    uint64_t handle = 0;
    EXPECT_EQ(user_call(f, SYSCALL_object_create, &handle, budget, type), OK);
    return handle;
}

static uint64_t account(const struct user_fixture *f, enum budget_kind kind)
{
    struct object_info_budget info;
    budget_inspect(f->budget, &info);
    return info.used[kind];
}

GUEST_TEST(a_closed_handle_names_nothing)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t log = user_give(&f, system_object(), RIGHT_SYSTEM_LOG);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, log), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, log), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, 0), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, UINT64_MAX), ERR_NOT_FOUND);
    uint64_t next = user_give(&f, system_object(), RIGHT_SYSTEM_LOG);
    EXPECT(next != log);
    EXPECT_EQ(user_call(&f, SYSCALL_log_write, NULL, log, 0x400000, 8), ERR_NOT_FOUND);
    user_fixture_destroy(&f);
}

GUEST_TEST(a_copy_has_no_more_rights_than_its_source)
{
    struct user_fixture f;
    uint64_t copy = 0;
    REQUIRE(user_fixture_init(&f));
    uint64_t source = user_give(&f, system_object(), RIGHT_SYSTEM_LOG | RIGHT_SYSTEM_AUDIT);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &copy, source, RIGHT_SYSTEM_POWER), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &copy, source, 1ull << 32), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &copy, source, RIGHT_SYSTEM_AUDIT), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_log_write, NULL, copy, 0x400000, 8), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &copy, copy, RIGHT_SYSTEM_LOG), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &copy, source, 0, 5), ERR_INVALID); /* no badges */
    user_fixture_destroy(&f);
}

GUEST_TEST(what_goes_to_another_process_needs_two_rights)
{
    struct user_fixture f;
    uint64_t there = 0;
    REQUIRE(user_fixture_init(&f));
    uint64_t budget = give_budget(&f, all_budget);
    uint64_t child = create(&f, budget, OBJECT_PROCESS);
    uint64_t blind = 0;
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &blind, child, RIGHT_PROCESS_MAP), OK);
    uint64_t log = user_give(&f, system_object(), RIGHT_SYSTEM_LOG | RIGHT_ANY_GRANT);
    uint64_t kept = user_give(&f, system_object(), RIGHT_SYSTEM_LOG);
    const uint64_t right = RIGHT_SYSTEM_LOG;
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &there, kept, right, 0, child), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &there, log, right, 0, blind), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &there, log, right, 0, log), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &there, log, right, 0, child), OK);
    /* It is in the child's table, and not in this one's. */
    EXPECT(there != log);
    uint64_t next = 99;
    struct handle_info *entry = user_map_arena(&f);
    REQUIRE(entry != NULL);
    EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, &next, child, 0, TEST_GUEST_ARENA_AT, 4), OK);
    EXPECT_EQ(entry[0].handle, there);
    EXPECT_EQ(entry[0].type, OBJECT_SYSTEM);
    EXPECT_EQ(entry[0].rights, RIGHT_SYSTEM_LOG);
    EXPECT_EQ(entry[0].origin, f.process->object.id);
    EXPECT_EQ(entry[1].handle, 0);
    user_fixture_destroy(&f);
}

GUEST_TEST(a_revoked_copy_is_gone_wherever_it_is)
{
    struct user_fixture f;
    uint64_t copy = 0;
    REQUIRE(user_fixture_init(&f));
    uint64_t child = create(&f, give_budget(&f, all_budget), OBJECT_PROCESS);
    uint64_t log =
        user_give(&f, system_object(), RIGHT_SYSTEM_LOG | RIGHT_ANY_GRANT | RIGHT_ANY_REVOKE);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &copy, log, RIGHT_SYSTEM_LOG, 0, child), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &copy, log, RIGHT_SYSTEM_LOG), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_revoke, NULL, copy), ERR_ACCESS);
    uint64_t before = account(&f, BUDGET_CAPABILITIES);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_revoke, NULL, log), OK);
    EXPECT_EQ(account(&f, BUDGET_CAPABILITIES), before - 2);
    EXPECT_EQ(user_call(&f, SYSCALL_log_write, NULL, copy, 0x400000, 8), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_log_write, NULL, log, 0x400000, 8), OK);
    user_fixture_destroy(&f);
}

/* More than one slice: the call is made again by itself. */
GUEST_TEST(a_revocation_of_many_ends)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t log = user_give(&f, system_object(), RIGHT_SYSTEM_LOG | RIGHT_ANY_REVOKE);
    uint64_t before = account(&f, BUDGET_CAPABILITIES);
    for (unsigned i = 0; i < 5 * WORK_SLICE; i++) {
        uint64_t copy;
        EXPECT_EQ(cspace_copy(&f.process->cspace, log,
                              &(struct capability_mint){ RIGHT_SYSTEM_LOG, 0 }, &f.process->cspace,
                              &copy),
                  OK);
    }
    EXPECT_EQ(user_call(&f, SYSCALL_handle_revoke, NULL, log), OK);
    EXPECT_EQ(account(&f, BUDGET_CAPABILITIES), before);
    user_fixture_destroy(&f);
}

GUEST_TEST(inspect_lists_the_whole_table_in_parts)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    struct handle_info *entry = user_map_arena(&f);
    REQUIRE(entry != NULL);
    uint64_t self = user_give(&f, &f.process->object, RIGHT_ANY_INSPECT);
    uint64_t blind = user_give(&f, &f.process->object, RIGHT_PROCESS_MAP);
    for (unsigned i = 0; i < 5; i++)
        (void)user_give(&f, system_object(), RIGHT_SYSTEM_LOG);
    uint64_t at = TEST_GUEST_ARENA_AT, cursor = 0;
    unsigned found = 0;
    for (unsigned rounds = 0; rounds < 10; rounds++) {
        EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, &cursor, self, cursor, at, 3), OK);
        for (unsigned i = 0; i < 3; i++)
            found += entry[i].handle != 0;
        if (cursor == 0)
            break;
    }
    EXPECT_EQ(found, 7);
    EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, NULL, blind, 0, at, 3), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, NULL, self, 0, at, 0), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, NULL, self, 0, at, 17), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, NULL, self, 0, at + 4000, 3), ERR_FAULT);
    EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, NULL, self, 0, USER_END - 8, 3), ERR_FAULT);
    EXPECT_EQ(user_call(&f, SYSCALL_process_inspect, &cursor, self, UINT32_MAX, at, 3), OK);
    EXPECT_EQ(cursor, 0);
    user_fixture_destroy(&f);
}

GUEST_TEST(object_info_tells_what_the_head_says)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    struct object_info *info = user_map_arena(&f);
    REQUIRE(info != NULL);
    uint64_t at = TEST_GUEST_ARENA_AT;
    uint64_t budget = give_budget(&f, RIGHT_ANY_INSPECT);
    uint64_t blind = give_budget(&f, RIGHT_BUDGET_CHARGE);
    EXPECT_EQ(user_call(&f, SYSCALL_object_info, NULL, blind, at, sizeof(*info)), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_object_info, NULL, 0, at, sizeof(*info)), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_object_info, NULL, budget, at, sizeof(*info) + 1), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_object_info, NULL, budget, 8, sizeof(*info)), ERR_FAULT);
    EXPECT_EQ(user_call(&f, SYSCALL_object_info, NULL, budget, at, sizeof(*info)), OK);
    EXPECT_EQ(info->id, f.budget->object.id);
    EXPECT_EQ(info->type, OBJECT_BUDGET);
    EXPECT_EQ(info->rights, RIGHT_ANY_INSPECT);
    EXPECT_EQ(info->capability_count, 2);
    EXPECT_EQ(info->detail.budget.used[BUDGET_CAPABILITIES], 2);
    user_fixture_destroy(&f);
}

/* ---- Objects ---- */

GUEST_TEST(who_may_not_charge_creates_nothing)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t blind = give_budget(&f, all_budget & ~(uint32_t)RIGHT_BUDGET_CHARGE);
    uint64_t whole = give_budget(&f, all_budget & ~(uint32_t)RIGHT_BUDGET_SPLIT);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, blind, OBJECT_PROCESS), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, whole, OBJECT_BUDGET), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, 0, OBJECT_PROCESS), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, whole, OBJECT_SYSTEM), ERR_INVALID);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, whole, 0), ERR_RANGE);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, whole, 1000), ERR_RANGE);
    user_fixture_destroy(&f);
}

/* At the limit, what was closed makes room at once, although its storage waits for a grace period.
 */
GUEST_TEST(what_is_closed_makes_room_below_a_limit)
{
    struct user_fixture f;
    struct budget *part;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(budget_create(f.budget, &part) == OK);
    uint64_t budget = user_give(&f, &part->object, all_budget);
    uint64_t first = create(&f, budget, OBJECT_PROCESS);
    struct object_info_budget info;
    budget_inspect(part, &info);
    budget_limit(part, BUDGET_MEMORY, info.used[BUDGET_MEMORY] + 64);
    for (unsigned i = 0; i < 20; i++) {
        EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, budget, OBJECT_PROCESS), ERR_LIMIT);
        EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, first), OK);
        EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, first), OK);
        EXPECT_EQ(user_call(&f, SYSCALL_object_create, &first, budget, OBJECT_PROCESS), OK);
    }
    budget_put(part);
    user_fixture_destroy(&f);
}

GUEST_TEST(a_destroyed_budget_takes_all_that_it_paid_for)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t budget = give_budget(&f, all_budget);
    /* The caller's own pages are there after a first call. */
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, 0), ERR_NOT_FOUND);
    uint64_t before[] = { account(&f, BUDGET_MEMORY), account(&f, BUDGET_CAPABILITIES) };
    uint64_t part = create(&f, budget, OBJECT_BUDGET);
    uint64_t child = create(&f, part, OBJECT_PROCESS);
    uint64_t below = create(&f, create(&f, part, OBJECT_BUDGET), OBJECT_PROCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, budget), ERR_STATE);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, part), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, child), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, below), ERR_NOT_FOUND);
    EXPECT_EQ(user_call(&f, SYSCALL_object_create, NULL, part, OBJECT_PROCESS), ERR_DEAD);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, part), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_revoke, NULL, budget), OK); /* and wait for storage */
    EXPECT_EQ(account(&f, BUDGET_CAPABILITIES), before[1]);
    EXPECT(account(&f, BUDGET_MEMORY) <= before[0] + PAGE_SIZE); /* a page of slots */
    user_fixture_destroy(&f);
}

GUEST_TEST(a_process_is_ended_by_who_may)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t self = user_give(&f, &f.process->object, RIGHT_PROCESS_DESTROY);
    uint64_t child = create(&f, give_budget(&f, all_budget), OBJECT_PROCESS);
    uint64_t weak = 0;
    EXPECT_EQ(user_call(&f, SYSCALL_handle_copy, &weak, child, RIGHT_PROCESS_MAP), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, self), ERR_STATE);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, weak), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, child), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, child), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_object_destroy, NULL, 0), ERR_NOT_FOUND);
    user_fixture_destroy(&f);
}

/* Else it would keep the process or its address space, and with it the budget of somebody else. */
GUEST_TEST(guests_and_threads_are_paid_for_where_their_process_is)
{
    struct user_fixture f;
    struct budget *other;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(budget_create(NULL, &other) == OK);
    uint64_t own = give_budget(&f, all_budget);
    uint64_t foreign = user_give(&f, &other->object, all_budget);
    uint64_t below = create(&f, own, OBJECT_BUDGET);
    uint64_t self = user_give(&f, &f.process->object, RIGHT_PROCESS_MAP | RIGHT_PROCESS_SPAWN);
    uint64_t calls[] = { SYSCALL_guest_create, SYSCALL_thread_create };
    for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
        EXPECT_EQ(user_call(&f, calls[i], NULL, self, foreign), ERR_INVALID);
        EXPECT_EQ(user_call(&f, calls[i], NULL, self, own), OK);
        EXPECT_EQ(user_call(&f, calls[i], NULL, self, below), OK);
    }
    user_fixture_destroy(&f);
    budget_put(other);
}

/* Every allocation on the way fails once; nothing is lost. */
GUEST_TEST(creating_a_process_survives_each_failing_allocation)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t handle = 0;
    enum status status = ERR_NO_MEMORY;
    for (uint64_t n = 1; n < 20 && status != OK; n++) {
        struct process *process;
        slab_fail_after(n);
        status = process_create(f.budget, &process);
        slab_fail_after(0);
        if (status == OK)
            status =
                cspace_create(&f.process->cspace, &process->object, RIGHT_PROCESS_DESTROY, &handle);
        if (handle != 0)
            object_put(&process->object);
    }
    EXPECT_EQ(status, OK);
    status = ERR_NO_MEMORY;
    for (uint64_t n = 1; n < 20 && status != OK; n++) {
        struct process *process;
        frame_fail_after(n);
        status = process_create(f.budget, &process);
        frame_fail_after(0);
        if (status == OK) {
            struct work work = { UINT32_MAX };
            EXPECT_EQ(process_end(process, &work), OK);
            object_put(&process->object);
        }
    }
    EXPECT_EQ(status, OK);
    user_fixture_destroy(&f);
}

/* ---- Death ---- */

static uint64_t poll(struct user_fixture *f, uint64_t notification)
{
    uint64_t bits = 0;
    (void)user_call(f, SYSCALL_notification_wait, &bits, notification, UINT64_MAX, 0);
    return bits;
}

GUEST_TEST(the_death_of_a_process_is_told)
{
    struct user_fixture f;
    struct user_fixture child;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(user_fixture_init(&child));
    uint64_t notification = create(&f, give_budget(&f, all_budget), OBJECT_NOTIFICATION);
    uint64_t blind = user_give(&f, &child.process->object, RIGHT_ANY_INSPECT);
    uint64_t watched = user_give(&f, &child.process->object, RIGHT_PROCESS_DESTROY);
    EXPECT_EQ(user_call(&f, SYSCALL_object_bind, NULL, blind, notification, 4), ERR_ACCESS);
    EXPECT_EQ(user_call(&f, SYSCALL_object_bind, NULL, watched, notification, 4), OK);
    EXPECT_EQ(poll(&f, notification), 0);
    /* A fault, while another thread goes on. */
    EXPECT(user_run(&child, 0, GUEST_SPIN, 0, 0) && user_run(&child, 1, GUEST_LOAD, 0, 0));
    EXPECT(user_wait_dead(&child, 1));
    EXPECT_EQ(poll(&f, notification), 4);
    EXPECT_EQ(poll(&f, notification), 0);
    /* The last thread. */
    user_stop(&child, 0);
    EXPECT(user_wait_dead(&child, 0));
    EXPECT_EQ(poll(&f, notification), 4);
    EXPECT_EQ(child.process->fault_count, 1);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, blind), OK);
    EXPECT_EQ(user_call(&f, SYSCALL_handle_close, NULL, watched), OK);
    user_fixture_destroy(&child);
    user_fixture_destroy(&f);
}

GUEST_TEST(the_end_of_a_thread_is_told_also_afterwards)
{
    struct user_fixture f;
    REQUIRE(user_fixture_init(&f));
    uint64_t notification = create(&f, give_budget(&f, all_budget), OBJECT_NOTIFICATION);
    EXPECT(user_prepare(&f, 0, GUEST_EXIT));
    uint64_t watched = user_give(&f, &f.thread[0]->object, RIGHT_THREAD_STOP);
    EXPECT_EQ(user_call(&f, SYSCALL_object_bind, NULL, watched, notification, 1), OK);
    EXPECT_EQ(poll(&f, notification), 0);
    user_start(&f, 0);
    EXPECT(user_wait_dead(&f, 0));
    user_let_run_ns(1000ull * 1000); /* it is dead a moment before it is told */
    EXPECT_EQ(poll(&f, notification), 1);
    EXPECT_EQ(user_call(&f, SYSCALL_object_bind, NULL, watched, notification, 2), OK);
    EXPECT_EQ(poll(&f, notification), 2);
    user_fixture_destroy(&f);
}

GUEST_TEST(a_soft_limit_is_told_once_for_each_crossing)
{
    struct user_fixture f;
    struct budget *part;
    REQUIRE(user_fixture_init(&f));
    REQUIRE(budget_create(f.budget, &part) == OK);
    uint64_t notification = create(&f, give_budget(&f, all_budget), OBJECT_NOTIFICATION);
    uint64_t watched = user_give(&f, &part->object, RIGHT_BUDGET_LIMIT);
    EXPECT_EQ(user_call(&f, SYSCALL_object_bind, NULL, watched, notification, 8), OK);
    budget_limit_soft(part, BUDGET_CAPABILITIES, 2);
    EXPECT_EQ(budget_charge(part, BUDGET_CAPABILITIES, 2), OK);
    EXPECT_EQ(poll(&f, notification), 0);
    EXPECT_EQ(budget_charge(part, BUDGET_CAPABILITIES, 1), OK);
    EXPECT_EQ(budget_charge(part, BUDGET_CAPABILITIES, 1), OK);
    EXPECT_EQ(poll(&f, notification), 8);
    EXPECT_EQ(poll(&f, notification), 0);
    budget_uncharge(part, BUDGET_CAPABILITIES, 4);
    EXPECT_EQ(budget_charge(part, BUDGET_CAPABILITIES, 3), OK);
    EXPECT_EQ(poll(&f, notification), 8);
    budget_uncharge(part, BUDGET_CAPABILITIES, 3);
    budget_put(part);
    user_fixture_destroy(&f);
}

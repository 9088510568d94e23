/* Ends that take several steps, and what may not happen meanwhile; what is refused at first because
 * something is about to be freed; who may end what.
 */
#include "world.h"
#include <abi_syscalls.h>
#include <arch/simulation.h>
#include <base/string.h>
#include <kernel/audit.h>
#include <kernel/frame.h>
#include <kernel/grace.h>
#include <kernel/log_ring.h>
#include <kernel/sched.h>
#include <kernel/slab.h>
#include <kernel/test.h>
#include <kernel/trap.h>

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)

static struct world world;
static uint64_t self, budget, part; /* handles; the last is a budget below the other */
static unsigned attempts;

static struct cspace *table(void)
{
    return &world.process[0].process->cspace;
}

static struct object *object_of(uint64_t handle)
{
    struct capability_ref ref = { .object = NULL };

    EXPECT_EQ(cspace_borrow(table(), handle, OBJECT_ANY, 0, &ref), OK);
    return ref.object;
}

static struct call_result call(struct thread *thread, unsigned number, const uint64_t words[6],
                               void (*before)(void))
{
    return world_call(&world, thread, number, words, before);
}

#define CALL_AFTER(before, name, ...)                                                              \
    call(world.process[0].thread[0], SYSCALL_##name, (const uint64_t[6]){ __VA_ARGS__ }, before)
#define CALL(name, ...) CALL_AFTER(NULL, name, __VA_ARGS__)

static uint64_t give(struct object *object)
{
    uint64_t handle = 0;

    EXPECT_EQ(cspace_create(table(), object, object_type_rights(object->type), &handle), OK);
    return handle;
}

static bool begin(void)
{
    if (!world_begin(&world))
        return false;
    struct process *process = world.process[0].process;
    self = give(&process->object);
    budget = give(&process->object.payer->object);
    part = CALL(object_create, budget, OBJECT_BUDGET).value;
    return part != HANDLE_NONE;
}

static void count_attempt(void)
{
    attempts++;
}

HOST_TEST(what_has_ended_signals_nobody)
{
    REQUIRE(begin());
    uint64_t notification = CALL(object_create, budget, OBJECT_NOTIFICATION).value;
    object_of(part)->ended = true;
    EXPECT_EQ(CALL(object_bind, part, notification, 1).status, ERR_DEAD);
    object_of(part)->ended = false;
    EXPECT_EQ(CALL(object_bind, part, notification, 1).status, OK);
    world_end(&world);
}

/* ---- Processes ---- */

HOST_TEST(a_process_that_ends_takes_no_threads)
{
    struct process *process;
    struct thread *thread;
    struct work work = { UINT32_MAX };

    REQUIRE(begin());
    REQUIRE(process_create(world.root, &process) == OK);
    REQUIRE(thread_create(process->vspace, NULL, uaddr(0x400000), uaddr(0x500000), 0, &thread) ==
            OK);
    process->ending = true;
    EXPECT_EQ(process_add_thread(process, thread), ERR_DEAD);
    EXPECT(thread->process == NULL && process->thread_count == 0);
    thread_put(thread);
    world_settle(&world);
    EXPECT_EQ(process_end(process, &work), OK);
    object_put(&process->object);
    world_end(&world);
}

HOST_TEST(a_process_has_ended_when_its_table_is_empty)
{
    struct process *process;
    uint64_t handle;
    unsigned steps = 0;
    enum status status = ERR_WOULD_BLOCK;

    REQUIRE(begin());
    REQUIRE(process_create(world.root, &process) == OK);
    for (unsigned i = 0; i < 10; i++)
        EXPECT_EQ(cspace_create(&process->cspace, object_of(part),
                                object_type_rights(OBJECT_BUDGET), &handle),
                  OK);
    while (status != OK && steps < 100) {
        status = process_end(process, &(struct work){ 1 });
        EXPECT_EQ(status == OK, process->cspace.page == NULL);
        EXPECT_EQ(status == OK, process->cleared);
        steps++;
    }
    EXPECT(steps > 10);
    EXPECT_EQ(process_end(process, &(struct work){ 10 }), OK); /* once */
    EXPECT_EQ(process->object.references, 1);
    object_put(&process->object);
    world_end(&world);
}

/* Everything that a process is made of costs something. */
HOST_TEST(a_process_is_made_whole_or_not)
{
    struct process *process;
    struct budget *payer;
    uint64_t limit = 0;
    unsigned failed = 0;

    REQUIRE(begin());
    REQUIRE(budget_create(NULL, &payer) == OK);
    budget_limit(payer, BUDGET_MEMORY, limit);
    while (process_create(payer, &process) != OK && failed < 1000) {
        world_settle(&world);
        EXPECT_EQ(payer->account[BUDGET_MEMORY].used, 0);
        failed++;
        limit += 64;
        budget_limit(payer, BUDGET_MEMORY, limit);
    }
    EXPECT(failed > 100 && failed < 1000);
    EXPECT(process->object.payer == payer);
    EXPECT_EQ(process_end(process, &(struct work){ 100 }), OK);
    object_put(&process->object);
    world_settle(&world);
    EXPECT_EQ(payer->account[BUDGET_MEMORY].used, 0);
    budget_put(payer);
    world_end(&world);
}

/* ---- Budgets and threads ---- */

static unsigned destroyed_since(uint64_t from)
{
    struct audit_record record;
    unsigned count = 0;

    for (; audit_read(from, &record, 1) == 1; from++)
        count += record.kind == AUDIT_DESTROY;
    return count;
}

HOST_TEST(the_end_of_a_budget_is_recorded_once)
{
    REQUIRE(begin());
    for (unsigned i = 0; i < 3 * WORK_SLICE; i++)
        EXPECT_EQ(CALL(object_create, part, OBJECT_ENDPOINT).status, OK);
    uint64_t from = audit_stats().next;
    EXPECT_EQ(CALL(object_destroy, part).status, OK);
    EXPECT_EQ(destroyed_since(from), 1);
    world_end(&world);
}

/* Nobody destroys what pays for the thread that asks: it could not wait for its own end. */
HOST_TEST(a_thread_does_not_destroy_the_budget_that_pays_for_it)
{
    struct cpu_mask first = { .word = { 1 } };

    REQUIRE(begin());
    uint64_t handle = CALL(thread_create, self, part, 0x400000, 0x500000).value;
    struct thread *thread = object_as_thread(object_of(handle));
    EXPECT_EQ(sched_set_affinity(thread, &first), OK);
    EXPECT_EQ(CALL(thread_control, handle, THREAD_OP_START).status, OK);
    EXPECT_EQ(call(thread, SYSCALL_object_destroy, (const uint64_t[6]){ part }, NULL).status,
              ERR_STATE);
    EXPECT_EQ(CALL(object_destroy, part).status, OK);
    world_end(&world);
}

HOST_TEST(a_thread_that_was_destroyed_is_dead)
{
    struct thread *thread;

    REQUIRE(begin());
    thread = thread_get(world.process[0].thread[1]); /* runs on the other CPU */
    uint64_t handle = give(&thread->object);
    attempts = 0;
    EXPECT_EQ(CALL_AFTER(count_attempt, object_destroy, handle).status, OK);
    EXPECT(attempts >= 2); /* the other CPU had its turn in between */
    EXPECT(thread_is_dead(thread));
    thread_put(thread);
    world_end(&world);
}

/* ---- Once more ---- */

static void no_object(void)
{
    attempts++;
    slab_fail_after(1);
}

/* What is charged for until the end of a grace period may be what is missing. */
HOST_TEST(who_is_short_of_something_is_asked_once_more)
{
    REQUIRE(begin());
    attempts = 0;
    budget_limit(object_as_budget(object_of(part)), BUDGET_MEMORY, 0);
    EXPECT_EQ(CALL_AFTER(count_attempt, object_create, part, OBJECT_ENDPOINT).status, ERR_LIMIT);
    EXPECT(attempts >= 2);
    budget_limit(object_as_budget(object_of(part)), BUDGET_MEMORY, BUDGET_UNLIMITED);
    attempts = 0;
    EXPECT_EQ(CALL_AFTER(no_object, object_create, part, OBJECT_ENDPOINT).status, ERR_NO_MEMORY);
    slab_fail_after(0);
    EXPECT(attempts >= 2);
    attempts = 0;
    EXPECT_EQ(CALL_AFTER(count_attempt, object_create, part, OBJECT_MEMORY).status, ERR_INVALID);
    EXPECT_EQ(attempts, 1);
    world_end(&world);
}

/* Removals wait while too much of what was removed does. */
HOST_TEST(removals_do_not_run_ahead_of_grace_periods)
{
    enum { CROWD = 20000 };
    unsigned made = 0;

    REQUIRE(begin());
    /* On no CPU anything runs, so no period ends. */
    while (!grace_crowded() && made < CROWD) {
        uint64_t handle = give(object_of(part));
        EXPECT_EQ(cspace_close(table(), handle, &(struct work){ 10 }), OK);
        made++;
    }
    EXPECT(made < CROWD);
    attempts = 0;
    uint64_t handle = give(object_of(part));
    EXPECT_EQ(CALL_AFTER(count_attempt, handle_revoke, handle).status, OK);
    EXPECT(attempts >= 2);
    world_end(&world);
}

/* ---- Faults ---- */

static void faults(void *context)
{
    (void)context;
    if (cpu_self()->current->state == THREAD_RUNNING)
        trap_user_exception(cpu_self()->current, "a fault of this test", 0);
}

static unsigned lines_since(uint64_t *from)
{
    struct log_record record;
    unsigned count = 0;

    for (; log_read(*from, &record); *from = record.sequence + 1)
        count += memcmp(record.text, "thread ", 7) == 0;
    return count;
}

/* Whoever makes threads fault as fast as he can fills neither the console nor the log. */
HOST_TEST(faults_are_told_of_so_often_a_second)
{
    uint64_t from = log_lost();
    unsigned dead = 0;

    (void)lines_since(&from);
    for (unsigned round = 0; round < 4; round++) {
        uint64_t before = thread_count();
        REQUIRE(begin());
        for (unsigned i = 0; i < 40; i++)
            simulation_cpu_run(i % 2, faults, NULL);
        world_settle(&world);
        dead += WORLD_PROCESSES * WORLD_THREADS - (unsigned)(thread_count() - before);
        world_end(&world);
    }
    EXPECT(dead > 20);
    unsigned told = lines_since(&from);
    EXPECT(told > 0 && told <= 16);
}

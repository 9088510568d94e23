/* Memory and mappings through system calls, from user mode. */
#include <kernel/cspace.h>
#include <kernel/device.h>
#include <kernel/frame.h>
#include <kernel/memory.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/test.h>
#include <kernel/user_fixture.h>
#include <object_info.h>

#define AT  TEST_GUEST_ARENA_AT
#define ALL (RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE | RIGHT_MEMORY_EXECUTE | RIGHT_MEMORY_MAP)
#define RW  (ACCESS_READ | ACCESS_WRITE)

#define CALL(world, name, ...) user_call(&(world)->f, SYSCALL_##name, &(world)->value, __VA_ARGS__)

/* A process with a budget and a handle to itself. */
struct world {
    struct user_fixture f;
    uint64_t value; /* of the last call */
    uint64_t space;
    uint64_t budget;
    uint64_t used; /* bytes, when nothing was created yet */
};

static uint64_t used_bytes(const struct world *w)
{
    struct object_info_budget info;
    budget_inspect(w->f.budget, &info);
    return info.used[BUDGET_MEMORY];
}

/* A thread in place 0 does it and ends; NULL if by itself. */
static const char *run(struct world *w, enum test_guest_function function, uint64_t a, uint64_t b)
{
    if (!user_run(&w->f, 0, function, a, b) || !user_wait_dead(&w->f, 0))
        return "did not run";
    return w->f.thread[0]->end == THREAD_END_FAULT ? w->f.thread[0]->fault_name : NULL;
}

static bool world_init(struct world *w)
{
    if (!user_fixture_init(&w->f))
        return false;
    w->space = user_give(&w->f, &w->f.process->object, RIGHT_PROCESS_MAP);
    w->budget = user_give(&w->f, &w->f.budget->object, RIGHT_BUDGET_CHARGE);
    /* Then the pages of its threads are there. */
    EXPECT_EQ(CALL(w, handle_close, 0), ERR_NOT_FOUND);
    EXPECT_STR(run(w, GUEST_EXIT, 0, 0), NULL);
    w->used = used_bytes(w);
    return true;
}

static uint64_t create(struct world *w, uint64_t pages)
{
    EXPECT_EQ(CALL(w, memory_create, w->budget, pages * PAGE_SIZE), OK);
    return w->value;
}

static uint64_t copy(struct world *w, uint64_t handle, uint32_t rights)
{
    EXPECT_EQ(CALL(w, handle_copy, handle, rights), OK);
    return w->value;
}

static uint64_t load(struct world *w, uint64_t at)
{
    EXPECT_STR(run(w, GUEST_LOAD, at, 0), NULL);
    return w->f.command[0].out[0];
}

static void store(struct world *w, uint64_t at, uint64_t value)
{
    EXPECT_STR(run(w, GUEST_STORE, at, value), NULL);
}

GUEST_TEST(memory_is_mapped_touched_and_given_back)
{
    struct world w;
    REQUIRE(world_init(&w));
    uint64_t memory = create(&w, 64);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, 64 * PAGE_SIZE, RW), OK);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT + PAGE_SIZE, 0, PAGE_SIZE, RW), ERR_EXISTS);
    EXPECT_STR(run(&w, GUEST_TOUCH, AT, 64), NULL);
    EXPECT(used_bytes(&w) >= w.used + 65 * PAGE_SIZE); /* and the tree's leaf */
    EXPECT_EQ(load(&w, AT + 9 * PAGE_SIZE), 9);
    EXPECT_EQ(CALL(&w, unmap, w.space, AT, 32 * PAGE_SIZE), OK);
    EXPECT_STR(run(&w, GUEST_LOAD, AT, 0), "page fault (read)");
    EXPECT_EQ(load(&w, AT + 33 * PAGE_SIZE), 33);
    /* What was unmapped is still there. */
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, PAGE_SIZE, PAGE_SIZE, ACCESS_READ), OK);
    EXPECT_EQ(load(&w, AT), 1);
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_DECOMMIT, 0, 64 * PAGE_SIZE), OK);
    EXPECT_EQ(load(&w, AT), 0);
    EXPECT_EQ(CALL(&w, handle_close, memory), OK);
    EXPECT_STR(run(&w, GUEST_LOAD, AT + 40 * PAGE_SIZE, 0), "page fault (read)");
    EXPECT_EQ(CALL(&w, handle_close, 0), ERR_NOT_FOUND);
    user_fixture_destroy(&w.f); /* compares the accounts with zero */
}

GUEST_TEST(a_mapping_allows_what_its_capability_does)
{
    struct world w;
    REQUIRE(world_init(&w));
    uint64_t memory = create(&w, 4);
    uint64_t reader = copy(&w, memory, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP);
    uint64_t unmappable = copy(&w, memory, RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE);
    uint64_t writer = copy(&w, memory, RIGHT_MEMORY_WRITE | RIGHT_MEMORY_MAP);
    uint64_t weak = user_give(&w.f, &w.f.process->object, RIGHT_PROCESS_SPAWN);
    const uint64_t size = 4 * PAGE_SIZE;
    EXPECT_EQ(CALL(&w, map, w.space, reader, AT, 0, size, RW), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, map, w.space, reader, AT, 0, size, ACCESS_EXECUTE), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, map, w.space, writer, AT, 0, size, ACCESS_WRITE), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, map, w.space, unmappable, AT, 0, size, ACCESS_READ), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, map, weak, memory, AT, 0, size, ACCESS_READ), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, map, w.budget, memory, AT, 0, size, ACCESS_READ), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&w, map, w.space, w.space, AT, 0, size, ACCESS_READ), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, size, RW | ACCESS_EXECUTE), ERR_RANGE);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, PAGE_SIZE, size, RW), ERR_RANGE);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, ~PAGE_MASK, size, RW), ERR_RANGE);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT + 1, 0, size, RW), ERR_RANGE);
    EXPECT_EQ(CALL(&w, map, w.space, memory, USER_END - PAGE_SIZE, 0, size, RW), ERR_RANGE);
    EXPECT_EQ(CALL(&w, map, w.space, memory, 0, 0, size, RW), ERR_RANGE);
    EXPECT_EQ(CALL(&w, map, w.space, reader, AT, 0, size, ACCESS_READ), OK);
    EXPECT_EQ(CALL(&w, protect, w.space, AT, size, RW), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, protect, w.space, AT, size, ACCESS_EXECUTE), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, protect, weak, AT, size, ACCESS_READ), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, unmap, weak, AT, size), ERR_ACCESS);
    EXPECT_STR(run(&w, GUEST_STORE, AT, 1), "page fault (write)");
    EXPECT_EQ(CALL(&w, unmap, w.space, AT, size), OK);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, size, ACCESS_READ), OK);
    EXPECT_EQ(CALL(&w, protect, w.space, AT, size, RW | ACCESS_EXECUTE), ERR_RANGE);
    EXPECT_EQ(CALL(&w, protect, w.space, AT, size, RW | ACCESS_SHARED), ERR_RANGE);
    EXPECT_EQ(CALL(&w, protect, w.space, AT, size, RW), OK);
    store(&w, AT, 7);
    EXPECT_EQ(CALL(&w, memory_range, reader, MEMORY_OP_COMMIT, 0, PAGE_SIZE), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_COMMIT, PAGE_SIZE, size), ERR_RANGE);
    EXPECT_EQ(CALL(&w, memory_range, memory, 2, 0, size), ERR_RANGE);
    EXPECT_EQ(CALL(&w, unmap, w.space, AT, UINT64_MAX - PAGE_SIZE + 1), ERR_RANGE);
    EXPECT_EQ(CALL(&w, unmap, w.space, 0, PAGE_SIZE), ERR_RANGE);
    EXPECT_EQ(CALL(&w, unmap, w.space, AT, 0), ERR_RANGE);
    user_fixture_destroy(&w.f);
}

/* One CPU reads all the time; when the call returns it can do so no more. */
GUEST_TEST(a_revoked_mapping_is_gone_on_every_cpu)
{
    struct world w;
    REQUIRE(world_init(&w));
    uint64_t memory = create(&w, 1024);
    for (unsigned round = 0; round < 10; round++) {
        uint64_t mapper = copy(&w, memory, ALL);
        EXPECT_EQ(CALL(&w, map, w.space, mapper, AT, 0, 1024 * PAGE_SIZE, RW), OK);
        REQUIRE(user_run(&w.f, 1, round % 2 == 0 ? GUEST_LOAD_LOOP : GUEST_STORE_LOOP,
                         AT + 700 * PAGE_SIZE, 0));
        user_pin(&w.f, 1, round % cpu_count);
        (void)user_wait_count(&w.f, 1, 50);
        if (round % 3 == 0)
            EXPECT_EQ(CALL(&w, handle_close, mapper), OK);
        else
            EXPECT_EQ(CALL(&w, handle_revoke, memory), OK);
        uint64_t count = user_count(&w.f, 1);
        (void)user_wait_dead(&w.f, 1);
        EXPECT(user_count(&w.f, 1) <= count + 1);
        EXPECT_EQ(w.f.thread[1]->end, THREAD_END_FAULT);
        EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, PAGE_SIZE, RW), OK);
        EXPECT_EQ(CALL(&w, unmap, w.space, AT, PAGE_SIZE), OK);
    }
    user_fixture_destroy(&w.f);
}

/* Whoever goes on using memory that is decommitted and cloned beside it notices nothing but zeroes.
 */
GUEST_TEST(pages_may_go_while_another_cpu_uses_them)
{
    struct world w;
    REQUIRE(world_init(&w));
    uint64_t memory = create(&w, 16);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, 16 * PAGE_SIZE, RW), OK);
    REQUIRE(user_run(&w.f, 1, GUEST_STORE_LOOP, AT + 3 * PAGE_SIZE, 0));
    user_pin(&w.f, 1, cpu_count - 1);
    for (unsigned round = 0; round < 20; round++) {
        uint64_t count = user_count(&w.f, 1);
        EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_DECOMMIT, 0, 16 * PAGE_SIZE), OK);
        EXPECT_EQ(CALL(&w, memory_clone, memory, w.budget, 0, 16 * PAGE_SIZE), OK);
        uint64_t clone = w.value;
        (void)user_wait_count(&w.f, 1, count + 2);
        EXPECT_EQ(CALL(&w, map, w.space, clone, AT + 0x100000, 0, 16 * PAGE_SIZE, RW), OK);
        uint64_t was = load(&w, AT + 0x100000 + 3 * PAGE_SIZE);
        (void)user_wait_count(&w.f, 1, user_count(&w.f, 1) + 2);
        EXPECT_EQ(load(&w, AT + 0x100000 + 3 * PAGE_SIZE), was);
        EXPECT_EQ(CALL(&w, handle_close, clone), OK);
    }
    user_stop(&w.f, 1);
    (void)user_wait_dead(&w.f, 1);
    EXPECT_EQ(w.f.thread[1]->end, THREAD_END_EXIT);
    user_fixture_destroy(&w.f);
}

GUEST_TEST(a_clone_and_its_source_go_apart_when_written)
{
    struct world w;
    REQUIRE(world_init(&w));
    const uint64_t size = 1024 * PAGE_SIZE;
    const uint64_t there = AT + 0x1000000;
    uint64_t memory = create(&w, 1024);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, size, RW), OK);
    store(&w, AT, 1);
    store(&w, AT + 600 * PAGE_SIZE, 2);
    EXPECT_EQ(CALL(&w, memory_clone, memory, w.budget, 0, size), OK);
    uint64_t clone = w.value;
    EXPECT_EQ(CALL(&w, map, w.space, clone, there, 0, size, RW | ACCESS_POPULATE), OK);
    store(&w, AT, 3);
    store(&w, there + 600 * PAGE_SIZE, 4);
    EXPECT_EQ(load(&w, AT), 3);
    EXPECT_EQ(load(&w, there), 1);
    EXPECT_EQ(load(&w, AT + 600 * PAGE_SIZE), 2);
    EXPECT_EQ(load(&w, there + 600 * PAGE_SIZE), 4);
    /* A part, into Memory that exists. */
    uint64_t part = create(&w, 8);
    EXPECT_EQ(CALL(&w, memory_clone, clone, w.budget, 600 * PAGE_SIZE, PAGE_SIZE, part), OK);
    EXPECT_EQ(w.value, part);
    uint64_t reader = copy(&w, part, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP);
    EXPECT_EQ(CALL(&w, memory_clone, clone, w.budget, 0, PAGE_SIZE, reader), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, memory_clone, clone, w.budget, 0, size + PAGE_SIZE, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&w, memory_clone, clone, w.budget, 0, size, 0, size + PAGE_SIZE), ERR_RANGE);
    EXPECT_EQ(CALL(&w, memory_clone, clone, w.space, 0, size), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&w, map, w.space, reader, AT + 0x2000000, 0, PAGE_SIZE, ACCESS_READ), OK);
    EXPECT_EQ(load(&w, AT + 0x2000000), 4);
    EXPECT_EQ(CALL(&w, handle_close, memory), OK);
    EXPECT_EQ(load(&w, there), 1);
    user_fixture_destroy(&w.f);
}

/* What is given away is not used any more: who maps it unmaps it first, or gives a copy. */
GUEST_TEST(mapped_memory_is_copied_but_not_moved)
{
    struct world w;
    static struct cspace table;
    struct work work = { UINT32_MAX };
    uint64_t moved = 0, copied = 0;
    REQUIRE(world_init(&w));
    struct cspace *own = &w.f.process->cspace;
    REQUIRE(cspace_init(&table, w.f.budget, 1) == OK);
    uint64_t memory = create(&w, 4);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, PAGE_SIZE, RW), OK);
    EXPECT_EQ(cspace_move(own, memory, &table, &moved), ERR_STATE);
    EXPECT_EQ(cspace_copy(own, memory, NULL, &table, &copied), OK);
    EXPECT_EQ(CALL(&w, unmap, w.space, AT, PAGE_SIZE), OK);
    EXPECT_EQ(cspace_move(own, memory, &table, &moved), OK);
    EXPECT_EQ(cspace_clear(&table, &work), OK);
    user_fixture_destroy(&w.f);
}

static uint64_t used_capabilities(const struct world *w)
{
    struct object_info_budget info;
    budget_inspect(w->f.budget, &info);
    return info.used[BUDGET_CAPABILITIES];
}

/* The handle of a clone that fails half way has reached nobody. */
GUEST_TEST(a_clone_that_fails_late_leaves_nothing)
{
    enum { PAGES = 3 * 2048, ROOM = 2 * 2048 + 100 };
    struct world w;
    struct budget *poor;
    REQUIRE(world_init(&w));
    uint64_t memory = create(&w, PAGES);
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_COMMIT, 0, PAGES * PAGE_SIZE), OK);
    REQUIRE(budget_create(w.f.budget, &poor) == OK);
    budget_limit(poor, BUDGET_MEMORY, ROOM * PAGE_SIZE);
    uint64_t payer = user_give(&w.f, &poor->object, RIGHT_BUDGET_CHARGE);
    uint64_t before = used_capabilities(&w);
    EXPECT_EQ(CALL(&w, memory_clone, memory, payer, 0, PAGES * PAGE_SIZE), ERR_LIMIT);
    EXPECT_EQ(used_capabilities(&w), before);
    EXPECT(poor->account[BUDGET_MEMORY].used < PAGE_SIZE); /* the object, for a grace period */
    /* What was there before stays, with what has come into it. */
    EXPECT_EQ(CALL(&w, memory_create, payer, PAGES * PAGE_SIZE), OK);
    uint64_t into = w.value;
    EXPECT_EQ(CALL(&w, memory_clone, memory, payer, 0, PAGES * PAGE_SIZE, into), ERR_LIMIT);
    EXPECT_EQ(used_capabilities(&w), before + 1);
    EXPECT(poor->account[BUDGET_MEMORY].used > 2048 * PAGE_SIZE);
    EXPECT_EQ(CALL(&w, memory_clone, memory, payer, 0, 2048 * PAGE_SIZE, into), OK);
    EXPECT_EQ(w.value, into);
    budget_put(poor);
    user_fixture_destroy(&w.f);
}

GUEST_TEST(thousands_of_pages_go_in_one_call)
{
    struct world w;
    REQUIRE(world_init(&w));
    const uint64_t pages = 5000;
    uint64_t memory = create(&w, pages);
    uint64_t empty = used_bytes(&w);
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_COMMIT, 0, pages * PAGE_SIZE), OK);
    EXPECT_EQ(used_bytes(&w), empty + (pages + 10 + 1) * PAGE_SIZE); /* ten leaves, one root */
    EXPECT_EQ(
        CALL(&w, map, w.space, memory, 0x40000000, 0, pages * PAGE_SIZE, RW | ACCESS_POPULATE), OK);
    EXPECT(w.f.vspace->page_count >= 4096);
    EXPECT_STR(run(&w, GUEST_TOUCH, 0x40000000, pages), NULL);
    EXPECT_EQ(load(&w, 0x40000000 + (pages - 1) * PAGE_SIZE), pages - 1);
    EXPECT_EQ(CALL(&w, memory_clone, memory, w.budget, 0, pages * PAGE_SIZE), OK);
    EXPECT_EQ(CALL(&w, handle_close, w.value), OK);
    EXPECT_EQ(CALL(&w, protect, w.space, 0x40000000, pages * PAGE_SIZE, ACCESS_READ), OK);
    EXPECT_EQ(CALL(&w, unmap, w.space, 0x40000000, pages * PAGE_SIZE), OK);
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_DECOMMIT, 0, pages * PAGE_SIZE), OK);
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_DECOMMIT, 0, pages * PAGE_SIZE), OK);
    EXPECT(used_bytes(&w) <= empty + PAGE_SIZE);
    user_fixture_destroy(&w.f);
}

GUEST_TEST(a_hard_limit_is_an_error_and_then_a_fault)
{
    struct world w;
    REQUIRE(world_init(&w));
    uint64_t memory = create(&w, 64);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, 64 * PAGE_SIZE, RW), OK);
    store(&w, AT, 1);
    budget_limit(w.f.budget, BUDGET_MEMORY, used_bytes(&w) + 8 * PAGE_SIZE);
    EXPECT_STR(run(&w, GUEST_TOUCH, AT, 64), "over the budget's limit");
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_COMMIT, 0, 64 * PAGE_SIZE), ERR_LIMIT);
    budget_limit(w.f.budget, BUDGET_MEMORY, BUDGET_UNLIMITED);
    EXPECT_STR(run(&w, GUEST_TOUCH, AT, 64), NULL);
    user_fixture_destroy(&w.f);
}

GUEST_TEST(memory_goes_with_the_budget_that_paid)
{
    struct world w;
    REQUIRE(world_init(&w));
    uint64_t split = user_give(&w.f, &w.f.budget->object, RIGHT_BUDGET_SPLIT);
    EXPECT_EQ(CALL(&w, object_create, split, OBJECT_BUDGET), OK);
    uint64_t child = w.value;
    EXPECT_EQ(CALL(&w, memory_create, child, 700 * PAGE_SIZE), OK);
    uint64_t memory = w.value;
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, 700 * PAGE_SIZE, RW), OK);
    EXPECT_STR(run(&w, GUEST_TOUCH, AT, 700), NULL);
    /* Who pays for the clone has all of it. */
    EXPECT_EQ(CALL(&w, memory_clone, memory, w.budget, 0, 700 * PAGE_SIZE), OK);
    uint64_t clone = w.value;
    REQUIRE(user_run(&w.f, 1, GUEST_LOAD_LOOP, AT, 0));
    (void)user_wait_count(&w.f, 1, 10);
    EXPECT_EQ(CALL(&w, object_destroy, child), OK);
    (void)user_wait_dead(&w.f, 1);
    EXPECT_EQ(w.f.thread[1]->end, THREAD_END_FAULT);
    EXPECT_EQ(CALL(&w, handle_close, memory), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(&w, map, w.space, clone, AT, 0, 700 * PAGE_SIZE, ACCESS_READ), OK);
    EXPECT_EQ(load(&w, AT + 699 * PAGE_SIZE), 699);
    user_fixture_destroy(&w.f);
}

GUEST_TEST(contiguous_memory_is_that)
{
    struct world w;
    paddr_t pa[2];
    unsigned perm;
    REQUIRE(world_init(&w));
    const uint64_t size = 16 * PAGE_SIZE;
    EXPECT_EQ(CALL(&w, memory_create, w.budget, size, MEMORY_FLAGS_CONTIGUOUS, 0x10000, BIT64(32)),
              OK);
    uint64_t memory = w.value;
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, size, RW | ACCESS_POPULATE), OK);
    EXPECT_EQ(vspace_query(w.f.vspace, uaddr(AT), &pa[0], &perm), OK);
    EXPECT_EQ(vspace_query(w.f.vspace, uaddr(AT + 15 * PAGE_SIZE), &pa[1], &perm), OK);
    EXPECT_EQ(pa[1].raw, pa[0].raw + 15 * PAGE_SIZE);
    EXPECT_EQ(pa[0].raw % 0x10000, 0);
    store(&w, AT + PAGE_SIZE, 5);
    EXPECT_EQ(CALL(&w, memory_range, memory, MEMORY_OP_DECOMMIT, 0, size), ERR_UNSUPPORTED);
    EXPECT_EQ(CALL(&w, memory_clone, memory, w.budget, 0, size), OK);
    uint64_t clone = w.value;
    EXPECT_EQ(CALL(&w, unmap, w.space, AT, size), OK);
    EXPECT_EQ(CALL(&w, map, w.space, clone, AT, 0, size, ACCESS_READ), OK);
    EXPECT_EQ(load(&w, AT + PAGE_SIZE), 5);
    EXPECT_EQ(CALL(&w, memory_create, w.budget, size, MEMORY_FLAGS_CONTIGUOUS, 3, BIT64(32)),
              ERR_INVALID);
    EXPECT_EQ(
        CALL(&w, memory_create, w.budget, 8 << 20, MEMORY_FLAGS_CONTIGUOUS, PAGE_SIZE, UINT64_MAX),
        ERR_RANGE);
    EXPECT_EQ(CALL(&w, memory_create, w.budget, 0), ERR_RANGE);
    EXPECT_EQ(CALL(&w, memory_create, w.budget, ~PAGE_MASK), ERR_RANGE);
    user_fixture_destroy(&w.f);
}

/* Registers that no machine has, at the far end of physical memory; nobody touches them. */
GUEST_TEST(device_registers_are_mapped_by_their_capability)
{
    struct world w;
    paddr_t pa;
    unsigned perm;
    REQUIRE(world_init(&w));
    uint32_t all = RIGHT_DEVICE_READ | RIGHT_DEVICE_WRITE | RIGHT_DEVICE_MAP | RIGHT_ANY_REVOKE |
                   RIGHT_ANY_GRANT;
    uint64_t root = user_give(&w.f, &device_memory.object, all);
    EXPECT_EQ(CALL(&w, object_split, root, 0x7fffff0000, 0x4000), OK);
    uint64_t part = w.value;
    EXPECT_EQ(CALL(&w, map, w.space, root, AT,
                   frame_paddr(frame_of(paddr_of_direct(w.f.command))).raw, PAGE_SIZE, ACCESS_READ),
              ERR_ACCESS); /* RAM */
    EXPECT_EQ(CALL(&w, map, w.space, part, AT, 0x3000, 0x2000, RW), ERR_RANGE);
    EXPECT_EQ(CALL(&w, map, w.space, part, AT, 0x1000, 0x2000, ACCESS_EXECUTE), ERR_ACCESS);
    EXPECT_EQ(CALL(&w, map, w.space, part, AT, 0x1000, 0x2000, RW), OK);
    EXPECT_EQ(vspace_fault(w.f.vspace, uaddr(AT + PAGE_SIZE), PERM_WRITE), OK);
    EXPECT_EQ(vspace_query(w.f.vspace, uaddr(AT + PAGE_SIZE), &pa, &perm), OK);
    EXPECT_EQ(pa.raw, 0x7fffff2000);
    EXPECT_EQ(perm, PERM_READ | PERM_WRITE | PERM_DEVICE);
    EXPECT_EQ(CALL(&w, handle_revoke, root), OK);
    EXPECT_EQ(vspace_query(w.f.vspace, uaddr(AT + PAGE_SIZE), &pa, &perm), ERR_NOT_FOUND);
    EXPECT_EQ(vspace_fault(w.f.vspace, uaddr(AT + PAGE_SIZE), PERM_WRITE), ERR_FAULT);
    user_fixture_destroy(&w.f);
}

/* Pages that threads on all CPUs write to while the space is cloned, again and again. */
GUEST_TEST(a_space_is_cloned_while_its_threads_run)
{
    struct world w;
    struct vspace *to;
    REQUIRE(world_init(&w));
    uint64_t memory = create(&w, 1500);
    uint64_t shared = create(&w, 4);
    EXPECT_EQ(CALL(&w, map, w.space, memory, AT, 0, 1500 * PAGE_SIZE, RW), OK);
    EXPECT_EQ(CALL(&w, map, w.space, shared, AT + 0x1000000, 0, 4 * PAGE_SIZE, RW | ACCESS_SHARED),
              OK);
    EXPECT_STR(run(&w, GUEST_TOUCH, AT, 1500), NULL);
    store(&w, AT + 0x1000000, 77);
    REQUIRE(user_run(&w.f, 1, GUEST_STORE_LOOP, AT + 900 * PAGE_SIZE, 0));
    for (unsigned round = 0; round < 10; round++) {
        uint64_t at = USER_START;
        struct work work = { WORK_SLICE };
        paddr_t pa;
        unsigned perm;
        enum status status;
        REQUIRE(vspace_create(w.f.budget, &to) == OK);
        while ((status = vspace_clone(w.f.vspace, to, w.f.budget, &at, USER_END, &work)) ==
               ERR_WOULD_BLOCK)
            work.left = WORK_SLICE;
        EXPECT_EQ(status, OK);
        EXPECT_EQ(vspace_fault(to, uaddr(AT + 900 * PAGE_SIZE), PERM_READ), OK);
        EXPECT_EQ(vspace_query(to, uaddr(AT + 900 * PAGE_SIZE), &pa, &perm), OK);
        uint64_t was = *(uint64_t *)paddr_to_kernel(pa);
        (void)user_wait_count(&w.f, 1, user_count(&w.f, 1) + 3);
        EXPECT_EQ(*(uint64_t *)paddr_to_kernel(pa), was);
        EXPECT_EQ(vspace_fault(to, uaddr(AT + 0x1000000), PERM_WRITE), OK);
        EXPECT_EQ(vspace_query(to, uaddr(AT + 0x1000000), &pa, &perm), OK);
        EXPECT_EQ(*(uint64_t *)paddr_to_kernel(pa), 77);
        vspace_put(to);
    }
    user_fixture_destroy(&w.f);
}

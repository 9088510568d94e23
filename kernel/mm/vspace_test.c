/* Address spaces and Memory: what is refused, what a failure leaves behind, blocks, code. */
#include <arch/simulation.h>
#include <base/string.h>
#include <kernel/budget.h>
#include <kernel/cspace.h>
#include <kernel/frame.h>
#include <kernel/memory.h>
#include <kernel/slab.h>
#include <kernel/test.h>
#include <kernel/vspace.h>

enum { BLOCK_PAGES = 512, PAGES = 3 * BLOCK_PAGES };
#define START (BIT64(39) + BIT64(30))
#define RW    (PERM_READ | PERM_WRITE)

static struct world {
    struct budget *budget;
    struct vspace *vspace;
    struct memory *memory;
} w;

static uaddr_t page_at(size_t index)
{
    return uaddr(START + index * PAGE_SIZE);
}

static bool world_init(void)
{
    return budget_create(NULL, &w.budget) == OK && vspace_create(w.budget, &w.vspace) == OK &&
           memory_create(w.budget, PAGES * PAGE_SIZE, &w.memory) == OK;
}

/* Nothing is lost: the budget pays for nothing any more. */
static void world_fini(void)
{
    vspace_put(w.vspace);
    memory_put(w.memory);
    EXPECT_EQ(w.budget->account[BUDGET_MEMORY].used, 0);
    budget_put(w.budget);
}

static enum status map(size_t place, size_t first, size_t count, unsigned perm)
{
    return vspace_map(w.vspace, &(struct map_request){ .memory = w.memory,
                                                       .at = page_at(place),
                                                       .size_bytes = count * PAGE_SIZE,
                                                       .offset = first * PAGE_SIZE,
                                                       .perm = perm,
                                                       .limit = perm,
                                                       .flags = MAP_POPULATE });
}

static enum status commit(struct memory *memory, uint64_t first, uint64_t end)
{
    struct work work = { UINT32_MAX };

    return memory_commit(memory, &first, end, &work);
}

TEST(places_and_rights_that_make_no_sense_are_refused)
{
    static const struct {
        uint64_t at;
        uint64_t size_bytes;
    } bad[] = {
        { 0, PAGE_SIZE },                        /* the null page */
        { PAGE_SIZE + 1, PAGE_SIZE },            /* unaligned */
        { PAGE_SIZE, PAGE_SIZE + 8 },            /* unaligned size */
        { PAGE_SIZE, 0 },                        /* nothing */
        { USER_END, PAGE_SIZE },                 /* the last page */
        { USER_END - PAGE_SIZE, 2 * PAGE_SIZE }, /* across the end */
        { PAGE_SIZE, ~PAGE_MASK },               /* a sum that wraps */
        { ~PAGE_MASK, PAGE_SIZE },               /* the kernel's half */
        { BIT64(63), PAGE_SIZE },
    };
    static const unsigned perm[] = { RW | PERM_EXECUTE, RW | PERM_GLOBAL, 1u << 20 };
    paddr_t pa;
    unsigned found;

    REQUIRE(world_init());
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uaddr_t at = uaddr(bad[i].at);
        EXPECT_EQ(vspace_reserve(w.vspace, at, bad[i].size_bytes, RW), ERR_RANGE);
        EXPECT_EQ(vspace_unmap(w.vspace, at, bad[i].size_bytes), ERR_RANGE);
        EXPECT_EQ(vspace_protect(w.vspace, at, bad[i].size_bytes, RW), ERR_RANGE);
    }
    for (size_t i = 0; i < ARRAY_LEN(perm); i++) {
        EXPECT_EQ(map(0, 0, 1, perm[i]), ERR_RANGE);
        EXPECT_EQ(vspace_reserve(w.vspace, page_at(0), PAGE_SIZE, perm[i]), ERR_RANGE);
        EXPECT_EQ(vspace_protect(w.vspace, page_at(0), PAGE_SIZE, perm[i]), ERR_RANGE);
    }
    EXPECT_EQ(map(0, PAGES, 1, RW), ERR_RANGE);
    EXPECT_EQ(map(0, 1, PAGES, RW), ERR_RANGE);
    EXPECT_EQ(map(0, SIZE_MAX >> PAGE_SHIFT, 2, RW), ERR_RANGE);
    EXPECT_EQ(vspace_query(w.vspace, uaddr(BIT64(63)), &pa, &found), ERR_RANGE);
    EXPECT_EQ(vspace_fault(w.vspace, uaddr(BIT64(63)), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(w.vspace, uaddr(USER_END), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(w.vspace, uaddr(0), PERM_READ), ERR_FAULT);
    EXPECT_EQ(w.vspace->table_count, 1);
    world_fini();
}

TEST(a_mapping_may_allow_nothing_and_keeps_its_pages)
{
    paddr_t before;
    paddr_t after;
    unsigned found;

    REQUIRE(world_init());
    EXPECT_EQ(map(0, 0, 3, RW), OK);
    EXPECT_EQ(map(4, 4, 1, 0), OK);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(4), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(1), PERM_WRITE), OK);
    EXPECT_EQ(vspace_query(w.vspace, page_at(1), &before, &found), OK);
    EXPECT_EQ(vspace_protect(w.vspace, page_at(1), PAGE_SIZE, 0), OK);
    EXPECT_EQ(vspace_query(w.vspace, page_at(1), &after, &found), ERR_NOT_FOUND);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(1), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(2), PERM_WRITE), OK);
    EXPECT_EQ(vspace_protect(w.vspace, page_at(1), PAGE_SIZE, PERM_READ), OK);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(1), PERM_READ), OK);
    EXPECT_EQ(vspace_query(w.vspace, page_at(1), &after, &found), OK);
    EXPECT_EQ(after.raw, before.raw);
    world_fini();
}

TEST(protecting_passes_over_holes)
{
    REQUIRE(world_init());
    EXPECT_EQ(map(1, 0, 1, RW), OK);
    EXPECT_EQ(map(3, 1, 1, RW), OK);
    EXPECT_EQ(vspace_protect(w.vspace, page_at(0), 5 * PAGE_SIZE, PERM_READ), OK);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(1), PERM_WRITE), ERR_FAULT);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(3), PERM_WRITE), ERR_FAULT);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(3), PERM_READ), OK);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(2), PERM_READ), ERR_FAULT);
    world_fini();
}

TEST(the_last_page_of_the_user_half_can_be_used)
{
    uaddr_t last = uaddr(USER_END - PAGE_SIZE);

    REQUIRE(world_init());
    EXPECT_EQ(vspace_reserve(w.vspace, last, PAGE_SIZE, RW), OK);
    EXPECT_EQ(vspace_fault(w.vspace, last, PERM_WRITE), OK);
    EXPECT_EQ(vspace_protect(w.vspace, last, PAGE_SIZE, PERM_READ), OK);
    EXPECT_EQ(vspace_fault(w.vspace, last, PERM_WRITE), ERR_FAULT);
    EXPECT_EQ(vspace_unmap(w.vspace, last, PAGE_SIZE), OK);
    EXPECT_EQ(vspace_reserve(w.vspace, uaddr(USER_START), USER_END - USER_START, RW), OK);
    EXPECT_EQ(vspace_fault(w.vspace, last, PERM_WRITE), OK);
    EXPECT_EQ(vspace_unmap(w.vspace, uaddr(USER_START), USER_END - USER_START), OK);
    EXPECT_EQ(w.vspace->table_count, 1);
    world_fini();
}

TEST(frames_are_not_mapped_as_physical_memory)
{
    paddr_t pa;
    unsigned perm;

    REQUIRE(world_init());
    EXPECT_EQ(memory_page_address(w.memory, 0, true, &pa), OK);
    EXPECT_EQ(vspace_map_physical(w.vspace, page_at(0), pa, 1, RW), ERR_INVALID);
    EXPECT_EQ(vspace_map_physical(w.vspace, page_at(0), paddr(BIT64(47) + 1), 1, RW), ERR_RANGE);
    EXPECT_EQ(vspace_map_physical(w.vspace, page_at(0), paddr(BIT64(48)), 1, RW), ERR_RANGE);
    uint64_t free = frame_stats().free;
    EXPECT_EQ(vspace_map_physical(w.vspace, page_at(0), paddr(BIT64(46)), 3, RW | PERM_DEVICE), OK);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(2), PERM_WRITE), OK);
    EXPECT_EQ(vspace_query(w.vspace, page_at(2), &pa, &perm), OK);
    EXPECT_EQ(pa.raw, BIT64(46) + 2 * PAGE_SIZE);
    EXPECT_EQ(perm, RW | PERM_DEVICE);
    EXPECT_EQ(vspace_unmap(w.vspace, page_at(0), 3 * PAGE_SIZE), OK);
    slab_drain_all();
    EXPECT(frame_stats().free >= free);
    world_fini();
}

/* A block is one entry until somebody needs a part of it. */
TEST(aligned_memory_is_mapped_in_blocks)
{
    REQUIRE(world_init());
    EXPECT_EQ(commit(w.memory, 0, PAGES), OK);
    EXPECT_EQ(map(0, 0, PAGES, RW), OK);
    EXPECT_EQ(w.vspace->table_count, 3); /* none for pages */
    EXPECT_EQ(w.vspace->page_count, PAGES);
    EXPECT_EQ(vspace_protect(w.vspace, page_at(0), BLOCK_PAGES * PAGE_SIZE, PERM_READ), OK);
    EXPECT_EQ(w.vspace->table_count, 3);
    EXPECT_EQ(vspace_unmap(w.vspace, page_at(BLOCK_PAGES + 7), PAGE_SIZE), OK);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(BLOCK_PAGES + 7), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(BLOCK_PAGES + 8), PERM_WRITE), OK);
    EXPECT_EQ(w.vspace->table_count, 4);
    EXPECT_EQ(vspace_unmap(w.vspace, page_at(0), BLOCK_PAGES * PAGE_SIZE), OK);
    EXPECT_EQ(vspace_unmap(w.vspace, page_at((size_t)2 * BLOCK_PAGES), BLOCK_PAGES * PAGE_SIZE),
              OK);
    /* By a fault too. */
    EXPECT_EQ(map(0, 0, BLOCK_PAGES, PERM_READ), OK);
    EXPECT_EQ(vspace_unmap(w.vspace, page_at(0), BLOCK_PAGES * PAGE_SIZE), OK);
    EXPECT_EQ(vspace_map(w.vspace, &(struct map_request){ .memory = w.memory,
                                                          .at = page_at(0),
                                                          .size_bytes = BLOCK_PAGES * PAGE_SIZE,
                                                          .perm = RW,
                                                          .limit = RW }),
              OK);
    uint64_t pages = w.vspace->page_count;
    EXPECT_EQ(vspace_fault(w.vspace, page_at(5), PERM_WRITE), OK);
    EXPECT_EQ(w.vspace->page_count, pages + BLOCK_PAGES);
    world_fini();
}

/* Frames may have held another program's code, and instruction caches know nothing of the zeroes.
 */
HOST_TEST(memory_that_becomes_code_is_synchronised)
{
    uint64_t block = BLOCK_PAGES * PAGE_SIZE;
    uaddr_t code = uaddr(BIT64(31));
    uint8_t byte = 1;

    REQUIRE(world_init());
    EXPECT_EQ(commit(w.memory, 0, BLOCK_PAGES), OK);
    EXPECT_EQ(vspace_map(w.vspace, &(struct map_request){ .memory = w.memory,
                                                          .at = page_at(0),
                                                          .size_bytes = block,
                                                          .perm = RW,
                                                          .limit = RW | PERM_EXECUTE,
                                                          .flags = MAP_POPULATE }),
              OK);
    EXPECT_EQ(vspace_reserve(w.vspace, code, 2 * PAGE_SIZE, PERM_READ | PERM_EXECUTE), OK);
    uint64_t before = simulation_synced_bytes();
    EXPECT(simulation_user_access(w.vspace, code, PERM_READ, &byte));
    EXPECT_EQ(simulation_synced_bytes() - before, PAGE_SIZE);
    EXPECT_EQ(vspace_protect(w.vspace, page_at(0), block, PERM_READ | PERM_EXECUTE), OK);
    EXPECT_EQ(simulation_synced_bytes() - before, PAGE_SIZE + block);
    EXPECT_EQ(vspace_protect(w.vspace, page_at(0), block, PERM_READ | PERM_EXECUTE), OK);
    EXPECT_EQ(simulation_synced_bytes() - before, PAGE_SIZE + block); /* it is already */
    world_fini();
}

/* ---- Out of memory, or of budget, at every step ---- */

typedef enum status operation(void);

static enum status map_some(void)
{
    return map(4, 4, 8, RW);
}

static enum status protect_within(void)
{
    return vspace_protect(w.vspace, page_at(6), 2 * PAGE_SIZE, PERM_READ);
}

static enum status unmap_within(void)
{
    return vspace_unmap(w.vspace, page_at(9), PAGE_SIZE);
}

static enum status fault_some(void)
{
    return vspace_fault(w.vspace, page_at(4), PERM_WRITE);
}

static enum status reserve_some(void)
{
    return vspace_reserve(w.vspace, page_at(100), 4 * PAGE_SIZE, RW);
}

static enum status commit_pages(void)
{
    return commit(w.memory, 3, 6);
}

static enum status write_shared(void)
{
    return vspace_fault(w.vspace, page_at(5), PERM_WRITE);
}

static enum status decommit_shared(void)
{
    struct work work = { UINT32_MAX };
    uint64_t page = 5;

    return memory_decommit(w.memory, &page, 6, &work);
}

static enum status share_some(void)
{
    struct work work = { UINT32_MAX };
    struct memory *clone;
    uint64_t page = 3;
    enum status status = memory_create(w.budget, 8 * PAGE_SIZE, &clone);

    if (status != OK)
        return status;
    status = memory_share(w.memory, &page, 6, clone, -2, &work);
    memory_put(clone);
    return status;
}

static enum status clone_space(void)
{
    struct work work = { UINT32_MAX };
    struct vspace *to;
    uint64_t at = START;
    enum status status = vspace_create(w.budget, &to);

    if (status != OK)
        return status;
    status = vspace_clone(w.vspace, to, w.budget, &at, START + PAGES * PAGE_SIZE, &work);
    if (status == OK)
        status = vspace_fault(to, page_at(5), PERM_WRITE);
    vspace_put(to);
    return status;
}

static void fail_by_limit(uint64_t nth)
{
    struct budget_account *account = &w.budget->account[BUDGET_MEMORY];

    budget_limit(w.budget, BUDGET_MEMORY,
                 nth == 0 ? BUDGET_UNLIMITED : account->used + (nth - 1) * 512);
}

/* Let the n-th allocation fail for n = 1, 2, 3... until the operation succeeds: each time it says
 * so, and what it was doing can be done again.
 */
static unsigned fail_until_it_works(operation *run, void (*fail)(uint64_t nth),
                                    enum status expected)
{
    for (unsigned n = 1; n < 200; n++) {
        fail(n);
        enum status status = run();
        fail(0);
        if (status == OK)
            return n - 1;
        EXPECT_EQ(status, expected);
    }
    test_fail(__FILE__, __LINE__, "never worked");
    return 0;
}

/* In this order: each builds on those before. `least`: of frames, of slabs, by the budget. */
static const struct {
    operation *run;
    unsigned least[3];
} steps[] = {
    { map_some, { 0, 1, 1 } },       { fault_some, { 4, 0, 4 } },
    { protect_within, { 0, 2, 1 } }, { unmap_within, { 0, 1, 0 } },
    { reserve_some, { 0, 2, 1 } },   { commit_pages, { 1, 0, 1 } },
    { share_some, { 1, 1, 1 } },     { clone_space, { 3, 3, 3 } },
    { write_shared, { 0, 0, 0 } },   { decommit_shared, { 0, 0, 0 } },
};

static void run_steps(void (*fail)(uint64_t nth), enum status expected, unsigned way)
{
    REQUIRE(world_init());
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        unsigned failed = fail_until_it_works(steps[i].run, fail, expected);
        if (failed < steps[i].least[way]) {
            test_note("step %zu failed %u times", i, failed);
            test_fail(__FILE__, __LINE__, "it allocates");
        }
    }
    world_fini();
}

TEST(what_runs_out_of_memory_says_so_and_loses_nothing)
{
    slab_drain_all();
    run_steps(frame_fail_after, ERR_NO_MEMORY, 0);
    run_steps(slab_fail_after, ERR_NO_MEMORY, 1);
    run_steps(fail_by_limit, ERR_LIMIT, 2);
    slab_drain_all();
    frame_check();
}

/* A leaf that clones share is copied by whoever writes, and that may fail too. */
TEST(a_write_to_shared_pages_may_fail_and_be_repeated)
{
    struct work work = { UINT32_MAX };
    struct memory *clone;
    uint64_t page = 0;
    paddr_t pa;

    REQUIRE(world_init());
    EXPECT_EQ(map_some(), OK);
    EXPECT_EQ(commit(w.memory, 0, PAGES), OK);
    REQUIRE(memory_create(w.budget, PAGES * PAGE_SIZE, &clone) == OK);
    uint64_t used = w.budget->account[BUDGET_MEMORY].used;
    EXPECT_EQ(memory_share(w.memory, &page, PAGES, clone, 0, &work), OK);
    /* Leaves are shared: the clone has cost a root. */
    EXPECT_EQ(w.budget->account[BUDGET_MEMORY].used, used + PAGE_SIZE);
    EXPECT_EQ(fail_until_it_works(write_shared, frame_fail_after, ERR_NO_MEMORY), 3);
    EXPECT_EQ(memory_page_address(clone, 5, true, &pa), OK);
    EXPECT_EQ(fail_until_it_works(decommit_shared, frame_fail_after, ERR_NO_MEMORY), 0);
    memory_put(clone);
    world_fini();
}

TEST(pinned_pages_stay)
{
    struct work work = { UINT32_MAX };
    struct memory *clone;
    uint64_t page = 0;
    paddr_t pa[2];

    REQUIRE(world_init());
    REQUIRE(memory_create(w.budget, PAGES * PAGE_SIZE, &clone) == OK);
    EXPECT_EQ(memory_pin(w.memory, 1, PAGES), ERR_RANGE);
    EXPECT_EQ(memory_pin(w.memory, 1, 3), OK);
    EXPECT_EQ(memory_page_address(w.memory, 2, false, &pa[0]), OK);
    EXPECT_EQ(memory_decommit(w.memory, &page, PAGES, &work), ERR_BUSY);
    EXPECT_EQ(memory_share(w.memory, &page, PAGES, clone, 0, &work), ERR_BUSY);
    EXPECT_EQ(memory_page_address(w.memory, 2, true, &pa[1]), OK);
    EXPECT_EQ(pa[0].raw, pa[1].raw);
    memory_unpin(w.memory);
    EXPECT_EQ(memory_share(w.memory, &page, PAGES, clone, 0, &work), OK);
    /* What is shared is copied first, so that the device and the owner see the same. */
    EXPECT_EQ(memory_pin(w.memory, 2, 1), OK);
    EXPECT_EQ(memory_page_address(w.memory, 2, true, &pa[0]), OK);
    EXPECT_EQ(memory_page_address(clone, 2, false, &pa[1]), OK);
    EXPECT(pa[0].raw != pa[1].raw);
    memory_unpin(w.memory);
    memory_put(clone);
    world_fini();
}

/* Pages that only the Memory knows of are freed with it, and that takes as long. */
TEST(what_a_clone_has_not_touched_is_unmapped_in_slices)
{
    enum { BLOCKS = 32 };
    struct work work = { UINT32_MAX };
    struct vspace *child;
    uint64_t size_bytes = (uint64_t)BLOCKS * BLOCK_PAGES * PAGE_SIZE;
    uint64_t at = START;
    unsigned slices = 0;

    REQUIRE(world_init());
    EXPECT_EQ(vspace_reserve(w.vspace, page_at(0), size_bytes, RW), OK);
    for (size_t i = 0; i < BLOCKS; i++)
        EXPECT_EQ(vspace_fault(w.vspace, page_at(i * BLOCK_PAGES), PERM_WRITE), OK);
    REQUIRE(vspace_create(w.budget, &child) == OK);
    EXPECT_EQ(vspace_clone(w.vspace, child, w.budget, &at, START + size_bytes, &work), OK);
    EXPECT_EQ(vspace_unmap(w.vspace, page_at(0), size_bytes), OK);
    EXPECT_EQ(child->page_count, 0);
    at = START;
    do {
        work.left = 1;
        slices++;
    } while (vspace_unmap_slice(child, &at, START + size_bytes, &work) == ERR_WOULD_BLOCK);
    EXPECT_EQ(slices, BLOCKS / 8);
    vspace_put(child);
    world_fini();
}

/* Or copies of a mapping might be made as fast as a revocation removes them. */
TEST(a_mapping_whose_capability_goes_is_not_cloned)
{
    struct capability capability = { .state = CAPABILITY_LIVE };
    struct vspace *child;

    REQUIRE(world_init());
    list_init(&capability.uses);
    REQUIRE(vspace_create(w.budget, &child) == OK);
    EXPECT_EQ(vspace_map(w.vspace, &(struct map_request){ .memory = w.memory,
                                                          .capability = &capability,
                                                          .at = page_at(0),
                                                          .size_bytes = PAGE_SIZE,
                                                          .perm = PERM_READ,
                                                          .limit = PERM_READ,
                                                          .flags = MAP_SHARED }),
              OK);
    for (unsigned copies = 1; copies <= 2; copies++) {
        struct work work = { WORK_SLICE };
        uint64_t at = START;
        EXPECT_EQ(vspace_clone(w.vspace, child, w.budget, &at, START + PAGE_SIZE, &work), OK);
        EXPECT_EQ(w.memory->mapping_count, copies == 1 ? 2 : 1);
        capability.state = CAPABILITY_DYING;
        EXPECT_EQ(vspace_unmap(child, page_at(0), PAGE_SIZE), OK);
    }
    EXPECT_EQ(vspace_unmap(w.vspace, page_at(0), PAGE_SIZE), OK);
    EXPECT(list_empty(&capability.uses));
    vspace_put(child);
    world_fini();
}

/* Each change of a page visits every mapping of it. */
TEST(pages_that_may_change_are_mapped_so_often)
{
    struct work work = { UINT32_MAX };
    uint64_t page = 0;
    size_t place = 0;

    REQUIRE(world_init());
    for (; place < MEMORY_OVERLAP_MAX; place++)
        EXPECT_EQ(map(place, place % 2, 1, place == 0 ? RW : PERM_READ), OK);
    /* Of two pages there are half as many mappings each. */
    EXPECT_EQ(map(place++, 0, 1, RW), OK);
    for (; place < 2 * MEMORY_OVERLAP_MAX - 1; place++)
        EXPECT_EQ(map(place, 0, 1, PERM_READ), place < 3 * MEMORY_OVERLAP_MAX / 2 ? OK : ERR_LIMIT);
    EXPECT_EQ(map(place, 1, 1, PERM_READ), OK);
    EXPECT_EQ(memory_decommit(w.memory, &page, PAGES, &work), OK);
    world_fini();
}

/* What nobody writes to never has to be taken out of page tables. */
TEST(what_is_mapped_for_reading_only_may_be_so_without_bound)
{
    struct work work = { UINT32_MAX };
    struct memory *clone;
    uint64_t page = 0;
    const size_t places_max = (size_t)2 * MEMORY_OVERLAP_MAX;

    REQUIRE(world_init());
    REQUIRE(memory_create(w.budget, PAGES * PAGE_SIZE, &clone) == OK);
    for (size_t place = 0; place < places_max; place++)
        EXPECT_EQ(map(place, 0, 1, PERM_READ), OK);
    EXPECT_EQ(map(places_max, 0, 1, RW), ERR_LIMIT);
    EXPECT_EQ(memory_decommit(w.memory, &page, PAGES, &work), ERR_BUSY);
    EXPECT_EQ(memory_pin(w.memory, 0, 1), ERR_BUSY);
    EXPECT_EQ(memory_write(w.memory, 0, "", 1), ERR_BUSY);
    EXPECT_EQ(vspace_fault(w.vspace, page_at(9), PERM_READ), OK);
    EXPECT_EQ(memory_share(w.memory, &page, PAGES, clone, 0, &work), OK);
    EXPECT_EQ(vspace_unmap(w.vspace, page_at(0), places_max * PAGE_SIZE), OK);
    EXPECT_EQ(memory_write(w.memory, 0, "", 1), OK);
    memory_put(clone);
    world_fini();
}

/* Neither a mapping of something else nor a shorter one is a copy. */
TEST(a_clone_says_where_something_is_in_its_way)
{
    struct vspace *child;

    for (unsigned way = 0; way < 3; way++) {
        struct work work = { UINT32_MAX };
        struct map_request request = { .memory = w.memory,
                                       .at = page_at(0),
                                       .size_bytes = 4 * PAGE_SIZE,
                                       .perm = PERM_READ,
                                       .limit = PERM_READ,
                                       .flags = MAP_SHARED };
        uint64_t at = START;
        REQUIRE(world_init());
        request.memory = w.memory;
        EXPECT_EQ(vspace_map(w.vspace, &request), OK);
        REQUIRE(vspace_create(w.budget, &child) == OK);
        request.offset = way == 0 ? PAGE_SIZE : 0;
        request.size_bytes = way == 1 ? PAGE_SIZE : 4 * PAGE_SIZE;
        EXPECT_EQ(vspace_map(child, &request), OK);
        EXPECT_EQ(vspace_clone(w.vspace, child, w.budget, &at, START + 4 * PAGE_SIZE, &work),
                  way == 2 ? OK : ERR_EXISTS);
        vspace_put(child);
        world_fini();
    }
}

/* What was pinned or mapped to the last is freed after a grace period, from an interrupt. */
TEST(the_last_pages_go_in_slices)
{
    enum { BLOCKS = 32 };
    struct memory *large;
    unsigned slices = 0;
    paddr_t pa;

    REQUIRE(world_init());
    REQUIRE(memory_create(w.budget, (uint64_t)BLOCKS * BLOCK_PAGES * PAGE_SIZE, &large) == OK);
    for (uint64_t i = 0; i < BLOCKS; i++)
        EXPECT_EQ(memory_page_address(large, i * BLOCK_PAGES, true, &pa), OK);
    enum status status = ERR_WOULD_BLOCK;
    for (; status == ERR_WOULD_BLOCK; slices++)
        status = large->object.ops->drain(&large->object, &(struct work){ 1 });
    EXPECT_EQ(status, OK);
    EXPECT_EQ(slices, BLOCKS / 8);
    EXPECT_EQ(memory_inspect(large).resident_pages, 0);
    memory_put(large);
    world_fini();
}

TEST(what_is_closed_takes_no_mappings)
{
    struct work work = { UINT32_MAX };

    REQUIRE(world_init());
    EXPECT_EQ(map(0, 0, 1, RW), OK);
    EXPECT_EQ(vspace_close(w.vspace, &work), OK);
    EXPECT_EQ(w.memory->mapping_count, 0);
    EXPECT_EQ(map(0, 0, 1, RW), ERR_DEAD);
    EXPECT_EQ(vspace_reserve(w.vspace, page_at(0), PAGE_SIZE, RW), ERR_DEAD);
    world_fini();
}

/* A chain of clones is no chain: each level costs the same. */
TEST(clones_of_clones_are_as_near_as_the_first)
{
    enum { DEPTH = 100 };
    static struct memory *chain[DEPTH];
    struct work work = { UINT32_MAX };
    uint32_t word = 42;
    paddr_t pa;

    REQUIRE(world_init());
    EXPECT_EQ(memory_write(w.memory, 8, &word, sizeof(word)), OK);
    for (size_t i = 0; i < DEPTH; i++) {
        uint64_t page = 0;
        REQUIRE(memory_create(w.budget, PAGES * PAGE_SIZE, &chain[i]) == OK);
        struct memory *source = i == 0 ? w.memory : chain[i - 1];
        EXPECT_EQ(memory_share(source, &page, PAGES, chain[i], 0, &work), OK);
    }
    word = 43;
    EXPECT_EQ(memory_write(chain[50], 8, &word, sizeof(word)), OK);
    for (size_t i = 0; i < DEPTH; i++) {
        EXPECT_EQ(memory_page_address(chain[i], 0, false, &pa), OK);
        EXPECT_EQ(((uint32_t *)paddr_to_kernel(pa))[2], i == 50 ? 43 : 42);
    }
    for (size_t i = 0; i < DEPTH; i += 2)
        memory_put(chain[i]);
    EXPECT_EQ(memory_write(chain[1], 8, &word, sizeof(word)), OK);
    for (size_t i = 1; i < DEPTH; i += 2)
        memory_put(chain[i]);
    world_fini();
}

/* Most of an address space is empty: what is there lies as far apart as it can. */
TEST(the_few_pages_of_a_large_memory_are_found)
{
    static const uint64_t there[] = { 5, 511, 512, BIT64(18) - 1, BIT64(27) + 7, BIT64(35) - 1 };
    struct work work = { UINT32_MAX };
    struct memory *large;
    uint64_t page = 6;

    REQUIRE(world_init());
    REQUIRE(memory_create(w.budget, PAGE_SIZE << 35, &large) == OK);
    for (size_t i = 0; i < ARRAY_LEN(there); i++)
        EXPECT_EQ(commit(large, there[i], there[i] + 1), OK);
    EXPECT_EQ(memory_inspect(large).resident_pages, ARRAY_LEN(there));
    EXPECT_EQ(memory_decommit(large, &page, BIT64(35) - 1, &work), OK);
    EXPECT_EQ(memory_inspect(large).resident_pages, 2);
    page = BIT64(27);
    EXPECT_EQ(memory_decommit(large, &page, BIT64(35), &work), OK);
    EXPECT_EQ(memory_inspect(large).resident_pages, 1);
    memory_put(large);
    world_fini();
}

/* A clone of a part of a leaf has these pages alone, also where its leaves are cut elsewhere; what
 * cannot be paid for is not there. */
TEST(a_part_of_a_leaf_is_shared_page_by_page)
{
    enum { FIRST = 100, COUNT = 700, TO = 300 };
    struct work work = { UINT32_MAX };
    struct memory *clone;
    struct budget *poor;
    uint64_t page = FIRST;

    REQUIRE(world_init());
    EXPECT_EQ(commit(w.memory, FIRST - 1, FIRST + 1), OK);
    EXPECT_EQ(commit(w.memory, FIRST + COUNT - 3, FIRST + COUNT + 1), OK);
    REQUIRE(budget_create(w.budget, &poor) == OK);
    REQUIRE(memory_create(poor, PAGES * PAGE_SIZE, &clone) == OK);
    uint64_t before = poor->account[BUDGET_MEMORY].used;
    budget_limit(poor, BUDGET_MEMORY, before + 4 * PAGE_SIZE);
    EXPECT_EQ(memory_share(w.memory, &page, FIRST + COUNT, clone, TO - FIRST, &work), ERR_LIMIT);
    EXPECT_EQ(memory_inspect(clone).resident_pages, 1);
    budget_limit(poor, BUDGET_MEMORY, UINT64_MAX);
    EXPECT_EQ(memory_share(w.memory, &page, FIRST + COUNT, clone, TO - FIRST, &work), OK);
    EXPECT_EQ(memory_inspect(clone).resident_pages, 4);
    page = FIRST;
    EXPECT_EQ(memory_share(w.memory, &page, FIRST + COUNT, clone, TO - FIRST, &work), OK);
    EXPECT_EQ(memory_inspect(clone).resident_pages, 4);
    memory_put(clone);
    budget_put(poor);
    world_fini();
}

/* Pages of 2 MiB, and runs of pages that go into page tables at once: where they may lead, and what
 * may be written through them.
 */
#include "memory_impl.h"
#include "vspace_impl.h"
#include <arch/simulation.h>
#include <kernel/frame.h>
#include <kernel/test.h>

enum { BLOCK_PAGES = 512 };

#define AT       ((uint64_t)BIT64(30))
#define BLOCK    ((uint64_t)BLOCK_PAGES * PAGE_SIZE)
#define RW       (PERM_READ | PERM_WRITE)
#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)

static struct vspace *space;
static struct memory *memory; /* one block */

static bool ready(void)
{
    struct work work = { UINT32_MAX };
    uint64_t page = 0;

    if (vspace_create(NULL, &space) == OK && memory_create(NULL, 2 * BLOCK, &memory) == OK &&
        memory_commit(memory, &page, BLOCK_PAGES, &work) == OK)
        return true;
    test_fail(__FILE__, __LINE__, "no memory");
    return false;
}

static void over(void)
{
    vspace_put(space);
    memory_put(memory);
}

static enum status map(uint64_t at, uint64_t first, uint64_t pages, unsigned flags)
{
    return vspace_map(space, &(struct map_request){ .memory = memory,
                                                    .at = uaddr(at),
                                                    .size_bytes = PAGES(pages),
                                                    .offset = PAGES(first),
                                                    .perm = RW,
                                                    .limit = RW,
                                                    .flags = flags });
}

/* Where the address leads is where the Memory has that page. */
static void expect_page(uint64_t at, uint64_t page)
{
    paddr_t is = paddr(0);
    paddr_t should_be = paddr(0);
    unsigned perm;

    EXPECT_EQ(vspace_query(space, uaddr(at), &is, &perm), OK);
    EXPECT_EQ(memory_page_address(memory, page, false, &should_be), OK);
    EXPECT_EQ(is.raw, should_be.raw);
}

static bool leads_nowhere(uint64_t at)
{
    paddr_t pa;
    unsigned perm;

    return vspace_query(space, uaddr(at), &pa, &perm) == ERR_NOT_FOUND;
}

TEST(a_block_does_not_reach_beyond_its_mapping)
{
    REQUIRE(ready());
    EXPECT_EQ(map(AT, 0, 300, 0), OK);
    EXPECT_EQ(vspace_fault(space, uaddr(AT), PERM_WRITE), OK);
    expect_page(AT, 0);
    EXPECT(leads_nowhere(AT + PAGES(300)));
    EXPECT(space->page_count <= 300);
    EXPECT_EQ(vspace_unmap(space, uaddr(AT), PAGES(300)), OK);
    EXPECT_EQ(map(AT + PAGES(200), 200, 312, 0), OK);
    EXPECT_EQ(vspace_fault(space, uaddr(AT + PAGES(511)), PERM_WRITE), OK);
    EXPECT(leads_nowhere(AT));
    EXPECT(leads_nowhere(AT + PAGES(199)));
    over();
}

TEST(a_block_is_mapped_where_its_address_fits)
{
    REQUIRE(ready());
    EXPECT_EQ(map(AT, 8, BLOCK_PAGES, 0), OK);
    EXPECT_EQ(vspace_fault(space, uaddr(AT), PERM_WRITE), OK);
    expect_page(AT, 8);
    EXPECT_EQ(vspace_fault(space, uaddr(AT + PAGES(100)), PERM_WRITE), OK);
    expect_page(AT + PAGES(100), 108);
    over();
}

TEST(an_entry_for_another_page_does_not_suffice)
{
    struct memory_page pages[2];

    REQUIRE(ready());
    EXPECT_EQ(map(AT, 0, 8, 0), OK);
    for (uint64_t i = 0; i < ARRAY_LEN(pages); i++) {
        paddr_t pa = paddr(0);
        EXPECT_EQ(memory_page_address(memory, i, false, &pa), OK);
        pages[i].pa = pa.raw;
        EXPECT_EQ(vspace_tables_set(space, AT, pa.raw, RW, 0), OK);
        expect_page(AT, i);
    }
    EXPECT_EQ(vspace_tables_set(space, AT, pages[1].pa, PERM_READ, 0), OK);
    expect_page(AT, 1);
    EXPECT_EQ(vspace_unmap(space, uaddr(AT), PAGES(8)), OK);
    over();
}

/* ---- What the Memory says ---- */

static struct memory_page page_of(struct memory *of, uint64_t index)
{
    struct memory_page page = { .pa = 0 };

    spinlock_acquire(&of->lock);
    EXPECT_EQ(memory_page(of, index, false, &page), OK);
    spinlock_release(&of->lock);
    return page;
}

static struct memory_run run_of(struct memory *of, uint64_t index)
{
    spinlock_acquire(&of->lock);
    struct memory_run run = memory_run(of, index, BLOCK_PAGES);
    spinlock_release(&of->lock);
    return run;
}

TEST(only_frames_in_a_row_are_a_block)
{
    struct work work = { UINT32_MAX };
    struct memory *clone;
    uint64_t page = 0;

    REQUIRE(ready());
    REQUIRE(memory_create(NULL, BLOCK, &clone) == OK);
    EXPECT(page_of(memory, 0).block && run_of(memory, 0).block);
    EXPECT(!page_of(memory, BLOCK_PAGES).block);
    EXPECT(!page_of(memory, BLOCK_PAGES).block && !run_of(memory, BLOCK_PAGES).block);
    /* To be read it is one for both, until one has a page of its own. */
    EXPECT_EQ(memory_share(memory, &page, BLOCK_PAGES, clone, 0, &work), OK);
    EXPECT(page_of(clone, 0).block && !page_of(clone, 0).writable);
    EXPECT(run_of(clone, 0).block && !run_of(clone, 0).writable);
    memory_put(clone);
    /* Without the other the leaf is ours, and each frame may be somebody's still. */
    REQUIRE(memory_create(NULL, BLOCK, &clone) == OK);
    page = 3;
    EXPECT_EQ(memory_share(memory, &page, 4, clone, 0, &work), OK);
    EXPECT(!run_of(memory, 0).writable || !run_of(memory, 0).block);
    EXPECT(!page_of(memory, 0).writable || !page_of(memory, 0).block);
    memory_put(clone);
    over();
}

/* ---- What goes into the tables ---- */

static unsigned perm_at(uint64_t at)
{
    unsigned perm = 0;
    paddr_t pa;

    EXPECT_EQ(vspace_query(space, uaddr(at), &pa, &perm), OK);
    return perm;
}

TEST(frames_of_others_are_not_written_through_a_run)
{
    struct frame *own, *shared;

    REQUIRE(ready());
    REQUIRE(frame_alloc(0, 0, &own) == OK && frame_alloc(0, 0, &shared) == OK);
    frame_get(shared);
    const uint64_t slot[] = { frame_paddr(shared).raw, frame_paddr(own).raw, 0,
                              frame_paddr(own).raw };
    struct memory_run run = {
        .there = true, .slot = slot, .count = ARRAY_LEN(slot), .writable = true, .look = true
    };
    EXPECT_EQ(vspace_tables_set(space, AT + PAGES(3), frame_paddr(shared).raw, PERM_READ, 0), OK);
    EXPECT_EQ(vspace_tables_fill(space, AT, &run, RW), OK);
    EXPECT_EQ(perm_at(AT), PERM_READ);
    EXPECT_EQ(perm_at(AT + PAGES(1)), RW);
    EXPECT(leads_nowhere(AT + PAGES(2)));
    EXPECT_EQ(perm_at(AT + PAGES(3)), PERM_READ); /* as it was */
    vspace_tables_remove(space, AT + PAGE_SIZE, AT + PAGES(4));
    /* The first is there: the others are filled in all the same. */
    run.look = false;
    EXPECT_EQ(vspace_tables_fill(space, AT, &run, RW), OK);
    EXPECT_EQ(perm_at(AT), PERM_READ);
    EXPECT_EQ(perm_at(AT + PAGES(1)), RW);
    vspace_tables_remove(space, AT, AT + PAGES(4));
    EXPECT_EQ(vspace_tables_fill(space, AT, &run, RW), OK);
    EXPECT_EQ(perm_at(AT), RW); /* if the run says that nobody has to look */
    vspace_tables_remove(space, AT, AT + PAGES(4));
    frame_fail_after(1);
    EXPECT_EQ(vspace_tables_fill(space, AT, &run, RW), ERR_NO_MEMORY);
    frame_fail_after(0);
    frame_put(shared);
    frame_put(shared);
    frame_put(own);
    over();
}

HOST_TEST(code_in_a_run_is_synchronised)
{
    struct frame *frame;

    REQUIRE(ready());
    REQUIRE(frame_alloc(0, 0, &frame) == OK);
    struct memory_run run = { .there = true, .pa = frame_paddr(frame).raw, .count = 1 };
    uint64_t before = simulation_synced_bytes();
    EXPECT_EQ(vspace_tables_fill(space, AT, &run, PERM_READ | PERM_EXECUTE), OK);
    EXPECT_EQ(simulation_synced_bytes() - before, PAGE_SIZE);
    vspace_tables_remove(space, AT, AT + PAGE_SIZE);
    frame_put(frame);
    over();
}

/* Without anything in `run.look`'s way: the frames of registers are nobody's. */
TEST(a_block_replaces_a_block_and_nothing_else)
{
    uint64_t pa;
    struct frame *frame;

    REQUIRE(ready());
    REQUIRE(frame_alloc(0, 0, &frame) == OK);
    pa = page_of(memory, 0).pa;
    /* A page in its place, or beside that. */
    EXPECT_EQ(vspace_tables_set(space, AT, frame_paddr(frame).raw, RW, 0), OK);
    EXPECT_EQ(vspace_tables_set(space, AT, pa, RW, 1), ERR_EXISTS);
    vspace_tables_remove(space, AT, AT + PAGE_SIZE);
    EXPECT_EQ(vspace_tables_set(space, AT + PAGES(5), frame_paddr(frame).raw, RW, 0), OK);
    EXPECT_EQ(vspace_tables_set(space, AT, pa, RW, 1), ERR_EXISTS);
    EXPECT_EQ(perm_at(AT + PAGES(5)), RW);
    EXPECT(leads_nowhere(AT));
    vspace_tables_remove(space, AT, AT + BLOCK);
    /* No memory for tables. */
    frame_fail_after(1);
    EXPECT_EQ(vspace_tables_set(space, AT + BIT64(39), pa, RW, 1), ERR_NO_MEMORY);
    frame_fail_after(0);
    EXPECT(leads_nowhere(AT + BIT64(39)));
    EXPECT_EQ(vspace_tables_set(space, AT, pa, PERM_READ, 1), OK);
    EXPECT_EQ(vspace_tables_set(space, AT, pa, RW, 1), OK);
    EXPECT_EQ(perm_at(AT + PAGES(5)), RW);
    EXPECT_EQ(space->page_count, BLOCK_PAGES);
    vspace_tables_remove(space, AT, AT + BLOCK);
    frame_put(frame);
    over();
}

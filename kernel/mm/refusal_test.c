/* What Memory and address spaces refuse, one reason at a time: each request is right but for that.
 */
#include "memory_impl.h"
#include "vspace_impl.h"
#include <base/string.h>
#include <kernel/budget.h>
#include <kernel/frame.h>
#include <kernel/slab.h>
#include <kernel/test.h>

enum { SOURCE_PAGES = 8, CLONE_PAGES = 4 };

#define AT       uaddr(0x400000)
#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)

static struct memory *source, *clone, *block, *registers;
static struct vspace *space;

static bool ready(void)
{
    if (memory_create(NULL, PAGES(SOURCE_PAGES), &source) == OK &&
        memory_create(NULL, PAGES(CLONE_PAGES), &clone) == OK &&
        memory_create_contiguous(NULL, PAGES(2), PAGE_SIZE, UINT64_MAX, &block) == OK &&
        memory_create_physical(NULL, paddr(0), PAGES(4), PERM_DEVICE, &registers) == OK &&
        vspace_create(NULL, &space) == OK)
        return true;
    test_fail(__FILE__, __LINE__, "no memory");
    return false;
}

static void over(void)
{
    struct work work = { UINT32_MAX };

    EXPECT_EQ(vspace_close(space, &work), OK);
    vspace_put(space);
    memory_put(source);
    memory_put(clone);
    memory_put(block);
    memory_put(registers);
}

TEST(no_memory_of_a_size_that_makes_no_sense)
{
    struct memory *memory;

    EXPECT_EQ(memory_create(NULL, 0, &memory), ERR_RANGE);
    EXPECT_EQ(memory_create(NULL, PAGE_SIZE + 1, &memory), ERR_RANGE);
    EXPECT_EQ(memory_create(NULL, BIT64(48) + PAGE_SIZE, &memory), ERR_RANGE);
    EXPECT_EQ(memory_create_physical(NULL, paddr(0), PAGE_SIZE, PERM_WRITE, &memory), ERR_RANGE);
    EXPECT_EQ(memory_create_physical(NULL, paddr(0), BIT64(48) + PAGE_SIZE, PERM_DEVICE, &memory),
              ERR_RANGE);
    EXPECT_EQ(memory_create_physical(NULL, paddr(8), PAGE_SIZE, PERM_DEVICE, &memory), ERR_RANGE);
    EXPECT_EQ(memory_create_physical(NULL, paddr(0), 0, PERM_DEVICE, &memory), ERR_RANGE);
}

static enum status share(struct memory *from, uint64_t first, uint64_t end, struct memory *to,
                         int64_t shift)
{
    struct work work = { UINT32_MAX };

    return memory_share(from, &first, end, to, shift, &work);
}

TEST(pages_are_shared_within_both_sides_only)
{
    paddr_t pa;

    if (!ready())
        return;
    EXPECT_EQ(share(source, 2, 6, clone, -2), OK);
    EXPECT_EQ(share(source, 3, 2, clone, 0), ERR_RANGE);
    EXPECT_EQ(share(source, 6, SOURCE_PAGES + 1, clone, -6), ERR_RANGE);
    EXPECT_EQ(share(source, 0, 0, clone, CLONE_PAGES + 1), ERR_RANGE);
    EXPECT_EQ(share(source, 0, 2, clone, CLONE_PAGES - 1), ERR_RANGE);
    EXPECT_EQ(share(source, 0, 1, clone, -1), ERR_RANGE);
    EXPECT_EQ(share(source, 0, 1, source, 1), ERR_RANGE);
    EXPECT_EQ(share(registers, 0, 1, clone, 0), ERR_UNSUPPORTED);
    EXPECT_EQ(share(source, 0, 1, block, 0), ERR_UNSUPPORTED);
    EXPECT_EQ(memory_pin(source, 0, 1), OK);
    EXPECT_EQ(share(source, 2, 6, clone, -2), ERR_BUSY);
    memory_unpin(source);
    EXPECT_EQ(memory_page_address(source, SOURCE_PAGES, false, &pa), ERR_RANGE);
    EXPECT_EQ(memory_page_address(source, SOURCE_PAGES - 1, false, &pa), OK);
    over();
}

TEST(pages_change_within_their_memory_only)
{
    struct work work = { UINT32_MAX };
    uint64_t page = 3;

    if (!ready())
        return;
    EXPECT_EQ(memory_commit(source, &page, 2, &work), ERR_RANGE);
    EXPECT_EQ(memory_decommit(source, &page, 2, &work), ERR_RANGE);
    EXPECT_EQ(memory_commit(source, &page, SOURCE_PAGES + 1, &work), ERR_RANGE);
    EXPECT_EQ(memory_commit(block, &page, 4, &work), ERR_UNSUPPORTED);
    EXPECT_EQ(page, 3);
    EXPECT_EQ(memory_pin(source, SOURCE_PAGES, 1), ERR_RANGE);
    EXPECT_EQ(memory_pin(source, SOURCE_PAGES + 1, 0), ERR_RANGE);
    EXPECT_EQ(memory_pin(source, 1, UINT64_MAX), ERR_RANGE);
    EXPECT_EQ(memory_inspect(source).resident_pages, 0);
    over();
}

TEST(a_mapping_is_of_whole_pages_and_within_its_limit)
{
    struct map_request right = { .memory = source,
                                 .at = AT,
                                 .size_bytes = PAGES(2),
                                 .offset = PAGE_SIZE,
                                 .perm = PERM_READ,
                                 .limit = PERM_READ };
    struct map_request wrong = right;

    if (!ready())
        return;
    right.memory = source;
    wrong = right;
    wrong.offset++;
    EXPECT_EQ(vspace_map(space, &wrong), ERR_RANGE);
    wrong = right;
    wrong.perm = PERM_READ | PERM_WRITE;
    EXPECT(vspace_map(space, &wrong) != OK);
    wrong = right;
    wrong.at.raw++;
    EXPECT_EQ(vspace_map(space, &wrong), ERR_RANGE);
    wrong = right;
    wrong.size_bytes = PAGES(SOURCE_PAGES);
    EXPECT_EQ(vspace_map(space, &wrong), ERR_RANGE);
    EXPECT_EQ(vspace_map(space, &right), OK);
    EXPECT_EQ(vspace_fault(space, AT, PERM_WRITE), ERR_FAULT);
    EXPECT_EQ(vspace_fault(space, uaddr(AT.raw + PAGES(2)), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(space, uaddr(space->end), PERM_READ), ERR_FAULT);
    EXPECT_EQ(vspace_fault(space, uaddr(UINT64_MAX), PERM_READ), ERR_FAULT);
    over();
}

TEST(an_address_space_is_copied_into_another_that_holds_it)
{
    struct work work = { UINT32_MAX };
    struct vspace *guest;
    uint64_t at = AT.raw;

    if (!ready())
        return;
    EXPECT_EQ(vspace_clone(space, space, NULL, &at, AT.raw + PAGE_SIZE, &work), ERR_INVALID);
    EXPECT_EQ(vspace_create_guest(space, NULL, false, &guest), OK);
    EXPECT_EQ(vspace_clone(space, guest, NULL, &at, guest->end + PAGE_SIZE, &work), ERR_RANGE);
    EXPECT_EQ(at, AT.raw);
    EXPECT_EQ(vspace_fault(guest, uaddr(guest->end), PERM_READ), ERR_FAULT);
    vspace_put(guest);
    over();
}

/* ---- What is right although it looks wrong, and the other way round ---- */

TEST(physical_memory_is_not_longer_than_addresses)
{
    struct memory *memory;
    struct frame *frame;

    REQUIRE(frame_alloc(0, 0, &frame) == OK);
    EXPECT_EQ(memory_create_physical(NULL, frame_paddr(frame), BIT64(48) + PAGE_SIZE,
                                     PERM_DEVICE | PERM_WRITE_COMBINE, &memory),
              ERR_RANGE);
    frame_put(frame);
}

TEST(an_address_range_of_registers_does_not_wrap)
{
    if (!ready())
        return;
    EXPECT_EQ(vspace_map_physical(space, AT, paddr(0), (size_t)(BIT64(52) + 1), PERM_READ),
              ERR_RANGE);
    EXPECT_EQ(vspace_fault(space, AT, PERM_READ), ERR_FAULT);
    over();
}

TEST(pins_and_ranges_say_what_is_wrong)
{
    struct work work = { UINT32_MAX };
    uint64_t page = 3;

    if (!ready())
        return;
    EXPECT_EQ(memory_pin(source, 0, 1), OK);
    EXPECT_EQ(memory_decommit(source, &page, 2, &work), ERR_RANGE);
    EXPECT_EQ(memory_decommit(source, &page, 4, &work), ERR_BUSY);
    memory_unpin(source);
    /* What a device may write to is copied, pinned or not. */
    EXPECT_EQ(memory_pin(block, 0, 1), OK);
    EXPECT_EQ(share(block, 0, 2, clone, 0), OK);
    memory_unpin(block);
    over();
}

/* The first byte of a page. */
static uint8_t *byte_of(struct memory *memory, uint64_t page, bool write)
{
    paddr_t pa = paddr(0);

    EXPECT_EQ(memory_page_address(memory, page, write, &pa), OK);
    return paddr_to_kernel(pa);
}

TEST(memory_has_so_many_mappings_and_no_more)
{
    if (!ready())
        return;
    source->mapping_count = MEMORY_MAPPINGS_MAX;
    source->writer_count = 1;
    spinlock_acquire(&source->lock);
    EXPECT(!memory_takes_mapping(source, 0, 1, true));
    source->mapping_count--;
    EXPECT(memory_takes_mapping(source, 0, 1, true));
    spinlock_release(&source->lock);
    source->mapping_count = 0;
    source->writer_count = 0;
    over();
}

TEST(what_is_there_already_is_not_shared_over)
{
    if (!ready())
        return;
    *byte_of(source, 0, true) = 1;
    *byte_of(source, 1, true) = 2;
    *byte_of(clone, 1, true) = 3;
    EXPECT_EQ(share(source, 0, 2, clone, 0), OK);
    EXPECT_EQ(*byte_of(clone, 0, false), 1);
    EXPECT_EQ(*byte_of(clone, 1, false), 3);
    EXPECT_EQ(memory_inspect(clone).resident_pages, 2);
    *byte_of(block, 1, true) = 4;
    EXPECT_EQ(share(block, 0, 2, clone, 0), OK);
    EXPECT_EQ(*byte_of(clone, 1, false), 3);
    EXPECT_EQ(memory_inspect(clone).resident_pages, 2);
    over();
}

/* ---- The end of Memory ---- */

static enum status retire(struct memory *memory, enum object_end why, uint32_t units)
{
    struct work work = { units };

    return memory->object.ops->retire(&memory->object, why, &work);
}

static enum status map_page(struct memory *memory, uint64_t at)
{
    return vspace_map(space, &(struct map_request){ .memory = memory,
                                                    .at = uaddr(at),
                                                    .size_bytes = PAGE_SIZE,
                                                    .perm = PERM_READ | PERM_WRITE,
                                                    .limit = PERM_READ | PERM_WRITE });
}

TEST(memory_ends_when_its_last_mapping_is_gone_and_not_before)
{
    unsigned slices = 1;

    if (!ready())
        return;
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(map_page(source, AT.raw + PAGES(2) * i), OK);
    EXPECT_EQ(vspace_fault(space, AT, PERM_WRITE), OK);
    /* Without capabilities it lives on in its mappings. */
    EXPECT_EQ(retire(source, OBJECT_ORPHANED, UINT32_MAX), OK);
    EXPECT_EQ(memory_inspect(source).resident_pages, 1);
    while (retire(source, OBJECT_DESTROYED, 1) != OK && slices < 100) {
        EXPECT(memory_inspect(source).resident_pages == 1 ||
               memory_inspect(source).mapping_count == 0);
        slices++;
    }
    EXPECT(slices > 2 && slices < 100);
    EXPECT_EQ(memory_inspect(source).mapping_count, 0);
    EXPECT_EQ(memory_inspect(source).resident_pages, 0);
    over();
}

TEST(pinned_memory_that_is_destroyed_loses_its_mappings_first)
{
    struct memory_pin pin;

    if (!ready())
        return;
    EXPECT_EQ(memory_pin_lightly(source, 0, 1, &pin), OK);
    EXPECT_EQ(map_page(source, AT.raw), OK);
    EXPECT_EQ(map_page(source, AT.raw + PAGES(2)), OK);
    EXPECT_EQ(retire(source, OBJECT_ORPHANED, UINT32_MAX), OK);
    EXPECT_EQ(memory_inspect(source).resident_pages, 1);
    EXPECT_EQ(retire(source, OBJECT_DESTROYED, 0), ERR_WOULD_BLOCK);
    EXPECT_EQ(memory_inspect(source).mapping_count, 2);
    EXPECT(pin.memory == source);
    EXPECT_EQ(retire(source, OBJECT_DESTROYED, UINT32_MAX), OK);
    EXPECT(pin.memory == NULL);
    EXPECT_EQ(memory_inspect(source).resident_pages, 0);
    over();
}

/* ---- Budgets and failures ---- */

enum { LEAF = 512 };

static struct budget *payer;

static uint64_t used(void)
{
    return payer->account[BUDGET_MEMORY].used;
}

TEST(a_block_is_paid_for_or_not_made)
{
    struct work work = { UINT32_MAX };
    struct memory *memory;
    uint64_t page = 0;

    REQUIRE(budget_create(NULL, &payer) == OK);
    REQUIRE(memory_create(payer, PAGES(LEAF), &memory) == OK);
    budget_limit(payer, BUDGET_MEMORY, used() + PAGES(100));
    EXPECT_EQ(memory_commit(memory, &page, LEAF, &work), ERR_LIMIT);
    EXPECT(page > 0 && page < 100);
    EXPECT_EQ(memory_inspect(memory).resident_pages, page);
    budget_limit(payer, BUDGET_MEMORY, BUDGET_UNLIMITED);
    memory_put(memory);
    for (unsigned n = 1; n < 4; n++) {
        REQUIRE(memory_create(payer, PAGES(LEAF), &memory) == OK);
        frame_fail_after(n);
        page = 0;
        enum status status = memory_commit(memory, &page, LEAF, &work);
        frame_fail_after(0);
        EXPECT(status == OK || status == ERR_NO_MEMORY);
        EXPECT_EQ(memory_inspect(memory).resident_pages, page);
        memory_put(memory);
        EXPECT_EQ(used(), 0);
    }
    budget_put(payer);
}

/* What fails in the middle has cost nothing. */
static void expect_share_fails_well(struct memory *from, void (*fail)(uint64_t nth))
{
    for (unsigned n = 1; n < 40; n++) {
        struct memory *to;
        REQUIRE(memory_create(payer, PAGES(LEAF), &to) == OK);
        uint64_t before = used();
        fail(n);
        enum status status = share(from, 0, 2, to, 0);
        fail(0);
        if (status == OK) {
            EXPECT(n > 2);
            EXPECT_EQ(*byte_of(to, 1, false), 7);
            EXPECT_EQ(*byte_of(to, 1, true), 7);
            *byte_of(to, 1, true) = 8;
            EXPECT_EQ(*byte_of(from, 1, false), 7);
            memory_put(to);
            return;
        }
        EXPECT(status == ERR_NO_MEMORY || status == ERR_LIMIT);
        EXPECT_EQ(used(), before + memory_inspect(to).resident_pages * PAGE_SIZE +
                              (memory_inspect(to).resident_pages > 0 ? PAGE_SIZE : 0));
        memory_put(to);
    }
    test_fail(__FILE__, __LINE__, "never worked");
}

static void limit_after(uint64_t nth)
{
    budget_limit(payer, BUDGET_MEMORY,
                 nth == 0 ? BUDGET_UNLIMITED : used() + (nth - 1) * PAGE_SIZE);
}

TEST(sharing_survives_each_failing_frame_and_each_limit)
{
    struct memory *pages, *range;

    REQUIRE(budget_create(NULL, &payer) == OK);
    REQUIRE(memory_create(NULL, PAGES(LEAF), &pages) == OK);
    REQUIRE(memory_create_contiguous(NULL, PAGES(2), PAGE_SIZE, UINT64_MAX, &range) == OK);
    *byte_of(pages, 0, true) = 7;
    *byte_of(pages, 1, true) = 7;
    *byte_of(range, 1, true) = 7;
    expect_share_fails_well(range, frame_fail_after);
    expect_share_fails_well(range, limit_after);
    expect_share_fails_well(pages, limit_after);
    memory_put(pages);
    memory_put(range);
    EXPECT_EQ(used(), 0);
    budget_put(payer);
}

/* A leaf that is another's too is copied for the sake of one page, at the expense of its Memory. */
TEST(a_shared_leaf_is_copied_only_if_somebody_pays)
{
    struct work work = { UINT32_MAX };
    struct memory *first, *second;
    uint64_t page = 0;

    REQUIRE(budget_create(NULL, &payer) == OK);
    REQUIRE(memory_create(payer, PAGES(LEAF), &first) == OK);
    REQUIRE(memory_create(payer, PAGES(LEAF), &second) == OK);
    *byte_of(first, 0, true) = 7;
    *byte_of(first, 5, true) = 7;
    EXPECT_EQ(share(first, 0, LEAF, second, 0), OK);
    limit_after(1);
    EXPECT_EQ(memory_decommit(second, &page, 1, &work), ERR_LIMIT);
    EXPECT_EQ(page, 0);
    limit_after(0);
    frame_fail_after(1);
    EXPECT_EQ(memory_decommit(second, &page, 1, &work), ERR_NO_MEMORY);
    frame_fail_after(0);
    EXPECT_EQ(page, 0);
    EXPECT_EQ(memory_inspect(second).resident_pages, 2);
    EXPECT_EQ(memory_decommit(second, &page, 1, &work), OK);
    EXPECT_EQ(memory_inspect(second).resident_pages, 1);
    EXPECT_EQ(*byte_of(first, 0, false), 7);
    EXPECT_EQ(*byte_of(second, 5, false), 7);
    memory_put(first);
    memory_put(second);
    EXPECT_EQ(used(), 0);
    budget_put(payer);
}

TEST(a_leaf_needs_a_place_to_be_shared_to)
{
    struct memory *first, *second;

    REQUIRE(budget_create(NULL, &payer) == OK);
    REQUIRE(memory_create(payer, PAGES(2 * LEAF), &first) == OK);
    REQUIRE(memory_create(payer, PAGES(2 * LEAF), &second) == OK);
    *byte_of(first, 0, true) = 7;
    frame_fail_after(1);
    EXPECT_EQ(share(first, 0, LEAF, second, 0), ERR_NO_MEMORY);
    frame_fail_after(0);
    EXPECT_EQ(memory_inspect(second).resident_pages, 0);
    EXPECT_EQ(share(first, 0, LEAF, second, 0), OK);
    EXPECT_EQ(*byte_of(second, 0, false), 7);
    memory_put(first);
    memory_put(second);
    EXPECT_EQ(used(), 0);
    budget_put(payer);
}

TEST(contiguous_memory_without_an_object_is_given_back)
{
    struct memory *memory;

    REQUIRE(budget_create(NULL, &payer) == OK);
    slab_drain_all();
    frame_cache_drain();
    uint64_t free = frame_stats().free;
    slab_fail_after(1);
    EXPECT_EQ(memory_create_contiguous(payer, PAGES(2), PAGE_SIZE, UINT64_MAX, &memory),
              ERR_NO_MEMORY);
    slab_fail_after(0);
    slab_drain_all();
    frame_cache_drain();
    EXPECT_EQ(frame_stats().free, free);
    EXPECT_EQ(used(), 0);
    budget_limit(payer, BUDGET_MEMORY, PAGE_SIZE);
    EXPECT_EQ(memory_create_contiguous(payer, PAGES(2), PAGE_SIZE, UINT64_MAX, &memory), ERR_LIMIT);
    EXPECT_EQ(used(), 0);
    budget_put(payer);
}

TEST(the_end_of_a_leaf_goes_without_its_beginning)
{
    struct work work = { UINT32_MAX };
    struct memory *memory;
    uint64_t page = LEAF;

    REQUIRE(memory_create(NULL, PAGES(2 * LEAF), &memory) == OK);
    EXPECT_EQ(memory_commit(memory, &page, LEAF + 8, &work), OK);
    page = LEAF + 4;
    EXPECT_EQ(memory_decommit(memory, &page, UINT64_C(2) * LEAF, &work), OK);
    EXPECT_EQ(memory_inspect(memory).resident_pages, 4);
    memory_put(memory);
}

TEST(a_guest_address_space_is_made_whole_or_not)
{
    unsigned failed = 0;
    struct vspace *guest;
    enum status status = ERR_NO_MEMORY;

    if (!ready())
        return;
    while (status != OK && failed < 20) {
        frame_fail_after(failed + 1);
        status = vspace_create_guest(space, NULL, true, &guest);
        frame_fail_after(0);
        failed += status != OK;
    }
    EXPECT_EQ(failed, 2); /* for the sandbox's part, which stays, and for the first root */
    EXPECT(guest->inside_root.raw != 0);
    vspace_put(guest);
    frame_fail_after(2);
    EXPECT_EQ(vspace_create_guest(space, NULL, true, &guest), ERR_NO_MEMORY);
    frame_fail_after(0);
    EXPECT_EQ(vspace_create_guest(space, NULL, false, &guest), OK);
    EXPECT_EQ(guest->inside_root.raw, 0);
    vspace_put(guest);
    over();
}

/* ---- Copies of address spaces ---- */

static enum status copy_into(struct vspace *guest)
{
    struct work work = { UINT32_MAX };
    uint64_t at = AT.raw;

    return vspace_clone(space, guest, NULL, &at, AT.raw + PAGE_SIZE, &work);
}

static enum status map_in(struct vspace *vspace, struct memory *memory, uint64_t first)
{
    return vspace_map(vspace, &(struct map_request){ .memory = memory,
                                                     .at = AT,
                                                     .size_bytes = PAGE_SIZE,
                                                     .offset = PAGES(first),
                                                     .perm = PERM_READ,
                                                     .limit = PERM_READ });
}

TEST(contiguous_memory_is_not_copied_with_its_address_space)
{
    struct vspace *guest;

    if (!ready())
        return;
    EXPECT_EQ(vspace_create_guest(space, NULL, false, &guest), OK);
    EXPECT_EQ(map_in(space, block, 0), OK);
    EXPECT_EQ(copy_into(guest), OK);
    EXPECT_EQ(memory_inspect(block).mapping_count, 2);
    vspace_put(guest);
    over();
}

TEST(a_copy_goes_into_no_memory_that_somebody_else_made)
{
    struct memory *anonymous;
    struct vspace *guest;

    if (!ready())
        return;
    REQUIRE(memory_create_anonymous(NULL, PAGES(4), &anonymous) == OK);
    EXPECT_EQ(vspace_create_guest(space, NULL, false, &guest), OK);
    EXPECT_EQ(map_in(space, source, 0), OK);
    EXPECT_EQ(map_in(guest, clone, 0), OK);
    EXPECT_EQ(copy_into(guest), ERR_EXISTS);
    EXPECT_EQ(memory_inspect(clone).resident_pages, 0);
    vspace_put(guest);
    EXPECT_EQ(vspace_unmap(space, AT, PAGE_SIZE), OK);
    /* Nor into another part of the same. */
    EXPECT_EQ(vspace_create_guest(space, NULL, false, &guest), OK);
    EXPECT_EQ(map_in(space, anonymous, 0), OK);
    EXPECT_EQ(map_in(guest, anonymous, 1), OK);
    EXPECT_EQ(copy_into(guest), ERR_EXISTS);
    vspace_put(guest);
    memory_put(anonymous);
    over();
}

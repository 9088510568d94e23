/* What Memory and address spaces refuse, one reason at a time: each request is right but for that.
 */
#include <kernel/memory.h>
#include <kernel/test.h>
#include <kernel/vspace.h>

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

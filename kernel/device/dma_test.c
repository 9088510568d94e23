/* Pins: what they keep in place, who pays, and what happens to them without their driver. */
#include <arch/simulation.h>
#include <kernel/dma.h>
#include <kernel/frame.h>
#include <kernel/grace.h>
#include <kernel/memory.h>
#include <kernel/test.h>

enum { PAGES = 24 };

static struct budget *budget;
static struct cspace cspace;
static struct memory *memory;
static uint64_t root, device;

static uint64_t used(void)
{
    struct object_info_budget info;

    budget_inspect(budget, &info);
    return info.used[BUDGET_MEMORY];
}

static uint64_t derive(uint64_t from, uint64_t offset, uint64_t count)
{
    struct capability *capability;
    uint64_t badge;
    uint64_t part = HANDLE_NONE;

    if (capability_acquire(&cspace, from, OBJECT_DMA, 0, &capability) != OK)
        return HANDLE_NONE;
    if (dma_part(capability->badge, offset, count, &badge) == OK)
        EXPECT_EQ(capability_derive(capability,
                                    &(struct capability_mint){ capability->rights, badge }, &cspace,
                                    &part),
                  OK);
    capability_release(capability);
    return part;
}

static bool ready(void)
{
    if (dma_object.references == 0)
        dma_init();
    if (budget_create(NULL, &budget) != OK || cspace_init(&cspace, budget, 1) != OK ||
        memory_create(budget, PAGES * PAGE_SIZE, &memory) != OK ||
        cspace_create(&cspace, &dma_object, object_type_rights(OBJECT_DMA), &root) != OK) {
        test_fail(__FILE__, __LINE__, "no memory");
        return false;
    }
    device = derive(root, 8, 1);
    return device != HANDLE_NONE;
}

static void over(void)
{
    struct work work = { UINT32_MAX };

    EXPECT_EQ(cspace_clear(&cspace, &work), OK);
    EXPECT_EQ(object_end(&memory->object, &work), OK);
    memory_put(memory);
    EXPECT_EQ(used(), 0);
    budget_put(budget);
}

static enum status pin(uint64_t handle, uint64_t first, uint64_t pages, uint64_t *id_out)
{
    struct capability *capability;
    struct capability_ref ref;
    struct pin *made;

    *id_out = 0;
    enum status status = cspace_borrow(&cspace, handle, OBJECT_DMA, RIGHT_DMA_PIN, &ref);

    if (status == OK)
        status = dma_pin_create(&memory->object, first * PAGE_SIZE, pages * PAGE_SIZE, ref.badge,
                                budget, &made);
    if (status != OK)
        return status;
    status = capability_acquire(&cspace, handle, OBJECT_DMA, RIGHT_DMA_PIN, &capability);
    if (status == OK) {
        status = dma_pin_attach(made, capability, id_out);
        capability_release(capability);
    }
    if (status != OK)
        dma_pin_destroy(made);
    return status;
}

static enum status unpin(uint64_t handle, uint64_t id)
{
    struct work work = { UINT32_MAX };

    return dma_unpin(&cspace, handle, id, &work);
}

static enum status decommit(void)
{
    struct work work = { UINT32_MAX };
    uint64_t page = 0;

    return memory_decommit(memory, &page, PAGES, &work);
}

TEST(pinned_pages_stay_until_they_are_unpinned)
{
    uint64_t id = 0;

    REQUIRE(ready());
    uint64_t before = used();
    EXPECT_EQ(pin(device, 0, PAGES, &id), OK);
    EXPECT_EQ(memory_inspect(memory).resident_pages, PAGES);
    EXPECT_EQ(decommit(), ERR_BUSY);
    EXPECT_EQ(unpin(device, id + 1), ERR_NOT_FOUND);
    EXPECT_EQ(unpin(device + (UINT64_C(1) << 32), id), ERR_NOT_FOUND); /* another generation */
    EXPECT_EQ(unpin(device, id), OK);
    EXPECT_EQ(unpin(device, id), ERR_NOT_FOUND);
    EXPECT_EQ(decommit(), OK);
    EXPECT_EQ(used(), before);
    over();
}

/* Or its new owner could keep the budget of the old one from ending. */
TEST(a_capability_with_pins_is_not_moved_to_another_table)
{
    struct cspace other;
    struct work work = { UINT32_MAX };
    uint64_t id, moved;

    REQUIRE(ready());
    REQUIRE(cspace_init(&other, budget, 2) == OK);
    EXPECT_EQ(pin(device, 0, 1, &id), OK);
    EXPECT_EQ(cspace_move(&cspace, device, &other, &moved), ERR_STATE);
    EXPECT_EQ(cspace_move(&cspace, device, &cspace, &moved), OK);
    EXPECT_EQ(unpin(moved, id), OK);
    EXPECT_EQ(cspace_move(&cspace, moved, &other, &moved), OK);
    EXPECT_EQ(cspace_clear(&other, &work), OK);
    over();
}

/* Large pins use up more of a slice. */
TEST(unpinning_everything_goes_in_slices_of_pages)
{
    struct work work = { 2 };
    uint64_t id = 0;

    REQUIRE(ready());
    EXPECT_EQ(pin(device, 0, PAGES, &id), OK);
    EXPECT_EQ(pin(device, 0, PAGES, &id), OK);
    EXPECT_EQ(dma_unpin(&cspace, device, 0, &work), ERR_WOULD_BLOCK);
    EXPECT_EQ(unpin(device, id), OK); /* the second is still there */
    over();
}

TEST(a_pin_is_a_whole_number_of_pages_within_the_memory)
{
    static const struct {
        uint64_t first, pages;
    } bad[] = {
        { 0, 0 },
        { 0, PAGES + 1 },
        { PAGES, 1 },
        { PAGES - 1, 2 },
        { 0, DMA_PIN_PAGES_MAX + 1 },
        { UINT64_MAX >> PAGE_SHIFT, 1 },
        { UINT64_MAX >> PAGE_SHIFT, 2 },
        { 1, UINT64_MAX >> PAGE_SHIFT },
    };
    uint64_t id = 0;
    struct pin *made;

    REQUIRE(ready());
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        EXPECT_EQ(pin(device, bad[i].first, bad[i].pages, &id), ERR_RANGE);
    EXPECT_EQ(dma_pin_create(&memory->object, 8, PAGE_SIZE, 0, budget, &made), ERR_RANGE);
    EXPECT_EQ(dma_pin_create(&memory->object, 0, PAGE_SIZE + 8, 0, budget, &made), ERR_RANGE);
    over();
}

/* Every page is where its run says, in order, and runs are as long as they can be. */
TEST(runs_say_where_the_pages_are)
{
    struct pin *made;
    uint64_t page = 0;
    size_t count;

    REQUIRE(ready());
    /* Touched backwards, so that they do not all follow each other. */
    for (uint64_t i = PAGES; i-- > 0;) {
        paddr_t pa;
        EXPECT_EQ(memory_page_address(memory, i, true, &pa), OK);
    }
    REQUIRE(dma_pin_create(&memory->object, 0, PAGES * PAGE_SIZE, 0, budget, &made) == OK);
    const struct dma_run *run = dma_pin_runs(made, &count);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t at = 0; at < run[i].size_bytes; at += PAGE_SIZE, page++) {
            paddr_t pa;
            EXPECT_EQ(memory_page_address(memory, page, true, &pa), OK);
            EXPECT_EQ(pa.raw, run[i].address + at);
        }
        if (i > 0)
            EXPECT(run[i - 1].address + run[i - 1].size_bytes != run[i].address);
    }
    EXPECT_EQ(page, PAGES);
    dma_pin_destroy(made);
    over();
}

TEST(pages_in_too_many_places_are_not_pinned_at_once)
{
    struct memory *mine;
    uint64_t id = 0;

    REQUIRE(ready());
    mine = memory;
    REQUIRE(memory_create(budget, (uint64_t)2 * (DMA_RUNS_MAX + 1) * PAGE_SIZE, &memory) == OK);
    uint64_t before = used();
    /* What lies between them is not there while they are made. */
    for (uint64_t i = 0; i <= DMA_RUNS_MAX; i++) {
        paddr_t pa;
        EXPECT_EQ(memory_page_address(memory, 2 * i, true, &pa), OK);
    }
    EXPECT_EQ(pin(device, 0, 2 * DMA_RUNS_MAX + 2, &id), ERR_LIMIT);
    EXPECT_EQ(pin(device, 0, PAGES, &id), OK);
    EXPECT_EQ(unpin(device, id), OK);
    EXPECT(used() > before); /* the pages that it asked for are there now */
    EXPECT_EQ(object_end(&memory->object, &(struct work){ UINT32_MAX }), OK);
    memory_put(memory);
    memory = mine;
    over();
}

/* The driver is gone and has told nobody what its device is doing. */
TEST(pins_of_a_dead_driver_are_quarantined)
{
    struct frame *frames[2];
    uint64_t id = 0;
    paddr_t pa;

    REQUIRE(ready());
    uint64_t before = used();
    EXPECT_EQ(pin(device, 0, 2, &id), OK);
    for (uint64_t i = 0; i < 2; i++) {
        EXPECT_EQ(memory_page_address(memory, i, true, &pa), OK);
        frames[i] = frame_of(pa);
    }
    EXPECT_EQ(cspace_close(&cspace, device, &(struct work){ 10 }), OK);
    /* Neither budget nor Memory notice any more; the frames do. */
    EXPECT_EQ(decommit(), OK);
    EXPECT(used() <= before);
    for (uint64_t i = 0; i < 2; i++)
        EXPECT(frames[i]->references > 0 || frames[i]->state == FRAME_OWNED);
    /* Nothing is pinned for that device, by whatever capability; others are free. */
    uint64_t again = derive(root, 8, 1);
    uint64_t both = derive(root, 7, 2);
    uint64_t other = derive(root, 9, 1);
    uint64_t lower = derive(root, 7, 1);
    EXPECT_EQ(pin(again, 4, 1, &id), ERR_BUSY);
    EXPECT_EQ(pin(both, 4, 1, &id), ERR_BUSY);
    EXPECT_EQ(pin(lower, 4, 1, &id), OK);
    EXPECT_EQ(unpin(lower, id), OK);
    EXPECT_EQ(pin(other, 4, 1, &id), OK);
    /* Who may unpin for another device has nothing to say here. */
    EXPECT_EQ(unpin(other, 0), OK);
    EXPECT_EQ(pin(again, 4, 1, &id), ERR_BUSY);
    EXPECT_EQ(unpin(again, 0), OK);
    EXPECT_EQ(pin(again, 4, 1, &id), OK);
    EXPECT_EQ(unpin(again, id), OK);
    over();
}

/* Whoever pins another's memory does not keep the budget that paid for it from its end. */
TEST(pinned_memory_goes_with_its_budget_and_leaves_its_pages_to_the_device)
{
    struct budget *client;
    struct memory *mine;
    struct frame *frame;
    uint64_t id = 0, other = 0;
    paddr_t pa;

    REQUIRE(ready());
    mine = memory;
    REQUIRE(budget_create(budget, &client) == OK);
    REQUIRE(memory_create(client, PAGES * PAGE_SIZE, &memory) == OK);
    EXPECT_EQ(pin(device, 0, 2, &id), OK);
    EXPECT_EQ(memory_page_address(memory, 1, true, &pa), OK);
    frame = frame_of(pa);
    memory_put(memory);
    struct work little = { 1 };
    EXPECT_EQ(budget_destroy(client, &little), ERR_WOULD_BLOCK);
    EXPECT_EQ(budget_destroy(client, &(struct work){ WORK_SLICE }), OK);
    EXPECT_EQ(client->account[BUDGET_MEMORY].used, 0);
    EXPECT(frame->references > 0 || frame->state == FRAME_OWNED);
    /* Nobody pays for those pages, so there will be no more of them. */
    memory = mine;
    EXPECT_EQ(pin(device, 0, 1, &other), ERR_BUSY);
    EXPECT_EQ(unpin(device, id), OK);
    EXPECT_EQ(pin(device, 0, 1, &other), OK);
    EXPECT_EQ(unpin(device, other), OK);
    budget_put(client);
    over();
}

TEST(what_is_being_destroyed_is_not_pinned)
{
    uint64_t id = 0;

    REQUIRE(ready());
    EXPECT_EQ(object_end(&memory->object, &(struct work){ WORK_SLICE }), OK);
    EXPECT_EQ(pin(device, 0, 1, &id), ERR_DEAD);
    over();
}

TEST(a_revoked_driver_leaves_its_pins_to_the_parent)
{
    uint64_t id = 0;

    REQUIRE(ready());
    for (uint64_t i = 0; i < 3; i++)
        EXPECT_EQ(pin(device, i, 1, &id), OK);
    struct work little = { 1 };
    enum status status = ERR_WOULD_BLOCK;
    for (unsigned i = 0; i < 10 && status == ERR_WOULD_BLOCK; i++) {
        little.left = 1;
        status = cspace_revoke(&cspace, root, &little);
    }
    EXPECT_EQ(status, OK);
    little.left = 1;
    EXPECT_EQ(dma_unpin(&cspace, root, 0, &little), ERR_WOULD_BLOCK);
    EXPECT_EQ(unpin(root, 0), OK);
    over();
}

TEST(a_part_that_there_is_not_is_not_named)
{
    uint64_t part = 77;

    EXPECT_EQ(dma_part(0, DMA_DEVICES, 1, &part), ERR_RANGE);
    EXPECT_EQ(part, 77);
}

TEST(devices_are_split_and_never_grow)
{
    uint64_t part;
    uint64_t inner;

    EXPECT_EQ(dma_part(0, 8, 8, &part), OK);
    EXPECT_EQ(dma_part(part, 0, 9, &inner), ERR_RANGE);
    EXPECT_EQ(dma_part(part, 8, 1, &inner), ERR_RANGE);
    EXPECT_EQ(dma_part(part, UINT64_MAX, 2, &inner), ERR_RANGE);
    EXPECT_EQ(dma_part(part, 1, 0, &inner), ERR_RANGE);
    EXPECT_EQ(dma_part(part, 7, 1, &inner), OK);
    EXPECT_EQ(dma_part(0, DMA_DEVICES, 1, &part), ERR_RANGE);
}

TEST(pins_are_bounded_and_paid_for)
{
    uint64_t id = 0;

    REQUIRE(ready());
    for (unsigned i = 0; i < DMA_PINS_MAX; i++)
        EXPECT_EQ(pin(device, 0, 1, &id), OK);
    EXPECT_EQ(pin(device, 0, 1, &id), ERR_LIMIT);
    EXPECT_EQ(unpin(device, 0), OK);
    budget_limit(budget, BUDGET_MEMORY, used());
    EXPECT_EQ(pin(device, 0, 1, &id), ERR_LIMIT);
    budget_limit(budget, BUDGET_MEMORY, BUDGET_UNLIMITED);
    over();
}

/* No page follows another. */
static void touch_scattered(void)
{
    struct frame *between[PAGES];
    paddr_t pa;

    for (uint64_t i = 0; i < PAGES; i++) {
        EXPECT_EQ(memory_page_address(memory, i, true, &pa), OK);
        between[i] = NULL;
        EXPECT_EQ(frame_alloc(0, 0, &between[i]), OK);
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        if (between[i] != NULL)
            frame_put(between[i]);
    }
}

static void expect_owned_once(void)
{
    paddr_t pa = paddr(0);

    for (uint64_t i = 0; i < PAGES; i++) {
        EXPECT_EQ(memory_page_address(memory, i, false, &pa), OK);
        EXPECT_EQ(frame_of(pa)->references, 1);
    }
}

TEST(a_pin_has_a_limit_whatever_the_size_of_the_memory)
{
    struct memory *large;
    struct pin *made;

    REQUIRE(ready());
    REQUIRE(memory_create(budget, (DMA_PIN_PAGES_MAX + 1) * PAGE_SIZE, &large) == OK);
    EXPECT_EQ(
        dma_pin_create(&large->object, 0, (DMA_PIN_PAGES_MAX + 1) * PAGE_SIZE, 0, budget, &made),
        ERR_RANGE);
    EXPECT_EQ(memory_inspect(large).resident_pages, 0);
    memory_put(large);
    over();
}

TEST(registers_are_not_pinned)
{
    struct memory *registers;
    struct pin *made;

    REQUIRE(ready());
    REQUIRE(memory_create_physical(budget, paddr(BIT64(40)), PAGE_SIZE, PERM_DEVICE, &registers) ==
            OK);
    EXPECT_EQ(dma_pin_create(&registers->object, 0, PAGE_SIZE, 0, budget, &made), ERR_UNSUPPORTED);
    memory_put(registers);
    over();
}

/* Whatever fails, nothing is left behind. */
TEST(every_allocation_of_a_pin_may_fail)
{
    uint64_t id = 0;

    REQUIRE(ready());
    touch_scattered();
    uint64_t before = used();
    enum status status = ERR_NO_MEMORY;
    for (uint64_t nth = 1; nth < 8 && status == ERR_NO_MEMORY; nth++) {
        frame_fail_after(nth);
        status = pin(device, 0, PAGES, &id);
        frame_fail_after(0);
        if (status != OK) {
            EXPECT_EQ(used(), before);
            expect_owned_once();
        }
    }
    EXPECT_EQ(status, OK);
    EXPECT_EQ(used(), before + PAGE_SIZE);
    EXPECT_EQ(unpin(device, 0), OK);
    EXPECT_EQ(used(), before);
    expect_owned_once();
    over();
}

/* Its last capability is closed while another CPU pins it. */
HOST_TEST(memory_that_waits_to_be_freed_is_not_pinned)
{
    struct memory *going;
    struct pin *pin;

    REQUIRE(ready());
    REQUIRE(memory_create(budget, PAGE_SIZE, &going) == OK);
    grace_enable(true);
    memory_put(going);
    EXPECT_EQ(dma_pin_create(&going->object, 0, PAGE_SIZE, 0, budget, &pin), ERR_NOT_FOUND);
    simulation_grace_settle();
    over();
}

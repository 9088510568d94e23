/* The table and what is done with capabilities, each rule by itself. */
#include "cap_test.h"
#include <kernel/frame.h>
#include <kernel/slab.h>

#define ALL_RIGHTS object_type_rights(OBJECT_ENDPOINT)

static struct world world;

static enum status lookup(unsigned table, uint64_t handle, enum object_type type, uint32_t rights)
{
    struct capability_ref ref;
    enum status status = cspace_lookup(&world.table[table], handle, type, rights, &ref);

    if (status == OK)
        object_put(ref.object);
    return status;
}

static enum status mint(unsigned from, uint64_t handle, uint32_t rights, uint64_t badge,
                        unsigned to, uint64_t *handle_out)
{
    struct capability_mint how = { .rights = rights, .badge = badge };

    return cspace_copy(&world.table[from], handle, &how, &world.table[to], handle_out);
}

TEST(a_lookup_checks_handle_type_and_rights)
{
    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t weak;

    EXPECT_EQ(mint(0, handle, RIGHT_ENDPOINT_SEND, 0, 0, &weak), OK);
    EXPECT_EQ(lookup(0, handle, OBJECT_ENDPOINT, ALL_RIGHTS), OK);
    EXPECT_EQ(lookup(0, handle, OBJECT_THREAD, 0), ERR_NOT_FOUND);
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t right = (uint32_t)1 << bit;
        EXPECT_EQ(lookup(0, handle, OBJECT_ENDPOINT, right),
                  (ALL_RIGHTS & right) != 0 ? OK : ERR_ACCESS);
        EXPECT_EQ(lookup(0, weak, OBJECT_ENDPOINT, right),
                  right == RIGHT_ENDPOINT_SEND ? OK : ERR_ACCESS);
    }
    static const uint64_t wrong[] = { HANDLE_NONE,
                                      1,
                                      UINT32_MAX,
                                      UINT64_MAX,
                                      UINT64_C(1) << 32 | 4096,
                                      UINT64_C(2) << 32,
                                      UINT64_C(1) << 32 | 7 };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        EXPECT_EQ(lookup(0, wrong[i], OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(lookup(1, handle, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    struct capability *capability;
    EXPECT_EQ(capability_acquire(&world.table[0], handle, OBJECT_THREAD, 0, &capability),
              ERR_NOT_FOUND);
    EXPECT_EQ(capability_acquire(&world.table[0], weak, OBJECT_ENDPOINT, RIGHT_ENDPOINT_RECEIVE,
                                 &capability),
              ERR_ACCESS);
    world_destroy(&world);
}

TEST(a_stale_handle_never_names_the_next_object)
{
    REQUIRE(world_create(&world));
    uint64_t first = world_endpoint(&world, 0);
    EXPECT_EQ(close_all(&world.table[0], first), OK);
    EXPECT_EQ(things_alive, 0);
    uint64_t second = world_endpoint(&world, 0);

    EXPECT_EQ((uint32_t)first, (uint32_t)second); /* the same slot */
    EXPECT(first != second);
    EXPECT_EQ(lookup(0, first, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(close_all(&world.table[0], first), ERR_NOT_FOUND);
    EXPECT_EQ(revoke_all(&world.table[0], first), ERR_NOT_FOUND);
    EXPECT_EQ(lookup(0, second, OBJECT_ENDPOINT, 0), OK);
    world_destroy(&world);
}

TEST(a_slot_whose_generations_are_used_up_is_not_given_out_again)
{
    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint32_t index = (uint32_t)handle;

    EXPECT_EQ(close_all(&world.table[0], handle), OK);
    world.table[0].page[0][index].generation = UINT32_MAX;
    handle = world_endpoint(&world, 0);
    EXPECT_EQ(handle, (uint64_t)UINT32_MAX << 32 | index);
    EXPECT_EQ(lookup(0, handle, OBJECT_ENDPOINT, 0), OK);
    EXPECT_EQ(close_all(&world.table[0], handle), OK);
    EXPECT((uint32_t)world_endpoint(&world, 0) != index);
    EXPECT_EQ(lookup(0, handle, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(lookup(0, index, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    world_destroy(&world);
}

TEST(rights_only_shrink)
{
    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t weak;
    uint64_t copy;

    EXPECT_EQ(mint(0, handle, RIGHT_ENDPOINT_SEND | RIGHT_ANY_GRANT, 0, 1, &weak), OK);
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t right = (uint32_t)1 << bit;
        bool held = right == RIGHT_ENDPOINT_SEND || right == RIGHT_ANY_GRANT;
        EXPECT_EQ(mint(1, weak, right, 0, 1, &copy), held ? OK : ERR_ACCESS);
        EXPECT_EQ(mint(1, weak, right, 0, 2, &copy), held ? OK : ERR_ACCESS);
    }
    EXPECT_EQ(revoke_all(&world.table[1], weak), ERR_ACCESS);
    struct thing *thing = world_thing(&world, 0, handle);
    EXPECT_EQ(cspace_create(&world.table[0], &thing->object, ALL_RIGHTS | UINT32_C(1) << 31, &copy),
              ERR_INVALID);
    object_check(&thing->object);
    world_destroy(&world);
}

TEST(only_what_may_be_granted_leaves_its_table)
{
    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t kept;
    uint64_t out;

    EXPECT_EQ(mint(0, handle, ALL_RIGHTS & ~(uint32_t)RIGHT_ANY_GRANT, 0, 1, &kept), OK);
    EXPECT_EQ(mint(1, kept, 0, 0, 2, &out), ERR_ACCESS);
    EXPECT_EQ(cspace_move(&world.table[1], kept, &world.table[2], &out), ERR_ACCESS);
    EXPECT_EQ(mint(1, kept, 0, 0, 1, &out), OK);
    EXPECT_EQ(cspace_move(&world.table[1], kept, &world.table[1], &out), OK);
    EXPECT_EQ(lookup(1, kept, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(lookup(1, out, OBJECT_ENDPOINT, RIGHT_ENDPOINT_RECEIVE), OK);
    world_destroy(&world);
}

TEST(a_badge_is_set_once_by_who_may)
{
    struct capability_ref ref;

    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t badged;
    uint64_t copy;
    uint64_t sender;

    EXPECT_EQ(mint(0, handle, ALL_RIGHTS, 42, 1, &badged), OK);
    EXPECT_EQ(mint(1, badged, ALL_RIGHTS, 43, 1, &copy), ERR_ACCESS);
    EXPECT_EQ(mint(1, badged, ALL_RIGHTS, 42, 1, &copy), ERR_ACCESS);
    EXPECT_EQ(mint(1, badged, RIGHT_ENDPOINT_SEND, 0, 1, &copy), OK);
    EXPECT_EQ(cspace_lookup(&world.table[1], copy, OBJECT_ENDPOINT, 0, &ref), OK);
    EXPECT_EQ(ref.badge, 42);
    object_put(ref.object);
    EXPECT_EQ(mint(0, handle, RIGHT_ENDPOINT_SEND, 0, 1, &sender), OK);
    EXPECT_EQ(mint(1, sender, RIGHT_ENDPOINT_SEND, 42, 1, &copy), ERR_ACCESS);
    struct thing *thread = thing_create(OBJECT_THREAD, world.budget);
    REQUIRE(thread != NULL);
    EXPECT_EQ(cspace_create(&world.table[0], &thread->object, RIGHT_THREAD_STOP, &handle), OK);
    object_put(&thread->object);
    EXPECT_EQ(mint(0, handle, 0, 42, 0, &copy), ERR_INVALID);
    world_destroy(&world);
}

TEST(a_move_changes_the_place_and_nothing_else)
{
    struct handle_info info[4];
    uint32_t cursor = 0;

    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t child;
    uint64_t moved;

    EXPECT_EQ(mint(0, handle, ALL_RIGHTS, 7, 0, &child), OK);
    EXPECT_EQ(cspace_move(&world.table[0], handle, &world.table[1], &moved), OK);
    EXPECT_EQ(lookup(0, handle, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(cspace_inspect(&world.table[1], &cursor, info, ARRAY_LEN(info)), 1);
    EXPECT_EQ(info[0].handle, moved);
    EXPECT_EQ(info[0].origin, 1000);
    EXPECT_EQ(info[0].rights, ALL_RIGHTS);
    EXPECT_EQ(info[0].type, OBJECT_ENDPOINT);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), 2);
    EXPECT_EQ(revoke_all(&world.table[1], moved), OK);
    EXPECT_EQ(lookup(0, child, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    world_destroy(&world);
}

TEST(what_was_derived_survives_a_close_and_is_revoked_from_above)
{
    REQUIRE(world_create(&world));
    uint64_t top = world_endpoint(&world, 0);
    uint64_t middle;
    uint64_t low;
    uint64_t other;

    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[1], &middle), OK);
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[2], &low), OK);
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[2], &other), OK);
    EXPECT_EQ(close_all(&world.table[1], middle), OK);
    EXPECT_EQ(lookup(2, low, OBJECT_ENDPOINT, 0), OK);
    EXPECT_EQ(revoke_all(&world.table[2], low), OK);
    EXPECT_EQ(lookup(2, other, OBJECT_ENDPOINT, 0), OK);
    object_check(&world_thing(&world, 0, top)->object);
    EXPECT_EQ(revoke_all(&world.table[0], top), OK);
    EXPECT_EQ(lookup(2, low, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(lookup(2, other, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(lookup(0, top, OBJECT_ENDPOINT, 0), OK);
    EXPECT_EQ(world_thing(&world, 0, top)->detached, 3);
    world_destroy(&world);
}

TEST(under_revocation_nothing_is_derived_at_any_depth)
{
    struct work work = { .left = 1 };

    REQUIRE(world_create(&world));
    uint64_t top = world_endpoint(&world, 0);
    uint64_t middle;
    uint64_t low;
    uint64_t beside;
    uint64_t out;

    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[0], &beside), OK);
    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[1], &middle), OK);
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[2], &low), OK);
    EXPECT_EQ(copy_plain(&world.table[2], low, &world.table[2], &out), OK);
    EXPECT_EQ(cspace_revoke(&world.table[1], middle, &work), ERR_WOULD_BLOCK);
    EXPECT_EQ(lookup(2, out, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND); /* leaves first */
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[1], &out), ERR_STATE);
    EXPECT_EQ(copy_plain(&world.table[2], low, &world.table[2], &out), ERR_STATE);
    EXPECT_EQ(cspace_move(&world.table[1], middle, &world.table[1], &out), ERR_STATE);
    EXPECT_EQ(copy_plain(&world.table[0], beside, &world.table[0], &out), OK);
    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[0], &out), OK);
    EXPECT_EQ(revoke_all(&world.table[1], middle), OK);
    EXPECT_EQ(lookup(2, low, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[1], &out), OK);
    world_destroy(&world);
}

TEST(chains_of_copies_are_of_bounded_length)
{
    REQUIRE(world_create(&world));
    uint64_t chain[CAPABILITY_DEPTH_MAX + 1];
    unsigned count = 1;

    chain[0] = world_endpoint(&world, 0);
    while (count < ARRAY_LEN(chain) &&
           copy_plain(&world.table[0], chain[count - 1], &world.table[0], &chain[count]) == OK)
        count++;
    EXPECT_EQ(count, CAPABILITY_DEPTH_MAX);
    EXPECT_EQ(copy_plain(&world.table[0], chain[count - 1], &world.table[0], &chain[count]),
              ERR_LIMIT);
    EXPECT_EQ(close_all(&world.table[0], chain[1]), OK);
    EXPECT_EQ(copy_plain(&world.table[0], chain[count - 1], &world.table[0], &chain[count]), OK);
    world_destroy(&world);
}

TEST(closing_works_in_slices_and_is_dead_at_once)
{
    struct work one;
    unsigned slices = 0;

    REQUIRE(world_create(&world));
    uint64_t top = world_endpoint(&world, 0);
    uint64_t middle;
    uint64_t child;
    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[1], &middle), OK);
    for (unsigned i = 0; i < 10; i++)
        EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[2], &child), OK);
    world_thing(&world, 0, top)->detach_work = 5;
    enum status status = ERR_WOULD_BLOCK;
    for (; status == ERR_WOULD_BLOCK && slices < 100; slices++) {
        one.left = 1;
        status = cspace_close(&world.table[1], middle, &one);
        EXPECT_EQ(lookup(1, middle, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
        EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[1], &child), ERR_NOT_FOUND);
    }
    EXPECT_EQ(status, OK);
    EXPECT(slices >= 15);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), 11);
    world_destroy(&world);
}

TEST(closing_a_chain_passes_children_up_beyond_all_that_is_dying)
{
    struct work one = { .left = 1 };
    struct capability *capability;

    REQUIRE(world_create(&world));
    uint64_t top = world_endpoint(&world, 0);
    uint64_t middle;
    uint64_t low;
    uint64_t leaf;
    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[1], &middle), OK);
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[1], &low), OK);
    EXPECT_EQ(copy_plain(&world.table[1], low, &world.table[2], &leaf), OK);
    world_thing(&world, 0, top)->detach_work = 1;
    EXPECT_EQ(cspace_close(&world.table[1], middle, &one), ERR_WOULD_BLOCK);
    EXPECT_EQ(close_all(&world.table[1], low), OK);
    REQUIRE(capability_acquire(&world.table[2], leaf, OBJECT_ENDPOINT, 0, &capability) == OK);
    EXPECT(capability->parent->cspace == &world.table[0]);
    EXPECT_EQ(capability->parent->handle, top);
    capability_release(capability);
    EXPECT_EQ(close_all(&world.table[1], middle), OK);
    world_destroy(&world);
}

TEST(the_last_capability_retires_the_object_in_slices)
{
    struct work one = { .left = 1 };

    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t copy;
    EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[1], &copy), OK);
    struct thing *thing = world_thing(&world, 0, handle);
    REQUIRE(thing != NULL);
    object_get(&thing->object);
    thing->retire_work = 2;
    EXPECT_EQ(close_all(&world.table[0], handle), OK);
    EXPECT_EQ(thing->orphaned, 0);
    EXPECT_EQ(cspace_close(&world.table[1], copy, &one), ERR_WOULD_BLOCK);
    EXPECT_EQ(lookup(1, copy, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    one.left = 1;
    EXPECT_EQ(cspace_close(&world.table[1], copy, &one), OK);
    EXPECT_EQ(thing->orphaned, 1);
    EXPECT_EQ(things_alive, 1);
    object_put(&thing->object);
    EXPECT_EQ(things_alive, 0);
    world_destroy(&world);
}

TEST(the_limits_of_the_budget_hold)
{
    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t before = budget_used(world.budget, BUDGET_MEMORY);
    uint64_t copy;

    budget_limit(world.budget, BUDGET_CAPABILITIES, 1);
    EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[0], &copy), ERR_LIMIT);
    EXPECT_EQ(cspace_move(&world.table[0], handle, &world.table[1], &copy), ERR_LIMIT);
    budget_limit(world.budget, BUDGET_CAPABILITIES, 2);
    budget_limit(world.budget, BUDGET_MEMORY, before + sizeof(struct capability) - 1);
    EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[0], &copy), ERR_LIMIT);
    budget_limit(world.budget, BUDGET_MEMORY, before + sizeof(struct capability));
    EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[1], &copy), ERR_LIMIT);
    EXPECT_EQ(budget_used(world.budget, BUDGET_MEMORY), before);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), 1);
    EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[0], &copy), OK);
    EXPECT_EQ(budget_used(world.budget, BUDGET_MEMORY), before + sizeof(struct capability));
    world_destroy(&world);
}

TEST(a_table_grows_and_inspect_lists_all_of_it)
{
    enum { COUNT = 3 * SLOTS_PER_PAGE + 5 };
    struct handle_info info[16];
    uint64_t sum = 0;
    uint64_t seen = 0;
    unsigned count = 0;
    uint32_t cursor = 0;

    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t copy = HANDLE_NONE;
        EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[1], &copy), OK);
        sum += copy;
    }
    do {
        size_t found = cspace_inspect(&world.table[1], &cursor, info, ARRAY_LEN(info));
        for (size_t i = 0; i < found; i++) {
            seen += info[i].handle;
            EXPECT_EQ(info[i].object_id, world_thing(&world, 0, handle)->object.id);
        }
        count += (unsigned)found;
    } while (cursor != 0);
    EXPECT_EQ(count, COUNT);
    EXPECT_EQ(seen, sum);
    EXPECT_EQ(world.table[1].page_count, 4);
    EXPECT_EQ(revoke_all(&world.table[0], handle), OK);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), 1);
    world_destroy(&world);
}

/* The page of addresses of its pages is full then. */
TEST(a_table_does_not_grow_beyond_its_last_page)
{
    struct cspace *table = &world.table[0];
    uint64_t more;

    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint32_t pages = table->page_count;
    uint32_t free_head = table->free_head;
    table->page_count = PAGE_SIZE / sizeof(struct slot *);
    table->free_head = UINT32_MAX;
    EXPECT_EQ(copy_plain(table, handle, table, &more), ERR_LIMIT);
    EXPECT_EQ(table->page_count, PAGE_SIZE / sizeof(struct slot *));
    table->page_count = pages;
    table->free_head = free_head;
    world_destroy(&world);
}

TEST(a_table_that_was_cleared_takes_nothing)
{
    struct work work = { .left = 3 };

    REQUIRE(world_create(&world));
    uint64_t handle = world_endpoint(&world, 0);
    uint64_t copy;
    EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[1], &copy), OK);
    while (cspace_clear(&world.table[1], &work) == ERR_WOULD_BLOCK)
        work.left = 1;
    EXPECT_EQ(copy_plain(&world.table[0], handle, &world.table[1], &copy), ERR_DEAD);
    EXPECT_EQ(cspace_move(&world.table[0], handle, &world.table[1], &copy), ERR_DEAD);
    EXPECT_EQ(lookup(1, copy, OBJECT_ENDPOINT, 0), ERR_NOT_FOUND);
    EXPECT_EQ(lookup(0, handle, OBJECT_ENDPOINT, 0), OK);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), 1);
    world_destroy(&world);
}

/* Everything that allocates, once; false as soon as something had no memory. */
static bool build(void)
{
    uint64_t copy;

    if (!world_create(&world))
        return false;
    uint64_t handle = world_endpoint(&world, 0);
    bool built = handle != HANDLE_NONE &&
                 copy_plain(&world.table[0], handle, &world.table[1], &copy) == OK &&
                 cspace_move(&world.table[0], handle, &world.table[2], &copy) == OK;
    world_destroy(&world);
    return built;
}

/* Whatever fails, world_destroy finds every account at zero. */
TEST(each_allocation_may_fail)
{
    static void (*const fail_after[])(uint64_t) = { slab_fail_after, frame_fail_after };

    for (size_t kind = 0; kind < ARRAY_LEN(fail_after); kind++) {
        unsigned nth = 0;
        bool built = false;
        while (!built && nth < 100 && !test_has_failed()) {
            fail_after[kind](++nth);
            built = build();
            fail_after[kind](0);
        }
        EXPECT(built && nth > 5);
    }
}

/* Budgets: exact to the byte in every direction. */
#include "cap_test.h"
#include <arch/simulation.h>
#include <kernel/grace.h>
#include <kernel/memory.h>
#include <kernel/notification.h>
#include <kernel/slab.h>
#include <kernel/vspace.h>

/* True if it was signalled since the last time. */
static bool rang(struct notification *alarm)
{
    bool rang = alarm->bits != 0;

    alarm->bits = 0;
    return rang;
}

/* A chain of budgets, each below the one before. */
static unsigned chain_create(struct budget **chain, unsigned max)
{
    unsigned count = 0;

    while (count < max && budget_create(count > 0 ? chain[count - 1] : NULL, &chain[count]) == OK)
        count++;
    return count;
}

static void chain_put(struct budget **chain, unsigned count)
{
    while (count-- > 0)
        budget_put(chain[count]);
}

TEST(a_charge_is_booked_on_every_level_or_on_none)
{
    struct budget *chain[3];

    REQUIRE(chain_create(chain, 3) == 3);
    budget_limit(chain[0], BUDGET_THREADS, 10);
    budget_limit(chain[2], BUDGET_THREADS, 20);
    EXPECT_EQ(budget_charge(chain[2], BUDGET_THREADS, 10), OK);
    EXPECT_EQ(budget_charge(chain[2], BUDGET_THREADS, 1), ERR_LIMIT);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 1), ERR_LIMIT);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(budget_used(chain[i], BUDGET_THREADS), 10);
    budget_uncharge(chain[2], BUDGET_THREADS, 10);
    EXPECT_EQ(budget_charge(chain[2], BUDGET_THREADS, UINT64_MAX), ERR_LIMIT);
    budget_limit(chain[2], BUDGET_THREADS, 5);
    EXPECT_EQ(budget_charge(chain[2], BUDGET_THREADS, 6), ERR_LIMIT);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 6), OK);
    EXPECT_EQ(budget_used(chain[2], BUDGET_THREADS), 0);
    EXPECT_EQ(budget_used(chain[0], BUDGET_THREADS), 6);
    budget_uncharge(chain[1], BUDGET_THREADS, 6);
    chain_put(chain, 3);
}

TEST(a_sum_that_overflows_is_over_the_limit)
{
    struct budget *root;

    REQUIRE(budget_create(NULL, &root) == OK);
    EXPECT_EQ(budget_charge(root, BUDGET_MEMORY, UINT64_MAX - 5), OK);
    EXPECT_EQ(budget_charge(root, BUDGET_MEMORY, 6), ERR_LIMIT);
    EXPECT_EQ(budget_charge(root, BUDGET_MEMORY, 5), OK);
    budget_uncharge(root, BUDGET_MEMORY, UINT64_MAX);
    budget_put(root);
}

TEST(a_soft_limit_is_told_once_for_each_crossing)
{
    struct object *object;
    struct budget *chain[2];

    REQUIRE(chain_create(chain, 2) == 2);
    REQUIRE(notification_create(NULL, &object) == OK);
    struct notification *alarm = object_as_notification(object);
    EXPECT_EQ(signal_target_bind(&chain[0]->soft, alarm, 1), OK);
    budget_limit_soft(chain[0], BUDGET_THREADS, 5);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 5), OK);
    EXPECT(!rang(alarm));
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 1), OK);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 3), OK);
    EXPECT(rang(alarm));
    budget_uncharge(chain[1], BUDGET_THREADS, 3);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 3), OK);
    EXPECT(!rang(alarm)); /* it never was at the limit again */
    budget_uncharge(chain[1], BUDGET_THREADS, 4);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 2), OK);
    EXPECT(rang(alarm));
    budget_limit_soft(chain[0], BUDGET_THREADS, 6); /* what is above already is not told */
    budget_limit(chain[0], BUDGET_THREADS, 7);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 1), ERR_LIMIT);
    EXPECT(!rang(alarm));
    signal_target_clear(&chain[0]->soft);
    budget_uncharge(chain[1], BUDGET_THREADS, 7);
    budget_limit_soft(chain[0], BUDGET_THREADS, 0);
    EXPECT_EQ(budget_charge(chain[1], BUDGET_THREADS, 1), OK);
    budget_uncharge(chain[1], BUDGET_THREADS, 1);
    EXPECT(!rang(alarm));
    object_put(object);
    chain_put(chain, 2);
}

TEST(the_tree_is_of_bounded_depth)
{
    struct budget *chain[BUDGET_DEPTH_MAX + 1];
    unsigned count = chain_create(chain, ARRAY_LEN(chain));

    EXPECT_EQ(count, BUDGET_DEPTH_MAX);
    chain_put(chain, count);
}

TEST(the_last_object_takes_its_chain_of_budgets_with_it)
{
    struct budget *chain[BUDGET_DEPTH_MAX];

    REQUIRE(chain_create(chain, BUDGET_DEPTH_MAX) == BUDGET_DEPTH_MAX);
    struct thing *thing = thing_create(OBJECT_ENDPOINT, chain[BUDGET_DEPTH_MAX - 1]);
    REQUIRE(thing != NULL);
    for (unsigned i = 1; i < BUDGET_DEPTH_MAX; i++)
        budget_put(chain[i]);
    EXPECT_EQ(budget_used(chain[0], BUDGET_MEMORY),
              (BUDGET_DEPTH_MAX - 1) * sizeof(struct budget) + sizeof(struct thing));
    object_put(&thing->object);
    EXPECT_EQ(budget_used(chain[0], BUDGET_MEMORY), 0);
    budget_put(chain[0]);
}

/* Destroy in slices of one unit; the number of them, or 0 if it never ends. */
static unsigned destroy_in_slices(struct budget *budget)
{
    for (unsigned slices = 1; slices < 1000; slices++) {
        struct work work = { .left = 1 };
        enum status status = budget_destroy(budget, &work);
        if (status == OK)
            return slices;
        EXPECT_EQ(status, ERR_WOULD_BLOCK);
    }
    return 0;
}

TEST(destroying_takes_all_that_was_paid_for_and_what_lies_below)
{
    struct world world;
    struct budget *part;
    struct budget *lower;
    uint64_t handle[8];

    REQUIRE(world_create(&world));
    uint64_t before = budget_used(world.budget, BUDGET_MEMORY);
    REQUIRE(budget_create(world.budget, &part) == OK);
    REQUIRE(budget_create(part, &lower) == OK);
    for (unsigned i = 0; i < ARRAY_LEN(handle); i++) {
        struct thing *thing = thing_create(OBJECT_ENDPOINT, i % 2 == 0 ? part : lower);
        REQUIRE(thing != NULL);
        thing->retire_work = i;
        EXPECT_EQ(cspace_create(&world.table[0], &thing->object,
                                object_type_rights(OBJECT_ENDPOINT), &handle[i]),
                  OK);
        uint64_t copy;
        EXPECT_EQ(copy_plain(&world.table[0], handle[i], &world.table[1], &copy), OK);
        object_put(&thing->object);
    }
    budget_put(lower);
    EXPECT(destroy_in_slices(part) > ARRAY_LEN(handle));
    EXPECT_EQ(things_alive, 0);
    for (unsigned i = 0; i < ARRAY_LEN(handle); i++)
        EXPECT(!handle_works(&world.table[0], handle[i]));
    EXPECT_EQ(budget_charge(part, BUDGET_THREADS, 1), ERR_DEAD);
    EXPECT(thing_create(OBJECT_ENDPOINT, part) == NULL);
    EXPECT_EQ(budget_create(part, &lower), ERR_DEAD);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), 0);
    budget_put(part);
    EXPECT_EQ(budget_used(world.budget, BUDGET_MEMORY), before + 2 * PAGE_SIZE);
    world_destroy(&world);
}

TEST(what_is_being_destroyed_is_given_to_nobody)
{
    struct work one = { .left = 1 };
    struct world world;
    struct budget *part;
    uint64_t top;
    uint64_t copy;

    REQUIRE(world_create(&world));
    REQUIRE(budget_create(world.root, &part) == OK);
    struct thing *thing = thing_create(OBJECT_ENDPOINT, part);
    REQUIRE(thing != NULL);
    EXPECT_EQ(
        cspace_create(&world.table[0], &thing->object, object_type_rights(OBJECT_ENDPOINT), &top),
        OK);
    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[1], &copy), OK);
    EXPECT_EQ(budget_destroy(part, &one), ERR_WOULD_BLOCK);
    EXPECT(handle_works(&world.table[0], top)); /* so far */
    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[0], &copy), ERR_DEAD);
    EXPECT_EQ(cspace_create(&world.table[0], &thing->object, 0, &copy), ERR_DEAD);
    object_put(&thing->object);
    EXPECT(destroy_in_slices(part) > 0);
    budget_put(part);
    world_destroy(&world);
}

TEST(destroying_waits_for_references_that_others_hold)
{
    struct work work = { .left = 1000 };
    struct budget *root;
    struct budget *part;

    REQUIRE(budget_create(NULL, &root) == OK);
    REQUIRE(budget_create(root, &part) == OK);
    struct thing *thing = thing_create(OBJECT_ENDPOINT, part);
    struct thing *other = thing_create(OBJECT_ENDPOINT, part);
    REQUIRE(thing != NULL && other != NULL);
    EXPECT_EQ(budget_destroy(part, &work), ERR_WOULD_BLOCK);
    EXPECT_EQ(thing->destroyed, 1);
    EXPECT_EQ(other->destroyed, 1);
    EXPECT_EQ(budget_destroy(part, &work), ERR_WOULD_BLOCK);
    EXPECT_EQ(thing->destroyed, 1);
    object_put(&thing->object);
    EXPECT_EQ(budget_destroy(part, &work), ERR_WOULD_BLOCK);
    object_put(&other->object);
    EXPECT_EQ(budget_destroy(part, &work), OK);
    budget_put(part);
    budget_put(root);
}

/* Whoever looked it up may still use it, but nothing that lasts comes of that. */
HOST_TEST(a_budget_that_waits_to_be_freed_pays_for_nothing_new)
{
    struct budget *budget;
    struct memory *memory;
    struct vspace *vspace;
    struct cspace cspace;

    REQUIRE(budget_create(NULL, &budget) == OK);
    grace_enable(true);
    budget_put(budget);
    EXPECT_EQ(memory_create(budget, PAGE_SIZE, &memory), ERR_DEAD);
    EXPECT_EQ(vspace_create(budget, &vspace), ERR_DEAD);
    EXPECT_EQ(cspace_init(&cspace, budget, 1), ERR_DEAD);
    EXPECT_EQ(budget->account[BUDGET_MEMORY].used, 0);
    simulation_grace_settle();
}

TEST(a_budget_without_memory_is_not_made)
{
    struct budget *root;
    struct budget *part;

    REQUIRE(budget_create(NULL, &root) == OK);
    slab_fail_after(1);
    EXPECT_EQ(budget_create(root, &part), ERR_NO_MEMORY);
    slab_fail_after(0);
    EXPECT_EQ(budget_used(root, BUDGET_MEMORY), 0);
    budget_put(root);
}

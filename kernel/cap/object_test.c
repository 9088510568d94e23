/* Objects: names, references, and who pays. */
#include "cap_test.h"

TEST(the_last_reference_destroys_and_gives_the_charge_back)
{
    struct budget *root;

    REQUIRE(budget_create(NULL, &root) == OK);
    struct thing *thing = thing_create(OBJECT_ENDPOINT, root);
    REQUIRE(thing != NULL);
    EXPECT_EQ(budget_used(root, BUDGET_MEMORY), sizeof(struct thing));
    object_get(&thing->object);
    object_put(&thing->object);
    EXPECT(object_try_get(&thing->object));
    object_put(&thing->object);
    EXPECT_EQ(things_alive, 1);
    object_put(&thing->object);
    EXPECT_EQ(things_alive, 0);
    EXPECT_EQ(budget_used(root, BUDGET_MEMORY), 0);
    budget_put(root);
}

/* What takes long is done in slices before. */
TEST(the_end_of_an_object_waits_until_it_is_drained)
{
    struct budget *root;

    REQUIRE(budget_create(NULL, &root) == OK);
    struct thing *thing = thing_create(OBJECT_ENDPOINT, root);
    REQUIRE(thing != NULL);
    thing->drain_work = 3 * WORK_SLICE;
    object_put(&thing->object);
    EXPECT_EQ(things_alive, 0);
    EXPECT_EQ(things_drained, 3);
    EXPECT_EQ(budget_used(root, BUDGET_MEMORY), 0);
    budget_put(root);
}

TEST(what_has_no_reference_left_cannot_be_had)
{
    struct object object = { .references = 0 };

    EXPECT(!object_try_get(&object));
    EXPECT_EQ(object.references, 0);
}

TEST(ids_are_never_the_same)
{
    struct budget *root;

    REQUIRE(budget_create(NULL, &root) == OK);
    struct thing *first = thing_create(OBJECT_ENDPOINT, root);
    REQUIRE(first != NULL);
    uint64_t id = first->object.id;
    object_put(&first->object);
    struct thing *second = thing_create(OBJECT_ENDPOINT, root);
    REQUIRE(second != NULL);
    EXPECT(second->object.id > id);
    object_put(&second->object);
    budget_put(root);
}

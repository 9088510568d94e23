/* Two CPUs in the capability system at once.
 *
 * An operation gives up all its locks at a few points and nowhere else can another come in between.
 * For each pair of operations, the second runs at each of those points of the first, complete. Then
 * the forest must be whole, each handle must name what it may name, and in the end every account
 * is at zero. On real CPUs more can happen only inside a lock, which is the lock's matter.
 */
#include "cap_test.h"
#include <arch/simulation.h>
#include <kernel/notification.h>

enum { POINT_MAX = 60, OTHER_CPU = 1 };

/*   top (table 0) -- middle (table 1) -- low (table 2)
 *                                     \- beside (table 0)
 */
static struct world world;
static struct object *object; /* counted by the test */
static uint64_t top;
static uint64_t middle;
static uint64_t low;
static uint64_t beside;
static struct budget *part;  /* pays for the object */
static struct budget *lower; /* below that */
static enum status first_status;
static enum status second_status;
static bool revoked; /* a revocation of `top` has said OK, and nothing was derived from it since */

static enum status copy_low(void)
{
    uint64_t out;
    return copy_plain(&world.table[2], low, &world.table[1], &out);
}

static enum status copy_middle(void)
{
    uint64_t out;
    return copy_plain(&world.table[1], middle, &world.table[2], &out);
}

static enum status move_middle(void)
{
    uint64_t out;
    return cspace_move(&world.table[1], middle, &world.table[2], &out);
}

static enum status move_low(void)
{
    uint64_t out;
    return cspace_move(&world.table[2], low, &world.table[0], &out);
}

static enum status close_top(void)
{
    return close_all(&world.table[0], top);
}

static enum status close_middle(void)
{
    return close_all(&world.table[1], middle);
}

static enum status close_low(void)
{
    return close_all(&world.table[2], low);
}

static enum status revoke_top(void)
{
    enum status status = revoke_all(&world.table[0], top);

    revoked = revoked || status == OK;
    return status;
}

/* One removal at a time, so that others come in between those. */
static enum status revoke_top_in_slices(void)
{
    enum status status = ERR_WOULD_BLOCK;

    while (status == ERR_WOULD_BLOCK) {
        struct work one = { .left = 1 };
        status = cspace_revoke(&world.table[0], top, &one);
    }
    revoked = revoked || status == OK;
    return status;
}

static enum status revoke_middle(void)
{
    return revoke_all(&world.table[1], middle);
}

static enum status clear(unsigned table)
{
    struct work work = { .left = 1000 };

    return cspace_clear(&world.table[table], &work);
}

static enum status clear_0(void)
{
    return clear(0);
}

static enum status clear_1(void)
{
    return clear(1);
}

static enum status clear_2(void)
{
    return clear(2);
}

static enum status destroy_part(void)
{
    struct work work = { .left = 1000 };

    return budget_destroy(part, &work);
}

static enum status create_in_lower(void)
{
    struct thing *thing = thing_create(OBJECT_ENDPOINT, lower);

    if (thing == NULL)
        return ERR_DEAD;
    uint64_t handle;
    enum status status =
        cspace_create(&world.table[1], &thing->object, RIGHT_ENDPOINT_SEND, &handle);
    object_put(&thing->object);
    return status;
}

static enum status split_lower(void)
{
    struct budget *budget;
    enum status status = budget_create(lower, &budget);

    if (status == OK)
        budget_put(budget);
    return status;
}

static enum status create_another(void)
{
    uint64_t handle;
    return cspace_create(&world.table[1], object, RIGHT_ENDPOINT_SEND, &handle);
}

static enum status look_up_low(void)
{
    return handle_works(&world.table[2], low) ? OK : ERR_NOT_FOUND;
}

static enum status (*const operation[])(void) = {
    copy_low,        copy_middle,  move_middle,    move_low, close_top,
    close_middle,    close_low,    revoke_top,     clear_0,  revoke_top_in_slices,
    create_in_lower, split_lower,  create_another, clear_1,  revoke_middle,
    clear_2,         destroy_part, look_up_low,
};

static void setup(void)
{
    REQUIRE(world_create(&world));
    REQUIRE(budget_create(world.root, &part) == OK);
    REQUIRE(budget_create(part, &lower) == OK);
    struct thing *thing = thing_create(OBJECT_ENDPOINT, part);
    REQUIRE(thing != NULL);
    object = &thing->object;
    EXPECT_EQ(cspace_create(&world.table[0], object, object_type_rights(OBJECT_ENDPOINT), &top),
              OK);
    EXPECT_EQ(copy_plain(&world.table[0], top, &world.table[1], &middle), OK);
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[2], &low), OK);
    EXPECT_EQ(copy_plain(&world.table[1], middle, &world.table[0], &beside), OK);
    revoked = false;
}

/* What an operation may say when another comes in between: that it found nothing left to do, or
 * that it has to be called again.
 */
static bool status_is_fair(enum status status)
{
    return status == OK || status == ERR_NOT_FOUND || status == ERR_STATE || status == ERR_DEAD ||
           status == ERR_WOULD_BLOCK;
}

static void check_and_end(void)
{
    struct work work = { .left = 1000 };

    EXPECT(status_is_fair(first_status) && status_is_fair(second_status));
    object_check(object);
    EXPECT_EQ(object->references, object->capability_count + 1);
    EXPECT(budget_used(world.budget, BUDGET_CAPABILITIES) >= object->capability_count);
    if (revoked) {
        EXPECT(!handle_works(&world.table[1], middle));
        EXPECT(!handle_works(&world.table[2], low));
        EXPECT(!handle_works(&world.table[0], beside));
    }
    object_put(object);
    budget_put(lower);
    EXPECT_EQ(budget_destroy(part, &work), OK);
    budget_put(part);
    EXPECT_EQ(budget_used(world.budget, BUDGET_CAPABILITIES), 0);
    world_destroy(&world);
}

static enum status (*second)(void);

static void run_second(void)
{
    second_status = second();
}

/* False when the first has fewer points than that. */
static bool race(enum status (*first)(void), unsigned point)
{
    setup();
    second_status = OK;
    (void)simulation_interleave(point, OTHER_CPU, run_second);
    first_status = first();
    bool reached = simulation_interleave(0, 0, NULL);
    check_and_end();
    return reached;
}

HOST_TEST(any_two_operations_in_any_order_leave_all_whole)
{
    unsigned points = 0;

    for (size_t a = 0; a < ARRAY_LEN(operation); a++) {
        for (size_t b = 0; b < ARRAY_LEN(operation); b++) {
            unsigned point = 1;
            second = operation[b];
            while (!test_has_failed() && point < POINT_MAX && race(operation[a], point))
                point++;
            EXPECT(point < POINT_MAX);
            points += point;
            if (test_has_failed()) {
                test_note("operations %zu and %zu, point %u", a, b, point);
                return;
            }
        }
    }
    EXPECT(points > 3 * ARRAY_LEN(operation) * ARRAY_LEN(operation));
}

static void charge_ten(void)
{
    EXPECT_EQ(budget_charge(part, BUDGET_THREADS, 10), OK);
}

static void give_back_fifteen(void)
{
    budget_uncharge(part, BUDGET_THREADS, 15);
}

/* The second CPU comes where the first has seen the crossing and is about to say so. */
HOST_TEST(a_crossing_that_two_see_is_told_once)
{
    struct object *bell;

    REQUIRE(budget_create(NULL, &part) == OK && notification_create(NULL, &bell) == OK);
    struct notification *alarm = object_as_notification(bell);
    EXPECT_EQ(signal_target_bind(&part->soft, alarm, 1), OK);
    budget_limit_soft(part, BUDGET_THREADS, 5);
    (void)simulation_interleave(1, OTHER_CPU, charge_ten);
    charge_ten();
    EXPECT(simulation_interleave(0, 0, NULL));
    EXPECT_EQ(alarm->bits, 1);
    alarm->bits = 0;
    EXPECT(part->account[BUDGET_THREADS].above);
    budget_uncharge(part, BUDGET_THREADS, 5);
    (void)simulation_interleave(1, OTHER_CPU, charge_ten); /* down and up again: as if nothing */
    give_back_fifteen();
    EXPECT(simulation_interleave(0, 0, NULL));
    EXPECT(part->account[BUDGET_THREADS].above);
    budget_uncharge(part, BUDGET_THREADS, 10);
    EXPECT(!part->account[BUDGET_THREADS].above);
    (void)simulation_interleave(1, OTHER_CPU, give_back_fifteen);
    EXPECT_EQ(budget_charge(part, BUDGET_THREADS, 15), OK);
    EXPECT(simulation_interleave(0, 0, NULL));
    EXPECT_EQ(alarm->bits, 0);
    EXPECT(!part->account[BUDGET_THREADS].above);
    object_put(bell);
    budget_put(part);
}

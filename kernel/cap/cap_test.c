/* The world that the tests of this folder share (cap_test.h). */
#include "cap_test.h"
#include <kernel/slab.h>

static struct slab_cache thing_cache = SLAB_CACHE_INIT("test thing", struct thing);
uint32_t things_alive, things_drained;

static struct thing *thing_of(struct object *object)
{
    return CONTAINER_OF(object, struct thing, object);
}

static enum status work_off(uint32_t *units, struct work *work)
{
    for (; *units > 0; (*units)--) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        work_spend(work);
    }
    return OK;
}

static enum status thing_detach(struct object *object, struct capability *capability,
                                struct work *work)
{
    enum status status = work_off(&thing_of(object)->detach_work, work);

    EXPECT(capability->object == object && spinlock_held(&object->lock));
    if (status == OK)
        thing_of(object)->detached++;
    return status;
}

static enum status thing_retire(struct object *object, enum object_end why, struct work *work)
{
    struct thing *thing = thing_of(object);
    enum status status = work_off(&thing->retire_work, work);

    EXPECT_EQ(cpu_self()->lock_depth, 0);
    if (status == OK && why == OBJECT_ORPHANED)
        thing->orphaned++;
    else if (status == OK)
        thing->destroyed++;
    return status;
}

static enum status thing_drain(struct object *object, struct work *work)
{
    things_drained += thing_of(object)->drain_work > 0;
    return work_off(&thing_of(object)->drain_work, work);
}

static void thing_destroy(struct object *object)
{
    (void)object;
    things_alive--;
}

static const struct object_ops thing_ops = { .type = OBJECT_ENDPOINT,
                                             .cache = &thing_cache,
                                             .detach = thing_detach,
                                             .retire = thing_retire,
                                             .drain = thing_drain,
                                             .destroy = thing_destroy,
                                             .badge_rights = RIGHT_ENDPOINT_RECEIVE };
static const struct object_ops plain_ops = { .type = OBJECT_THREAD,
                                             .cache = &thing_cache,
                                             .destroy = thing_destroy };

struct thing *thing_create(enum object_type type, struct budget *payer)
{
    const struct object_ops *ops = type == OBJECT_ENDPOINT ? &thing_ops : &plain_ops;
    struct thing *thing;

    if (object_alloc(ops, payer, &thing) != OK)
        return NULL;
    things_alive++; /* until it is destroyed, which may be at once */
    return object_publish(&thing->object, &thing) == OK ? thing : NULL;
}

bool world_create(struct world *world)
{
    if (budget_create(NULL, &world->root) != OK)
        return false;
    if (budget_create(world->root, &world->budget) != OK) {
        budget_put(world->root);
        return false;
    }
    for (unsigned i = 0; i < WORLD_TABLES; i++) {
        if (cspace_init(&world->table[i], world->budget, 1000 + i) != OK) {
            while (i-- > 0)
                EXPECT_EQ(cspace_clear(&world->table[i], &(struct work){ .left = 10 }), OK);
            budget_put(world->budget);
            budget_put(world->root);
            return false;
        }
    }
    return true;
}

void world_destroy(struct world *world)
{
    for (unsigned i = 0; i < WORLD_TABLES; i++) {
        struct work work = { .left = UINT32_MAX };
        EXPECT_EQ(cspace_clear(&world->table[i], &work), OK);
    }
    EXPECT_EQ(things_alive, 0);
    EXPECT_EQ(budget_used(world->budget, BUDGET_MEMORY), 0);
    EXPECT_EQ(budget_used(world->budget, BUDGET_CAPABILITIES), 0);
    budget_put(world->budget);
    EXPECT_EQ(budget_used(world->root, BUDGET_MEMORY), 0);
    budget_put(world->root);
}

uint64_t world_endpoint(struct world *world, unsigned table)
{
    struct thing *thing = thing_create(OBJECT_ENDPOINT, world->budget);
    uint64_t handle = HANDLE_NONE;

    if (thing == NULL)
        return HANDLE_NONE;
    if (cspace_create(&world->table[table], &thing->object, object_type_rights(OBJECT_ENDPOINT),
                      &handle) != OK)
        handle = HANDLE_NONE;
    object_put(&thing->object);
    return handle;
}

struct thing *world_thing(struct world *world, unsigned table, uint64_t handle)
{
    struct capability_ref ref;

    if (cspace_lookup(&world->table[table], handle, OBJECT_ENDPOINT, 0, &ref) != OK)
        return NULL;
    object_put(ref.object);
    return thing_of(ref.object);
}

uint64_t budget_used(const struct budget *budget, enum budget_kind kind)
{
    struct object_info_budget info;

    budget_inspect(budget, &info);
    return info.used[kind];
}

enum status close_all(struct cspace *cspace, uint64_t handle)
{
    struct work work = { .left = UINT32_MAX };

    return cspace_close(cspace, handle, &work);
}

enum status revoke_all(struct cspace *cspace, uint64_t handle)
{
    struct work work = { .left = UINT32_MAX };

    return cspace_revoke(cspace, handle, &work);
}

enum status copy_plain(struct cspace *from, uint64_t handle, struct cspace *to,
                       uint64_t *handle_out)
{
    struct capability_mint mint = { .rights = object_type_rights(OBJECT_ENDPOINT) };

    return cspace_copy(from, handle, &mint, to, handle_out);
}

bool handle_works(struct cspace *cspace, uint64_t handle)
{
    struct capability_ref ref;

    if (cspace_lookup(cspace, handle, OBJECT_ENDPOINT, 0, &ref) != OK)
        return false;
    object_put(ref.object);
    return true;
}

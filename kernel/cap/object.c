/* Objects: who refers to them, who pays for them, and how they end. */
#include "cap_impl.h"
#include <kernel/panic.h>

static uint64_t last_id; /* [A] */

uint64_t object_last_id(void)
{
    return __atomic_load_n(&last_id, __ATOMIC_RELAXED);
}

enum status object_init(struct object *object, enum object_type type, const struct object_ops *ops,
                        struct budget *payer, uint64_t size_bytes)
{
    object->ops = ops;
    object->type = type;
    object->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    object->references = 1;
    spinlock_init(&object->lock, RANK_OBJECT);
    list_init(&object->roots);
    object->capability_count = 0;
    object->minter_count = 0;
    object->ended = false;
    object->payer = NULL;
    object->size_bytes = size_bytes;
    list_init(&object->paid_node);
    object->retired = false;
    if (payer == NULL)
        return OK;
    return budget_adopt(payer, object);
}

void object_get(struct object *object)
{
    uint64_t before = __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);

    DEBUG_ASSERT(before > 0);
    (void)before;
}

bool object_try_get(struct object *object)
{
    uint64_t references = __atomic_load_n(&object->references, __ATOMIC_RELAXED);

    while (references != 0) {
        if (__atomic_compare_exchange_n(&object->references, &references, references + 1, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

/* The last object of a budget may be the last that kept it, and so on upwards. */
static void finish(struct grace_node *node)
{
    struct object *object = CONTAINER_OF(node, struct object, grace);
    struct budget *payer = object->payer;
    uint64_t size_bytes = object->size_bytes;

    ASSERT(object->capability_count == 0);
    if (object->ops->drain != NULL &&
        object->ops->drain(object, &(struct work){ WORK_SLICE }) != OK) {
        grace_call(node, finish);
        (void)grace_request();
        return;
    }
    if (payer != NULL)
        budget_disown(payer, object);
    object->ops->destroy(object);
    if (payer == NULL)
        return;
    budget_uncharge(payer, BUDGET_MEMORY, size_bytes);
    object_put(&payer->object);
}

void object_put(struct object *object)
{
    uint64_t before = __atomic_fetch_sub(&object->references, 1, __ATOMIC_ACQ_REL);

    DEBUG_ASSERT(before > 0);
    if (before == 1)
        grace_call(&object->grace, finish);
}

enum status object_end(struct object *object, struct work *work)
{
    spinlock_acquire(&object->lock);
    object->ended = true;
    enum status status = capability_remove_below(object, NULL, work);
    spinlock_release(&object->lock);
    if (status == OK && object->ops->retire != NULL)
        status = object->ops->retire(object, OBJECT_DESTROYED, work);
    return status;
}

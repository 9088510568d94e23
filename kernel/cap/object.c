/* Objects: who refers to them, who pays for them, and how they end. */
#include "cap_impl.h"
#include <kernel/panic.h>
#include <kernel/slab.h>

static uint64_t last_id; /* [A] */

uint64_t object_last_id(void)
{
    return __atomic_load_n(&last_id, __ATOMIC_RELAXED);
}

void object_init(struct object *object, const struct object_ops *ops)
{
    object->ops = ops;
    object->type = ops->type;
    object->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    object->references = 1;
    spinlock_init(&object->lock, RANK_OBJECT);
    list_init(&object->roots);
    list_init(&object->paid_node);
}

enum status object_alloc(const struct object_ops *ops, struct budget *payer, void *object_out)
{
    char *storage = slab_alloc(ops->cache);

    if (storage == NULL)
        return ERR_NO_MEMORY;
    struct object *object = (struct object *)(void *)(storage + ops->offset);
    object_init(object, ops);
    object->payer = payer;
    object->size_bytes = ops->cache->object_size_bytes;
    *(void **)object_out = storage;
    return OK;
}

void object_discard(struct object *object_taken)
{
    const struct object_ops *ops = object_taken->ops;

    ASSERT(ops->cache != NULL); /* the machine's own are never given up */
    if (ops->destroy != NULL)
        ops->destroy(object_taken);
    slab_free(ops->cache, (char *)object_taken - ops->offset);
}

enum status object_publish(struct object *object_taken, void *object_out)
{
    struct budget *payer = object_taken->payer;
    enum status status = payer != NULL ? budget_adopt(payer, object_taken) : OK;

    if (status != OK)
        object_discard(object_taken);
    else
        *(void **)object_out = (char *)object_taken - object_taken->ops->offset;
    return status;
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
    object_discard(object);
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

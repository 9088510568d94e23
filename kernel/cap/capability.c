/* Capabilities: how they are derived, moved and removed.
 *
 * Every change holds the lock of the object, and the table's inside it for as long as it touches a
 * slot. So two tables are never locked at once, and whoever holds the object's lock sees a forest
 * that stands still.
 *
 * Depth is bounded, so that a walk to a root or to a leaf is; the number of children is not, so
 * that whatever visits those works in slices.
 */
#include "cap_impl.h"
#include <kernel/panic.h>
#include <kernel/slab.h>

static struct slab_cache capability_cache = SLAB_CACHE_INIT("capability", struct capability);

/* ---- From handle to capability ---- */

/* The object that a handle names at this moment, counted. It may name another one in the next. */
static enum status object_of_handle(struct cspace *cspace, uint64_t handle,
                                    struct object **object_out)
{
    enum status status = ERR_NOT_FOUND;

    spinlock_acquire(&cspace->lock);
    const struct capability *capability = cspace_find(cspace, handle);
    if (capability != NULL) {
        object_get(capability->object);
        *object_out = capability->object;
        status = OK;
    }
    spinlock_release(&cspace->lock);
    return status;
}

static void object_release(struct object *object) NO_LOCK_ANALYSIS
{
    spinlock_release(&object->lock);
    object_put(object);
}

/* In any state. A handle names one capability at most, ever, so if it is still there it is of this
 * object.
 */
static enum status acquire_any(struct cspace *cspace, uint64_t handle,
                               struct capability **capability_out) NO_LOCK_ANALYSIS
{
    struct object *object;
    enum status status = object_of_handle(cspace, handle, &object);

    if (status != OK)
        return status;
    spinlock_acquire(&object->lock);
    spinlock_acquire(&cspace->lock);
    struct capability *capability = cspace_find(cspace, handle);
    spinlock_release(&cspace->lock);
    if (capability == NULL) {
        object_release(object);
        return ERR_NOT_FOUND;
    }
    *capability_out = capability;
    return OK;
}

enum status capability_acquire(struct cspace *cspace, uint64_t handle, enum object_type type,
                               uint32_t rights, struct capability **capability_out)
{
    struct capability *capability;
    enum status status = acquire_any(cspace, handle, &capability);

    if (status != OK)
        return status;
    if (capability->state == CAPABILITY_DYING ||
        (type != OBJECT_ANY && capability->object->type != type))
        status = ERR_NOT_FOUND;
    else if ((rights & ~capability->rights) != 0)
        status = ERR_ACCESS;
    if (status != OK)
        capability_release(capability);
    else
        *capability_out = capability;
    return status;
}

void capability_release(struct capability *capability)
{
    object_release(capability->object);
}

/* Lookups read the state with no lock. */
static void set_state(struct capability *capability, enum capability_state state)
{
    __atomic_store_n(&capability->state, state, __ATOMIC_RELEASE);
}

/* ---- The forest ---- */

static void link(struct capability *capability, struct capability *parent)
{
    struct list *siblings = parent != NULL ? &parent->children : &capability->object->roots;

    capability->parent = parent;
    list_push_front(siblings, &capability->sibling);
}

static struct capability *first_of(const struct list *siblings)
{
    return CONTAINER_OF(siblings->next, struct capability, sibling);
}

/* What is under revocation gets nothing new at any depth, or its revocation might never end. */
static enum status may_derive(const struct capability *capability)
{
    unsigned depth = 0;

    if (capability->object->ended)
        return ERR_DEAD;
    for (const struct capability *at = capability; at != NULL; at = at->parent) {
        if (at->state == CAPABILITY_REVOKING)
            return ERR_STATE;
        depth++;
    }
    return depth < CAPABILITY_DEPTH_MAX ? OK : ERR_LIMIT;
}

static bool is_minter(const struct capability *capability)
{
    return (capability->object->ops->badge_rights & ~capability->rights) == 0;
}

static enum status detach(struct capability *capability, struct work *work)
{
    struct object *object = capability->object;
    enum status status = OK;

    if (capability->state != CAPABILITY_DYING && is_minter(capability))
        object->minter_count--;
    set_state(capability, CAPABILITY_DYING);
    if (object->ops->detach != NULL)
        status = object->ops->detach(object, capability, work);
    ASSERT(status != OK || list_empty(&capability->uses));
    return status;
}

static void free_storage(struct grace_node *node)
{
    slab_free(&capability_cache, CONTAINER_OF(node, struct capability, grace));
}

static void remove(struct capability *capability)
{
    struct object *object = capability->object;

    DEBUG_ASSERT(list_empty(&capability->children) && capability->state == CAPABILITY_DYING);
    list_remove(&capability->sibling);
    object->capability_count--;
    cspace_unreserve(capability->cspace, capability->handle);
    grace_call(&capability->grace, free_storage);
    object_put(object);
}

/* Leaves first: whenever it stops, what is left is a forest. */
enum status capability_remove_below(struct object *object, struct capability *capability,
                                    struct work *work)
{
    struct list *siblings = capability != NULL ? &capability->children : &object->roots;

    while (!list_empty(siblings)) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        struct capability *leaf = first_of(siblings);
        while (!list_empty(&leaf->children))
            leaf = first_of(&leaf->children);
        enum status status = detach(leaf, work);
        if (status != OK)
            return status;
        remove(leaf);
        work_spend(work);
    }
    return OK;
}

/* The children go up past all that is dying, so that none of them is moved again and again by one
 * that closes its chain of copies link by link.
 */
static enum status dismantle(struct capability *capability, struct work *work)
{
    struct capability *heir = capability->parent;
    enum status status = detach(capability, work);

    if (status != OK)
        return status;
    while (heir != NULL && heir->state == CAPABILITY_DYING)
        heir = heir->parent;
    while (!list_empty(&capability->children)) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        struct capability *child = first_of(&capability->children);
        list_remove(&child->sibling);
        link(child, heir);
        work_spend(work);
    }
    return OK;
}

/* A capability with its slot, not yet in it. The caller holds the object's lock. */
static enum status capability_alloc(struct object *object, struct cspace *cspace, uint32_t rights,
                                    struct capability **capability_out)
{
    uint64_t handle;
    enum status status = cspace_reserve(cspace, &handle);

    if (status != OK)
        return status;
    struct capability *capability = slab_alloc(&capability_cache);
    if (capability == NULL) {
        cspace_unreserve(cspace, handle);
        return ERR_NO_MEMORY;
    }
    object_get(object);
    object->capability_count++;
    capability->object = object;
    capability->rights = rights;
    object->minter_count += is_minter(capability) ? 1 : 0;
    capability->cspace = cspace;
    capability->handle = handle;
    capability->state = CAPABILITY_LIVE;
    list_init(&capability->children);
    list_init(&capability->uses);
    *capability_out = capability;
    return OK;
}

/* ---- What is done with them ---- */

enum status cspace_create(struct cspace *cspace, struct object *object, uint32_t rights,
                          uint64_t *handle_out)
{
    struct capability *capability;

    if ((rights & ~object_type_rights(object->type)) != 0)
        return ERR_INVALID;
    spinlock_acquire(&object->lock);
    enum status status =
        object->ended ? ERR_DEAD : capability_alloc(object, cspace, rights, &capability);
    if (status == OK) {
        capability->origin = cspace->owner_id;
        link(capability, NULL);
        *handle_out = capability->handle;
        cspace_install(cspace, capability->handle, capability);
    }
    spinlock_release(&object->lock);
    return status;
}

/* Leaving a table takes the right to be given; inside one, copies are the owner's business. */
static uint32_t rights_to_leave(const struct cspace *from, const struct cspace *to)
{
    return from != to ? RIGHT_ANY_GRANT : 0;
}

/* A badge says to a server who calls: only who serves may set it, and only once. */
static enum status mint_allowed(const struct capability *source, const struct capability_mint *mint)
{
    uint32_t needed = source->object->ops->badge_rights;

    if ((mint->rights & ~source->rights) != 0)
        return ERR_ACCESS;
    if (mint->badge == 0)
        return OK;
    if (needed == 0)
        return ERR_INVALID;
    return source->badge == 0 && (needed & ~source->rights) == 0 ? OK : ERR_ACCESS;
}

enum status capability_derive(struct capability *source, const struct capability_mint *mint,
                              struct cspace *to, uint64_t *handle_out)
{
    struct capability *capability;
    enum status status = may_derive(source);

    if (status == OK)
        status = capability_alloc(source->object, to, mint->rights, &capability);
    if (status != OK)
        return status;
    capability->badge = mint->badge != 0 ? mint->badge : source->badge;
    capability->origin = source->cspace->owner_id;
    link(capability, source);
    *handle_out = capability->handle;
    cspace_install(to, capability->handle, capability);
    return OK;
}

enum status cspace_copy(struct cspace *from, uint64_t handle, const struct capability_mint *mint,
                        struct cspace *to, uint64_t *handle_out)
{
    struct capability *source;
    enum status status =
        capability_acquire(from, handle, OBJECT_ANY, rights_to_leave(from, to), &source);

    if (status != OK)
        return status;
    struct capability_mint same = { .rights = source->rights };
    if (mint == NULL)
        mint = &same;
    status = mint_allowed(source, mint);
    if (status == OK)
        status = capability_derive(source, mint, to, handle_out);
    capability_release(source);
    return status;
}

/* Between the two tables it is in neither, so no lookup sees it half moved. */
static void relocate(struct capability *capability, struct cspace *to, uint64_t handle)
{
    struct cspace *from = capability->cspace;
    uint64_t old_handle = capability->handle;

    cspace_withdraw(from, old_handle);
    capability->origin = from->owner_id;
    capability->cspace = to;
    __atomic_store_n(&capability->handle, handle, __ATOMIC_RELAXED);
    cspace_install(to, handle, capability);
    cspace_unreserve(from, old_handle);
}

static enum status may_move(const struct capability *capability, const struct cspace *to)
{
    /* Its revocation goes on by the handle that it has. */
    if (capability->state == CAPABILITY_REVOKING)
        return ERR_STATE;
    bool stays = capability->cspace != to && capability->object->ops->uses_stay;
    return stays && !list_empty(&capability->uses) ? ERR_STATE : OK;
}

enum status cspace_move(struct cspace *from, uint64_t handle, struct cspace *to,
                        uint64_t *handle_out)
{
    struct capability *capability;
    uint64_t new_handle;
    enum status status =
        capability_acquire(from, handle, OBJECT_ANY, rights_to_leave(from, to), &capability);

    if (status != OK)
        return status;
    status = may_move(capability, to);
    if (status == OK)
        status = cspace_reserve(to, &new_handle);
    if (status == OK) {
        relocate(capability, to, new_handle);
        *handle_out = new_handle;
    }
    capability_release(capability);
    return status;
}

/* Retiring may take other objects' locks, so it is done without this one's. Nothing can be derived
 * from the last capability meanwhile, since it is dying.
 */
enum status cspace_close(struct cspace *cspace, uint64_t handle, struct work *work)
{
    bool retired = false;

    for (;;) {
        struct capability *capability;
        enum status status = acquire_any(cspace, handle, &capability);
        if (status != OK)
            return retired ? OK : status; /* then another has finished it */
        struct object *object = capability->object;
        bool retire = false;
        status = dismantle(capability, work);
        if (status == OK) {
            retire = !retired && object->capability_count == 1 && object->ops->retire != NULL;
            if (!retire)
                remove(capability);
        }
        if (!retire) {
            object_release(object);
            return status;
        }
        object_get(object);
        object_release(object);
        status = object->ops->retire(object, OBJECT_ORPHANED, work);
        object_put(object);
        if (status != OK)
            return status;
        retired = true;
    }
}

enum status cspace_revoke(struct cspace *cspace, uint64_t handle, struct work *work)
{
    struct capability *capability;
    enum status status =
        capability_acquire(cspace, handle, OBJECT_ANY, RIGHT_ANY_REVOKE, &capability);

    if (status != OK)
        return status;
    set_state(capability, CAPABILITY_REVOKING);
    status = capability_remove_below(capability->object, capability, work);
    if (status == OK)
        set_state(capability, CAPABILITY_LIVE);
    capability_release(capability);
    return status;
}

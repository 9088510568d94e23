/* A process's table of capabilities, and everything that is done with them.
 *
 * A handle is the number of a slot (low half) and the slot's generation (high half). The generation
 * grows each time a slot is given up and a slot whose generations are used up is never given out
 * again, so a stale handle names nothing, ever. 0 is no handle.
 *
 * A capability lies in one slot and in the forest of its object. Its fields change only with the
 * object's lock held, the slot's with the table's lock held inside that one. Whoever holds one of
 * the two may rely on what it reads.
 *
 * Copying or moving a capability into another table takes RIGHT_ANY_GRANT. Rights only shrink.
 *
 * Errors: ERR_NOT_FOUND: the handle names nothing (any more), or another type. ERR_ACCESS: too few
 *         rights. ERR_DEAD: the table, the object or the budget is being destroyed.
 *
 * Locking: [O] the object's lock   [S] the table's lock   [C] constant
 */
#pragma once

#include <kernel/addr.h>
#include <kernel/budget.h>
#include <object_info.h>

enum { HANDLE_NONE = 0, CAPABILITY_DEPTH_MAX = 64 };

enum capability_state {
    CAPABILITY_LIVE,
    CAPABILITY_REVOKING, /* what was derived from it is being removed; nothing new below it */
    CAPABILITY_DYING,    /* being removed: can be closed, and nothing else */
};

struct capability {
    struct object *object;     /* [C] counted */
    struct capability *parent; /* [O] NULL: a root */
    union {
        struct list sibling;     /* [O] in parent->children or object->roots */
        struct grace_node grace; /* once it is removed */
    };
    struct list children;  /* [O] */
    struct list uses;      /* [O] what exists through it; the object's type fills and empties */
    struct cspace *cspace; /* [O] */
    uint64_t handle;       /* [O] in that table */
    uint64_t origin;       /* [O] whose table it came from (cspace.owner_id) */
    uint64_t badge;        /* [C] 0: none */
    uint32_t rights;       /* [C] */
    enum capability_state state; /* [O] */
};

struct slot {
    struct capability *capability; /* NULL: free or reserved */
    uint32_t generation;
    uint32_t next_free;
};

enum { SLOTS_PER_PAGE = PAGE_SIZE / sizeof(struct slot) };

/* Storage is its process's. It grows by pages and shrinks when it is cleared. */
struct cspace {
    struct spinlock lock;
    struct budget *budget; /* [C] counted: pays for pages and capabilities */
    uint64_t owner_id;     /* [C] object id of the process */
    struct slot **page;    /* [S] one frame of pointers to frames of slots */
    uint32_t page_count;   /* [S] */
    uint32_t free_head;    /* [S] index, or SLOT_END */
    uint32_t used_count;   /* [S] slots that hold a capability or are reserved */
    uint32_t clear_next;   /* [S] how far cspace_clear has come */
    bool dying;            /* [S] */
    uint64_t removals;     /* [A] how often a capability has left its slot */
};

/* What a lookup found. */
struct capability_ref {
    struct object *object;
    struct capability *capability; /* borrowed, as by cspace_borrow */
    uint32_t rights;
    uint64_t badge;
};

/* How a copy differs from what it is derived from. */
struct capability_mint {
    uint32_t rights; /* a subset */
    uint64_t badge;  /* 0: as the source */
};

enum status cspace_init(struct cspace *cspace, struct budget *budget, uint64_t owner_id);
/* Close everything, refuse what comes, and give all memory back, in slices. Afterwards the storage
 * may go.  */
enum status cspace_clear(struct cspace *cspace, struct work *work);

/* The first capability, derived from none. ERR_INVALID: rights that the type does not have. */
enum status cspace_create(struct cspace *cspace, struct object *object, uint32_t rights,
                          uint64_t *handle_out);
/* What lies in the slot is freed only after a grace period, and the pages of slots only when the
 * table is cleared, when no thread is left that could look. A capability knows its handle, so one
 * that came into the slot meanwhile does not pass for another.
 */
static inline struct capability *cspace_peek(const struct cspace *cspace, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    uint32_t page = index / SLOTS_PER_PAGE;

    if (UNLIKELY(page >= __atomic_load_n(&cspace->page_count, __ATOMIC_ACQUIRE)))
        return NULL;
    const struct slot *slot = &cspace->page[page][index % SLOTS_PER_PAGE];
    struct capability *capability = __atomic_load_n(&slot->capability, __ATOMIC_ACQUIRE);
    if (UNLIKELY(capability == NULL ||
                 __atomic_load_n(&capability->handle, __ATOMIC_RELAXED) != handle))
        return NULL;
    return capability;
}

/* The object that `handle` names, if it has that type (OBJECT_ANY: whichever) and the capability
 * all of `rights`. No lock, and no reference counted: it may be used until this CPU leaves the
 * kernel, though it may be ended meanwhile. */
static inline enum status cspace_borrow(const struct cspace *cspace, uint64_t handle,
                                        enum object_type type, uint32_t rights,
                                        struct capability_ref *ref_out)
{
    struct capability *capability = cspace_peek(cspace, handle);

    if (UNLIKELY(capability == NULL ||
                 __atomic_load_n(&capability->state, __ATOMIC_ACQUIRE) == CAPABILITY_DYING ||
                 (type != OBJECT_ANY && capability->object->type != type)))
        return ERR_NOT_FOUND;
    if (UNLIKELY((rights & ~capability->rights) != 0))
        return ERR_ACCESS;
    ref_out->object = capability->object;
    ref_out->capability = capability;
    ref_out->rights = capability->rights;
    ref_out->badge = capability->badge;
    return OK;
}
/* The same with a reference counted; put it when done. */
enum status cspace_lookup(struct cspace *cspace, uint64_t handle, enum object_type type,
                          uint32_t rights, struct capability_ref *ref_out);
/* Derive a capability; without `mint` one that is no different. ERR_ACCESS also for rights that the
 * source lacks, and for a badge on one that has one or lacks the right to mint. ERR_STATE: it or
 * one above it is under revocation. ERR_LIMIT: CAPABILITY_DEPTH_MAX, or the budget's.
 */
enum status cspace_copy(struct cspace *from, uint64_t handle, const struct capability_mint *mint,
                        struct cspace *to, uint64_t *handle_out);
/* The same capability in another place: what was derived from it stays so. Errors as copy;
 * ERR_STATE also while mappings, pins or an interrupt line's binding exist through it. */
enum status cspace_move(struct cspace *from, uint64_t handle, struct cspace *to,
                        uint64_t *handle_out);
/* Remove one capability and what exists through it. What was derived from it now hangs below what
 * it was derived from itself. ERR_WOULD_BLOCK: dead already, but call again.
 */
enum status cspace_close(struct cspace *cspace, uint64_t handle, struct work *work);
/* Remove everything that was derived from it, everywhere. ERR_WOULD_BLOCK: nothing can be derived
 * below it until another call has finished this.
 */
enum status cspace_revoke(struct cspace *cspace, uint64_t handle, struct work *work);
/* Up to `max` capabilities from `*cursor` (0: the beginning) on. *cursor is 0 again at the end.
 * Looks at a bounded number of slots, so it may find none before the end.
 */
size_t cspace_inspect(struct cspace *cspace, uint32_t *cursor, struct handle_info *info,
                      size_t max);

/* Attach something to a capability: the capability itself, live, with the lock of its object held
 * and a reference counted, until capability_release.
 */
enum status capability_acquire(struct cspace *cspace, uint64_t handle, enum object_type type,
                               uint32_t rights, struct capability **capability_out);
void capability_release(struct capability *capability);
/* Derive from one that is acquired, whose object's type has chosen rights and badge: no more than
 * the source has is its matter. Errors as cspace_copy.
 */
enum status capability_derive(struct capability *source, const struct capability_mint *mint,
                              struct cspace *to, uint64_t *handle_out);

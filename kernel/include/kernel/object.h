/* What a capability names: the head of every kernel object.
 *
 * An object lives as long as anybody counts a reference to it; each capability counts one. The
 * capabilities form a forest under the object's lock: each knows what it was derived from.
 *
 * An object ends in up to three steps, each of which its type may answer:
 *   detach   one capability goes: what exists through it (mappings, IPC in flight) goes with it
 *   retire   the last capability goes, or the budget that paid is destroyed
 *   destroy  the last reference is gone, and so are those that were never counted (syscall_lookup):
 *            the storage is freed, and the payer gets back what it was charged for it. What takes
 *            long of that is drained before.
 * The first two work in slices and may be called again after they were done.
 *
 * Locking:  [L] the object's lock   [P] the lock of the budget that paid   [A] atomic
 *           [C] constant after object_init
 */
#pragma once

#include <base/list.h>
#include <base/object_type.h>
#include <base/status.h>
#include <kernel/grace.h>
#include <kernel/spinlock.h>

struct budget;
struct capability;
struct object;
struct object_info;
struct slab_cache;

/* How much may still be done before others must have their turn. Who finds nothing left says
 * ERR_WOULD_BLOCK, has left everything consistent, and goes on when it is called again. A step is
 * paid for after it was made, so that one unit is always enough to get on.
 */
struct work {
    uint32_t left;
};
enum { WORK_SLICE = 64 }; /* removals in a system call before it restarts */

static inline void work_spend_many(struct work *work, uint32_t amount)
{
    work->left -= work->left < amount ? work->left : amount;
}

static inline void work_spend(struct work *work)
{
    work_spend_many(work, 1);
}

enum object_end {
    OBJECT_ORPHANED,  /* no capability names it any more; the kernel may still refer to it */
    OBJECT_DESTROYED, /* its budget is being destroyed: it must let go of everything */
};

/* NULL: there is nothing to do in that step. */
struct object_ops {
    enum object_type type;
    struct slab_cache *cache; /* of what the object is a part of; NULL: the machine's own */
    size_t offset;            /* of the object in that */
    /* With the object's lock held; `capability` is dead to lookups already. When OK, its list of
     * uses is empty. */
    enum status (*detach)(struct object *object, struct capability *capability, struct work *work);
    /* With no lock held, perhaps on several CPUs at once. */
    enum status (*retire)(struct object *object, enum object_end why, struct work *work);
    /* Before destroy and like it, in slices, each after a grace period of its own. */
    enum status (*drain)(struct object *object, struct work *work);
    /* What it holds besides its storage, with no lock held: after a grace period, or of an object
     * that was not published and may lack parts. */
    void (*destroy)(struct object *object);
    /* What object_info tells of it besides the head; info->detail is zeroed. No lock held. */
    void (*info)(struct object *object, struct object_info *info);
    /* While something exists through a capability, it is not moved to another table: who gave it
     * away would keep what it had through it, and nobody's table would say so. */
    bool uses_stay;
    uint32_t badge_rights; /* with these a badge may be minted; 0: the type knows no badges */
};

struct object {
    const struct object_ops *ops; /* [C] */
    enum object_type type;        /* [C] */
    uint64_t id;                  /* [C] never reused */
    uint64_t references;          /* [A] */
    struct spinlock lock;
    struct list roots;         /* [L] capabilities that were derived from none */
    uint64_t capability_count; /* [L] */
    uint64_t minter_count;     /* [L] of them, with all ops->badge_rights and not dying */
    bool ended;                /* [L] its budget is being destroyed: no new capabilities */
    struct budget *payer;      /* [C] counted; NULL: nobody, the first budget only */
    uint64_t size_bytes;       /* [C] what the payer is charged for the object itself */
    struct list paid_node;     /* [P] in payer->paid */
    bool retired;              /* [P] its budget has done with it but for the references */
    struct grace_node grace;   /* once there are no references */
};

/* One of the machine's own: nobody pays for it, and it is never gone. */
void object_init(struct object *object, const struct object_ops *ops);
/* A new object, zeroed but for what all objects have, that `payer` (NULL: nobody) is to pay for. It
 * is nobody else's yet. ERR_NO_MEMORY.
 */
enum status object_alloc(const struct object_ops *ops, struct budget *payer, void *object_out);
/* Charge its size to the payer and give it out, with the caller's reference. From here on another
 * CPU that destroys the budget may retire it, so the rest of it is ready for that. ERR_LIMIT,
 * ERR_DEAD (the payer): it is discarded.
 */
enum status object_publish(struct object *object_taken, void *object_out);
/* What was not published is destroyed. */
void object_discard(struct object *object_taken);
/* For who has a reference, or keeps its end away by a lock. */
void object_get(struct object *object);
/* False if the last reference is gone already: for who finds it in a list, or has borrowed it. */
bool object_try_get(struct object *object);
/* The last one destroys it. No lock held. */
void object_put(struct object *object);

/* What each type has that begins with `struct object object`: object_as_thread() is the way back,
 * thread_get() and thread_put() are its references.
 */
#define OBJECT_TYPE(name)                                                                          \
    static inline struct name *object_as_##name(struct object *object)                             \
    {                                                                                              \
        return CONTAINER_OF(object, struct name, object);                                          \
    }                                                                                              \
    static inline struct name *name##_get(struct name *referred)                                   \
    {                                                                                              \
        object_get(&referred->object);                                                             \
        return referred;                                                                           \
    }                                                                                              \
    static inline void name##_put(struct name *taken)                                              \
    {                                                                                              \
        object_put(&taken->object);                                                                \
    }                                                                                              \
    struct name

/* Remove every capability that names it and let it retire: what budget_destroy does to each. The
 * caller holds a reference and no lock.
 */
enum status object_end(struct object *object, struct work *work);

/* The number of the youngest object, which is how many there have been. */
uint64_t object_last_id(void);

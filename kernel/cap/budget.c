/* Budgets: charges up a tree without a lock, and the destruction of everything that was paid. */
#include "cap_impl.h"
#include <kernel/frame.h>
#include <kernel/panic.h>
#include <kernel/slab.h>
#include <object_info.h>

static_assert((int)OBJECT_INFO_ACCOUNTS == (int)BUDGET_KINDS, "told as it is kept");

static struct slab_cache budget_cache = SLAB_CACHE_INIT("budget", struct budget);

static struct budget *parent_of(const struct budget *budget)
{
    return budget->object.payer;
}

/* ---- Life ---- */

static void destroy(struct object *object)
{
    struct budget *budget = object_as_budget(object);

    signal_target_clear(&budget->soft);
    share_fini(&budget->share);
}

static void info(struct object *object, struct object_info *info)
{
    budget_inspect(object_as_budget(object), &info->detail.budget);
}

static const struct object_ops budget_ops = {
    .type = OBJECT_BUDGET, .cache = &budget_cache, .destroy = destroy, .info = info
};

enum status budget_create(struct budget *parent, struct budget **budget_out)
{
    uint32_t depth = parent != NULL ? parent->depth + 1 : 1;
    struct budget *budget;
    enum status status =
        depth <= BUDGET_DEPTH_MAX ? object_alloc(&budget_ops, parent, &budget) : ERR_LIMIT;

    if (status != OK)
        return status;
    spinlock_init(&budget->lock, RANK_BUDGET);
    budget->depth = depth;
    list_init(&budget->paid);
    share_init(&budget->share);
    for (size_t kind = 0; kind < BUDGET_KINDS; kind++) {
        budget->account[kind].limit = BUDGET_UNLIMITED;
        budget->account[kind].soft = BUDGET_UNLIMITED;
    }
    return object_publish(&budget->object, budget_out);
}

/* ---- Soft limits ---- */

static bool above_soft(const struct budget_account *account)
{
    return __atomic_load_n(&account->used, __ATOMIC_SEQ_CST) >
           __atomic_load_n(&account->soft, __ATOMIC_SEQ_CST);
}

/* After every change of `used` or `soft`. Whoever changes them looks at `above` afterwards, and
 * whoever changes that looks at them afterwards: so the last of all sees how it ends.
 */
static NOINLINE void account_look(struct budget *budget, enum budget_kind kind)
{
    struct budget_account *account = &budget->account[kind];

    while (UNLIKELY(above_soft(account) != __atomic_load_n(&account->above, __ATOMIC_SEQ_CST))) {
        spinlock_acquire(&budget->lock);
        bool above = above_soft(account);
        bool crossed = above && !account->above;
        __atomic_store_n(&account->above, above, __ATOMIC_SEQ_CST);
        if (crossed)
            signal_target_fire(&budget->soft);
        spinlock_release(&budget->lock);
    }
}

bool budget_is_within(const struct budget *budget, const struct budget *above)
{
    while (budget != NULL && budget != above)
        budget = parent_of(budget);
    return budget == above;
}

/* ---- Charges ---- */

/* For who made it `used`: true if account_look has something to do. */
static ALWAYS_INLINE bool account_changes(const struct budget_account *account, uint64_t used)
{
    bool above = used > __atomic_load_n(&account->soft, __ATOMIC_SEQ_CST);

    return above != __atomic_load_n(&account->above, __ATOMIC_SEQ_CST);
}

static ALWAYS_INLINE void account_take_back(struct budget *budget, enum budget_kind kind,
                                            uint64_t amount)
{
    uint64_t before = __atomic_fetch_sub(&budget->account[kind].used, amount, __ATOMIC_SEQ_CST);

    ASSERT(before >= amount);
    if (UNLIKELY(account_changes(&budget->account[kind], before - amount)))
        account_look(budget, kind);
}

/* One level. The budget's death is looked at after the charge: budget_destroy, which announces it
 * first and looks at the charges then, sees this one, or this one sees it.
 */
static ALWAYS_INLINE enum status account_charge(struct budget *budget, enum budget_kind kind,
                                                uint64_t amount, bool *look)
{
    struct budget_account *account = &budget->account[kind];
    uint64_t used = __atomic_load_n(&account->used, __ATOMIC_RELAXED);

    do {
        uint64_t limit = __atomic_load_n(&account->limit, __ATOMIC_RELAXED);
        if (amount > limit || used > limit - amount)
            return ERR_LIMIT;
    } while (!__atomic_compare_exchange_n(&account->used, &used, used + amount, true,
                                          __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    if (UNLIKELY(__atomic_load_n(&budget->dying, __ATOMIC_SEQ_CST))) {
        account_take_back(budget, kind, amount);
        return ERR_DEAD;
    }
    *look |= account_changes(account, used + amount);
    return OK;
}

/* From `budget` up to, and without, `end`. */
static ALWAYS_INLINE void take_back_until(struct budget *budget, const struct budget *end,
                                          enum budget_kind kind, uint64_t amount)
{
    for (; budget != end; budget = parent_of(budget))
        account_take_back(budget, kind, amount);
}

enum status budget_charge(struct budget *budget, enum budget_kind kind, uint64_t amount)
{
    bool look = false;

    for (struct budget *at = budget; at != NULL; at = parent_of(at)) {
        enum status status = account_charge(at, kind, amount, &look);
        if (UNLIKELY(status != OK)) {
            take_back_until(budget, at, kind, amount);
            return status;
        }
    }
    for (struct budget *at = look ? budget : NULL; at != NULL; at = parent_of(at))
        account_look(at, kind);
    return OK;
}

void budget_uncharge(struct budget *budget, enum budget_kind kind, uint64_t amount)
{
    take_back_until(budget, NULL, kind, amount);
}

enum status payer_alloc(struct budget *payer, struct slab_cache *cache, void *object_out)
{
    enum status status = budget_charge(payer, BUDGET_MEMORY, cache->object_size_bytes);

    if (status != OK)
        return status;
    void *object = slab_alloc(cache);
    if (object == NULL) {
        budget_uncharge(payer, BUDGET_MEMORY, cache->object_size_bytes);
        return ERR_NO_MEMORY;
    }
    *(void **)object_out = object;
    return OK;
}

void payer_free(struct budget *payer, struct slab_cache *cache, void *object_taken)
{
    slab_free(cache, object_taken);
    budget_uncharge(payer, BUDGET_MEMORY, cache->object_size_bytes);
}

enum status payer_alloc_frame(struct budget *payer, unsigned flags, struct frame **frame_out)
{
    enum status status = budget_charge(payer, BUDGET_MEMORY, PAGE_SIZE);

    if (status != OK)
        return status;
    status = frame_alloc(0, flags, frame_out);
    if (status != OK)
        budget_uncharge(payer, BUDGET_MEMORY, PAGE_SIZE);
    return status;
}

void payer_free_zeroes(struct budget *payer, void *page_taken)
{
    frame_put_zeroes(frame_of(paddr_of_direct(page_taken)));
    budget_uncharge(payer, BUDGET_MEMORY, PAGE_SIZE);
}

void payer_free_frame(struct budget *payer, struct frame *frame_taken)
{
    frame_put(frame_taken);
    budget_uncharge(payer, BUDGET_MEMORY, PAGE_SIZE);
}

enum status payer_alloc_page(struct budget *payer, void *page_out)
{
    struct frame *frame;
    enum status status = payer_alloc_frame(payer, FRAME_ZERO, &frame);

    if (status != OK)
        return status;
    frame->owner_word = 0;
    *(void **)page_out = frame_kernel(frame);
    return OK;
}

void payer_free_page(struct budget *payer, void *page_taken)
{
    payer_free_frame(payer, frame_of(paddr_of_direct(page_taken)));
}

/* ---- Limits ---- */

void budget_limit(struct budget *budget, enum budget_kind kind, uint64_t limit)
{
    __atomic_store_n(&budget->account[kind].limit, limit, __ATOMIC_SEQ_CST);
}

void budget_limit_soft(struct budget *budget, enum budget_kind kind, uint64_t soft)
{
    struct budget_account *account = &budget->account[kind];

    spinlock_acquire(&budget->lock);
    __atomic_store_n(&account->soft, soft, __ATOMIC_SEQ_CST);
    __atomic_store_n(&account->above, above_soft(account), __ATOMIC_SEQ_CST);
    spinlock_release(&budget->lock);
    account_look(budget, kind);
}

void budget_inspect(const struct budget *budget, struct object_info_budget *info_out)
{
    for (size_t kind = 0; kind < BUDGET_KINDS; kind++) {
        const struct budget_account *account = &budget->account[kind];
        info_out->used[kind] = __atomic_load_n(&account->used, __ATOMIC_RELAXED);
        info_out->limit[kind] = __atomic_load_n(&account->limit, __ATOMIC_RELAXED);
        info_out->soft[kind] = __atomic_load_n(&account->soft, __ATOMIC_RELAXED);
    }
}

/* ---- What it pays for ---- */

static bool is_dying(const struct budget *budget)
{
    for (; budget != NULL; budget = parent_of(budget)) {
        if (__atomic_load_n(&budget->dying, __ATOMIC_SEQ_CST))
            return true;
    }
    return false;
}

/* A charge that came through just before the budget began to die is no leave to come into a list
 * that has been emptied since. Asked under the list's lock, the answer holds until the object is
 * in.
 */
enum status budget_adopt(struct budget *payer, struct object *object)
{
    enum status status = budget_charge(payer, BUDGET_MEMORY, object->size_bytes);

    if (status != OK)
        return status;
    spinlock_acquire(&payer->lock);
    bool late = is_dying(payer) || !object_try_get(&payer->object);
    if (!late) {
        list_push_front(&payer->paid, &object->paid_node);
    }
    spinlock_release(&payer->lock);
    if (!late)
        return OK;
    budget_uncharge(payer, BUDGET_MEMORY, object->size_bytes);
    return ERR_DEAD;
}

void budget_disown(struct budget *payer, struct object *object)
{
    spinlock_acquire(&payer->lock);
    list_remove(&object->paid_node);
    spinlock_release(&payer->lock);
}

/* An object of the budget that still has to be ended, counted; NULL if there is none. Those whose
 * last reference is gone are on their way out of the list.
 */
static struct object *next_paid(struct budget *budget)
{
    struct object *found = NULL;

    spinlock_acquire(&budget->lock);
    LIST_FOR_EACH(node, &budget->paid)
    {
        struct object *object = CONTAINER_OF(node, struct object, paid_node);
        if (object->retired)
            break;
        if (!object_try_get(object))
            continue;
        found = object;
        break;
    }
    spinlock_release(&budget->lock);
    return found;
}

/* The next to be ended, counted: what lower budgets paid for comes before them, without recursion.
 */
static struct object *next_victim(struct budget *budget)
{
    struct object *victim = NULL;
    struct object *below = next_paid(budget);

    while (below != NULL) {
        if (victim != NULL)
            object_put(victim);
        victim = below;
        if (victim->type != OBJECT_BUDGET)
            break;
        below = next_paid(object_as_budget(victim));
    }
    return victim;
}

static void mark_retired(struct object *object)
{
    struct budget *payer = object->payer;

    spinlock_acquire(&payer->lock);
    object->retired = true;
    list_remove(&object->paid_node);
    list_push_back(&payer->paid, &object->paid_node);
    spinlock_release(&payer->lock);
}

static bool is_empty(const struct budget *budget)
{
    for (size_t kind = 0; kind < BUDGET_KINDS; kind++) {
        if (__atomic_load_n(&budget->account[kind].used, __ATOMIC_SEQ_CST) != 0)
            return false;
    }
    return true;
}

enum status budget_destroy(struct budget *budget, struct work *work)
{
    __atomic_store_n(&budget->dying, true, __ATOMIC_SEQ_CST);
    for (;;) {
        struct object *victim = next_victim(budget);
        if (victim == NULL)
            return is_empty(budget) ? OK : ERR_WOULD_BLOCK;
        enum status status = work->left > 0 ? object_end(victim, work) : ERR_WOULD_BLOCK;
        if (status == OK) {
            mark_retired(victim);
            work_spend(work);
        }
        object_put(victim);
        if (status != OK)
            return status;
    }
}

/* The table: slots, handles, lookups. What is in a slot is capability.c's matter. */
#include "cap_impl.h"
#include <kernel/panic.h>

enum { PAGES_MAX = PAGE_SIZE / sizeof(struct slot *) };
static_assert((uint64_t)PAGES_MAX * SLOTS_PER_PAGE < SLOT_END, "an index is a word's half");

static uint64_t handle_of(uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | index;
}

/* ---- Memory ---- */

enum status cspace_init(struct cspace *cspace, struct budget *budget, uint64_t owner_id)
{
    void *page;

    if (!object_try_get(&budget->object))
        return ERR_DEAD;
    enum status status = payer_alloc_page(budget, &page);
    if (status != OK) {
        budget_put(budget);
        return status;
    }
    spinlock_init(&cspace->lock, RANK_CSPACE);
    cspace->budget = budget;
    cspace->owner_id = owner_id;
    cspace->page = page;
    cspace->page_count = 0;
    cspace->free_head = SLOT_END;
    cspace->used_count = 0;
    cspace->clear_next = 0;
    cspace->removals = 1; /* what a thread knows of no handle yet is of 0 */
    cspace->dying = false;
    return OK;
}

/* ---- Slots ---- */

static struct slot *slot_at(const struct cspace *cspace, uint32_t index)
{
    return &cspace->page[index / SLOTS_PER_PAGE][index % SLOTS_PER_PAGE];
}

/* One more page, its slots free in rising order. The list is empty. */
static enum status grow(struct cspace *cspace) REQUIRES(cspace->lock)
{
    void *page;

    if (cspace->page_count == PAGES_MAX)
        return ERR_LIMIT;
    enum status status = payer_alloc_page(cspace->budget, &page);
    if (status != OK)
        return status;
    uint32_t first = cspace->page_count * SLOTS_PER_PAGE;
    cspace->page[cspace->page_count] = page;
    __atomic_store_n(&cspace->page_count, cspace->page_count + 1, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < SLOTS_PER_PAGE; i++) {
        bool last = i + 1 == SLOTS_PER_PAGE;
        *slot_at(cspace, first + i) =
            (struct slot){ .generation = 1, .next_free = last ? SLOT_END : first + i + 1 };
    }
    cspace->free_head = first;
    return OK;
}

static enum status slot_take(struct cspace *cspace, uint64_t *handle_out) REQUIRES(cspace->lock)
{
    if (cspace->free_head == SLOT_END) {
        enum status status = grow(cspace);
        if (status != OK)
            return status;
    }
    uint32_t index = cspace->free_head;
    struct slot *slot = slot_at(cspace, index);
    cspace->free_head = slot->next_free;
    cspace->used_count++;
    *handle_out = handle_of(index, slot->generation);
    return OK;
}

static enum status charge_one(struct budget *budget)
{
    enum status status = budget_charge(budget, BUDGET_CAPABILITIES, 1);

    if (status != OK)
        return status;
    status = budget_charge(budget, BUDGET_MEMORY, sizeof(struct capability));
    if (status != OK)
        budget_uncharge(budget, BUDGET_CAPABILITIES, 1);
    return status;
}

static void uncharge_one(struct budget *budget)
{
    budget_uncharge(budget, BUDGET_MEMORY, sizeof(struct capability));
    budget_uncharge(budget, BUDGET_CAPABILITIES, 1);
}

/* Under the table's lock, because a table that was cleared has put its budget. */
static enum status reserve_locked(struct cspace *cspace, uint64_t *handle_out)
    REQUIRES(cspace->lock)
{
    if (cspace->dying)
        return ERR_DEAD;
    enum status status = charge_one(cspace->budget);
    if (status != OK)
        return status;
    status = slot_take(cspace, handle_out);
    if (status != OK)
        uncharge_one(cspace->budget);
    return status;
}

enum status cspace_reserve(struct cspace *cspace, uint64_t *handle_out)
{
    spinlock_acquire(&cspace->lock);
    enum status status = reserve_locked(cspace, handle_out);
    spinlock_release(&cspace->lock);
    return status;
}

/* A slot whose last generation is used up stays out of the list for good. The charges go back
 * before the lock, because the table may be cleared and freed as soon as that is open.
 */
void cspace_unreserve(struct cspace *cspace, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;

    spinlock_acquire(&cspace->lock);
    struct slot *slot = slot_at(cspace, index);
    DEBUG_ASSERT(handle == handle_of(index, slot->generation));
    __atomic_store_n(&slot->capability, NULL, __ATOMIC_RELEASE);
    __atomic_store_n(&cspace->removals, cspace->removals + 1, __ATOMIC_RELEASE);
    if (slot->generation++ != UINT32_MAX) {
        slot->next_free = cspace->free_head;
        cspace->free_head = index;
    }
    cspace->used_count--;
    uncharge_one(cspace->budget);
    spinlock_release(&cspace->lock);
}

void cspace_install(struct cspace *cspace, uint64_t handle, struct capability *capability)
{
    spinlock_acquire(&cspace->lock);
    __atomic_store_n(&slot_at(cspace, (uint32_t)handle)->capability, capability, __ATOMIC_RELEASE);
    spinlock_release(&cspace->lock);
}

void cspace_withdraw(struct cspace *cspace, uint64_t handle)
{
    cspace_install(cspace, handle, NULL);
}

struct capability *cspace_find(const struct cspace *cspace, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;

    if (UNLIKELY(index / SLOTS_PER_PAGE >= cspace->page_count))
        return NULL;
    const struct slot *slot = slot_at(cspace, index);
    return LIKELY(slot->generation == handle >> 32) ? slot->capability : NULL;
}

/* ---- Lookup ---- */

/* Under the lock, where the capability and with it the reference that it counts stay. */
enum status cspace_lookup(struct cspace *cspace, uint64_t handle, enum object_type type,
                          uint32_t rights, struct capability_ref *ref_out)
{
    spinlock_acquire(&cspace->lock);
    enum status status = cspace_borrow(cspace, handle, type, rights, ref_out);
    if (status == OK)
        object_get(ref_out->object);
    spinlock_release(&cspace->lock);
    return status;
}

static void info_fill(const struct capability *capability, uint64_t handle,
                      struct handle_info *info)
{
    info->handle = handle;
    info->object_id = capability->object->id;
    info->badge = capability->badge;
    info->origin = capability->origin;
    info->type = capability->object->type;
    info->rights = capability->rights;
}

size_t cspace_inspect(struct cspace *cspace, uint32_t *cursor, struct handle_info *info, size_t max)
{
    size_t count = 0;
    uint32_t index = *cursor;

    spinlock_acquire(&cspace->lock);
    uint32_t end = cspace->page_count * SLOTS_PER_PAGE;
    for (uint32_t seen = 0; index < end && seen < SLOTS_PER_PAGE && count < max; seen++, index++) {
        const struct slot *slot = slot_at(cspace, index);
        if (slot->capability != NULL)
            info_fill(slot->capability, handle_of(index, slot->generation), &info[count++]);
    }
    *cursor = index < end ? index : 0;
    spinlock_release(&cspace->lock);
    return count;
}

/* ---- The end ---- */

/* Looks through one page; false if it holds no capability. */
static bool next_handle(struct cspace *cspace, uint64_t *handle_out) REQUIRES(cspace->lock)
{
    uint32_t end = (cspace->clear_next / SLOTS_PER_PAGE + 1) * SLOTS_PER_PAGE;

    for (; cspace->clear_next < end; cspace->clear_next++) {
        const struct slot *slot = slot_at(cspace, cspace->clear_next);
        if (slot->capability == NULL)
            continue;
        *handle_out = handle_of(cspace->clear_next, slot->generation);
        return true;
    }
    return false;
}

/* One step towards an empty table: a handle to close (OK), a page looked through or freed
 * (ERR_WOULD_BLOCK), or nothing left (ERR_NOT_FOUND).
 */
static enum status clear_step(struct cspace *cspace, uint64_t *handle_out) REQUIRES(cspace->lock)
{
    cspace->dying = true;
    if (cspace->used_count > 0) {
        /* Somebody may have filled a slot behind us, so it goes round. */
        if (cspace->clear_next >= cspace->page_count * SLOTS_PER_PAGE)
            cspace->clear_next = 0;
        return next_handle(cspace, handle_out) ? OK : ERR_WOULD_BLOCK;
    }
    if (cspace->page_count > 0) {
        cspace->page_count--;
        payer_free_page(cspace->budget, cspace->page[cspace->page_count]);
        return ERR_WOULD_BLOCK;
    }
    if (cspace->page != NULL) {
        payer_free_page(cspace->budget, cspace->page);
        cspace->page = NULL;
        budget_put(cspace->budget);
    }
    return ERR_NOT_FOUND;
}

enum status cspace_clear(struct cspace *cspace, struct work *work)
{
    for (; work->left > 0; work_spend(work)) {
        uint64_t handle = HANDLE_NONE;
        spinlock_acquire(&cspace->lock);
        enum status status = clear_step(cspace, &handle);
        spinlock_release(&cspace->lock);
        if (status == ERR_NOT_FOUND)
            return OK;
        if (status == OK)
            status = cspace_close(cspace, handle, work);
        if (status == ERR_WOULD_BLOCK && handle != HANDLE_NONE)
            return status;
    }
    return ERR_WOULD_BLOCK;
}

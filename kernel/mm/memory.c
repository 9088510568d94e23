/* Memory objects: see kernel/memory.h. The tree is in memory_pages.c. */
#include "memory_impl.h"
#include "words.h"
#include <arch/mmu.h>
#include <base/string.h>
#include <kernel/cspace.h>
#include <kernel/panic.h>
#include <kernel/slab.h>
#include <object_info.h>

enum {
    PAGES_SLICE = 4096, /* pages that are only unlinked, at a time */
    WORK_BLOCK = 64,    /* what 2 MiB of zeroes, or a slice of pages, cost */
};

static struct slab_cache memory_cache = SLAB_CACHE_INIT("memory", struct memory);

/* ---- Life ---- */

/* What is left of the pages, in slices; nothing is mapped, and nothing pinned. */
static enum status release(struct memory *memory, struct work *work)
{
    uint64_t page = 0;

    if (memory->kind == MEMORY_PAGES)
        return memory_decommit(memory, &page, memory->page_count, work);
    return OK;
}

static enum status drain(struct object *object, struct work *work)
{
    return release(object_as_memory(object), work);
}

static void memory_destroy(struct object *object)
{
    struct memory *memory = object_as_memory(object);

    ASSERT(list_empty(&memory->mappings) && memory->pin_count == 0 && memory->root == 0);
    if (memory->kind == MEMORY_CONTIGUOUS && memory->pa != 0) {
        frame_put_range(node_frame(memory->pa), (size_t)memory->page_count);
        budget_uncharge(object->payer, BUDGET_MEMORY, memory->page_count * PAGE_SIZE);
    }
}

static enum status detach(struct object *object, struct capability *capability, struct work *work)
{
    return memory_detach(object_as_memory(object), capability, work);
}

enum status memory_detach(struct memory *memory, struct capability *capability, struct work *work)
{
    return mappings_remove(memory, &capability->uses, true, work);
}

/* Those that hold the frames themselves: or who pinned could keep the budget from its end. */
static enum status undo_pins(struct memory *memory, struct work *work)
{
    for (;;) {
        struct memory_pin *pin = NULL;
        spinlock_acquire(&memory->lock);
        if (!list_empty(&memory->pins))
            pin = CONTAINER_OF(memory->pins.next, struct memory_pin, node);
        spinlock_release(&memory->lock);
        if (pin == NULL)
            return OK;
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        memory_pin_release(pin);
        work_spend(work);
    }
}

/* Who only lost its capabilities may still be mapped, by mappings without one. */
static enum status retire(struct object *object, enum object_end why, struct work *work)
{
    struct memory *memory = object_as_memory(object);

    if (why == OBJECT_DESTROYED) {
        enum status status = mappings_remove(memory, &memory->mappings, false, work);
        if (status == OK)
            status = undo_pins(memory, work);
        if (status != OK)
            return status;
    }
    spinlock_acquire(&memory->lock);
    bool idle = list_empty(&memory->mappings);
    spinlock_release(&memory->lock);
    enum status status = idle ? release(memory, work) : OK;
    return status == ERR_BUSY ? OK : status; /* pinned */
}

static void info(struct object *object, struct object_info *info)
{
    info->detail.memory = memory_inspect(object_as_memory(object));
}

static const struct object_ops memory_ops = {
    .type = OBJECT_MEMORY,
    .cache = &memory_cache,
    .info = info,
    .detach = detach,
    .retire = retire,
    .drain = drain,
    .destroy = memory_destroy,
    .uses_stay = true,
};

static unsigned height_for(uint64_t pages)
{
    unsigned height = 1;

    while (pages > UINT64_C(1) << (9 * height))
        height++;
    return height;
}

/* The beginning of one that is nobody's yet. */
static enum status create(struct budget *payer, uint64_t size_bytes, enum memory_kind kind,
                          struct memory **memory_out)
{
    struct memory *memory;

    if (size_bytes == 0 || size_bytes > MEMORY_SIZE_MAX ||
        !IS_ALIGNED(size_bytes, (uint64_t)PAGE_SIZE))
        return ERR_RANGE;
    enum status status = object_alloc(&memory_ops, payer, &memory);
    if (status != OK)
        return status;
    memory->kind = kind;
    memory->page_count = size_bytes >> PAGE_SHIFT;
    memory->height = height_for(memory->page_count);
    spinlock_init(&memory->lock, RANK_MEMORY);
    list_init(&memory->mappings);
    list_init(&memory->pins);
    *memory_out = memory;
    return OK;
}

static enum status create_pages(struct budget *payer, uint64_t size_bytes, bool anonymous,
                                struct memory **memory_out)
{
    struct memory *memory;
    enum status status = create(payer, size_bytes, MEMORY_PAGES, &memory);

    if (status != OK)
        return status;
    memory->anonymous = anonymous;
    return object_publish(&memory->object, memory_out);
}

enum status memory_create(struct budget *payer, uint64_t size_bytes, struct memory **memory_out)
{
    return create_pages(payer, size_bytes, false, memory_out);
}

enum status memory_create_anonymous(struct budget *payer, uint64_t size_bytes,
                                    struct memory **memory_out)
{
    return create_pages(payer, size_bytes, true, memory_out);
}

enum status memory_create_contiguous(struct budget *payer, uint64_t size_bytes,
                                     uint64_t align_bytes, uint64_t limit,
                                     struct memory **memory_out)
{
    struct memory *memory;
    struct frame *first;
    enum status status = size_bytes <= MEMORY_CONTIGUOUS_MAX
                             ? create(payer, size_bytes, MEMORY_CONTIGUOUS, &memory)
                             : ERR_RANGE;

    if (status != OK)
        return status;
    status = budget_charge(payer, BUDGET_MEMORY, size_bytes);
    if (status == OK) {
        status = frame_alloc_range((size_t)memory->page_count, align_bytes, limit, &first);
        if (status != OK)
            budget_uncharge(payer, BUDGET_MEMORY, size_bytes);
    }
    if (status != OK) {
        object_discard(&memory->object);
        return status;
    }
    memory->pa = frame_paddr(first).raw;
    memset(frame_kernel(first), 0, (size_t)size_bytes);
    return object_publish(&memory->object, memory_out);
}

enum status memory_create_physical(struct budget *payer, paddr_t pa, uint64_t size_bytes,
                                   unsigned attributes, struct memory **memory_out)
{
    struct memory *memory;

    if ((attributes & ~(unsigned)(PERM_DEVICE | PERM_WRITE_COMBINE)) != 0 ||
        !IS_ALIGNED(pa.raw, (uint64_t)PAGE_SIZE) || size_bytes > BIT64(48) ||
        pa.raw > BIT64(48) - size_bytes)
        return ERR_RANGE;
    for (uint64_t done = 0; done < size_bytes && attributes != PERM_DEVICE; done += PAGE_SIZE) {
        if (frame_of(paddr(pa.raw + done)) != NULL)
            return ERR_INVALID;
    }
    enum status status = create(payer, size_bytes, MEMORY_PHYSICAL, &memory);
    if (status != OK)
        return status;
    memory->pa = pa.raw;
    memory->attributes = attributes;
    return object_publish(&memory->object, memory_out);
}

struct object_info_memory memory_inspect(struct memory *memory)
{
    spinlock_acquire(&memory->lock);
    struct object_info_memory info = {
        .size_bytes = memory->page_count * PAGE_SIZE,
        .resident_pages = memory->kind == MEMORY_CONTIGUOUS ? memory->page_count : memory->resident,
        .mapping_count = memory->mapping_count,
        .kind = memory->kind,
    };
    spinlock_release(&memory->lock);
    return info;
}

/* ---- Mappings ---- */

static struct mapping *mapping_of(struct list *node)
{
    return CONTAINER_OF(node, struct mapping, memory_node);
}

static uint64_t mapping_first_after(const struct mapping *mapping)
{
    return mapping->first + ((mapping->end - mapping->start) >> PAGE_SHIFT);
}

/* Runs `visit` with what each mapping shows of [first, end). */
static void for_mappings(struct memory *memory, const struct mapping *but, uint64_t first,
                         uint64_t end,
                         void (*visit)(struct mapping *mapping, uint64_t first, uint64_t end))
{
    LIST_FOR_EACH(node, &memory->mappings)
    {
        struct mapping *mapping = mapping_of(node);
        uint64_t from = MAX(first, mapping->first);
        uint64_t to = MIN(end, mapping_first_after(mapping));
        if (mapping != but && from < to)
            visit(mapping, from, to);
    }
}

/* So many show it that none of its pages can be taken out of their page tables in one go. */
static bool is_settled(const struct memory *memory)
{
    return memory->mapping_count >= MEMORY_OVERLAP_MAX && memory->writer_count == 0;
}

bool memory_takes_mapping(struct memory *memory, uint64_t first, uint64_t end, bool writer)
{
    unsigned overlap = 0;

    if (LIKELY(memory->mapping_count < MEMORY_OVERLAP_MAX))
        return true;
    if (is_settled(memory))
        return !writer;
    LIST_FOR_EACH(node, &memory->mappings)
    {
        const struct mapping *mapping = mapping_of(node);
        overlap += mapping->first < end && first < mapping_first_after(mapping);
    }
    return memory->mapping_count < MEMORY_MAPPINGS_MAX && overlap < MEMORY_OVERLAP_MAX;
}

void memory_forget_replaced(struct memory *memory, uint64_t index, const struct mapping *but)
{
    for_mappings(memory, but, index, index + 1, mapping_drop);
}

/* ---- Ranges ---- */

static enum status range_check(const struct memory *memory, uint64_t page, uint64_t end)
{
    if (memory->kind != MEMORY_PAGES)
        return ERR_UNSUPPORTED;
    return page <= end && end <= memory->page_count ? OK : ERR_RANGE;
}

/* True if the leaf that [page, end) lies in has no other pages. */
static bool is_whole_leaf(const struct memory *memory, uint64_t page, uint64_t end)
{
    return page % NODE_SLOTS == 0 && (end - page == NODE_SLOTS || end == memory->page_count);
}

static enum status commit_one(struct memory *memory, uint64_t *page, uint64_t end,
                              struct work *work) REQUIRES(memory->lock)
{
    struct memory_page found;
    const uint64_t *entry = tree_find(memory, *page, NULL);

    if (*page % NODE_SLOTS == 0 && end - *page >= NODE_SLOTS && (entry == NULL || *entry == 0) &&
        leaf_fill_block(memory, *page)) {
        *page += NODE_SLOTS;
        work_spend_many(work, WORK_BLOCK);
        return OK;
    }
    enum status status = memory_page(memory, *page, false, &found);
    if (status != OK)
        return status;
    ++*page;
    work_spend(work);
    return OK;
}

enum status memory_commit(struct memory *memory, uint64_t *page, uint64_t end, struct work *work)
{
    enum status status = range_check(memory, *page, end);

    spinlock_acquire(&memory->lock);
    while (status == OK && *page < end) {
        status = work->left > 0 ? commit_one(memory, page, end, work) : ERR_WOULD_BLOCK;
    }
    spinlock_release(&memory->lock);
    return status;
}

/* The pages of [page, end), which lie in one leaf; out of all page tables already. */
static enum status decommit_leaf(struct memory *memory, uint64_t *entry, uint64_t page,
                                 uint64_t end) REQUIRES(memory->lock)
{
    if (is_whole_leaf(memory, page, end)) {
        leaf_remove(memory, page);
        return OK;
    }
    enum status status = leaf_own(memory, page, &entry);
    if (status == OK)
        leaf_clear(memory, entry, page, end);
    return status;
}

/* Up to a slice of pages that are there; what is not there is passed over. */
static enum status decommit_slice(struct memory *memory, uint64_t *page, uint64_t end,
                                  struct work *work) REQUIRES(memory->lock)
{
    uint64_t slice_end = 0;

    while (*page < end) {
        uint64_t next = end;
        uint64_t *entry = tree_find(memory, *page, &next);
        if (entry != NULL && *entry != 0) {
            if (slice_end == 0) {
                slice_end = MIN(end, ALIGN_DOWN(*page, (uint64_t)NODE_SLOTS) + PAGES_SLICE);
                for_mappings(memory, NULL, *page, slice_end, mapping_drop);
            }
            if (*page >= slice_end)
                break;
            enum status status = decommit_leaf(memory, entry, *page, next);
            if (status != OK)
                return status;
        }
        *page = next;
    }
    work_spend_many(work, WORK_BLOCK);
    return OK;
}

enum status memory_decommit(struct memory *memory, uint64_t *page, uint64_t end, struct work *work)
{
    enum status status = range_check(memory, *page, end);

    spinlock_acquire(&memory->lock);
    if (status == OK && (memory->pin_count != 0 || is_settled(memory)))
        status = ERR_BUSY;
    while (status == OK && *page < end)
        status = work->left > 0 ? decommit_slice(memory, page, end, work) : ERR_WOULD_BLOCK;
    spinlock_release(&memory->lock);
    return status;
}

uint64_t memory_next(struct memory *memory, uint64_t first, uint64_t end)
{
    for (uint64_t next = end; first < end; first = next, next = end) {
        const uint64_t *entry = tree_find(memory, first, &next);
        if (entry != NULL && *entry != 0)
            return first;
    }
    return end;
}

void memory_unmapped(struct memory *memory, uint64_t first, uint64_t end)
{
    if (memory->pin_count != 0)
        return;
    for (uint64_t next = end; first < end; first = next, next = end) {
        uint64_t *entry = tree_find(memory, first, &next);
        /* Without memory for a copy of a shared leaf the rest goes with the Memory. */
        if (entry != NULL && *entry != 0)
            (void)decommit_leaf(memory, entry, first, next);
    }
}

/* ---- Sharing ---- */

/* What is there in `clone` stays. */
static enum status copy_page(struct memory *clone, uint64_t index, uint64_t pa)
{
    uint64_t *entry;
    struct frame *frame;
    enum status status = leaf_own(clone, index, &entry);

    if (status != OK || node_slots(*entry)[index & (NODE_SLOTS - 1)] != 0)
        return status;
    status = page_alloc(clone, 0, &frame);
    if (status == OK) {
        memcpy(frame_kernel(frame), paddr_to_kernel(paddr(pa)), PAGE_SIZE);
        leaf_enter(clone, entry, index, frame);
    }
    leaf_clear(clone, entry, index, index); /* if nothing came */
    return status;
}

struct share {
    struct memory *source;
    struct memory *clone;
    int64_t shift;
};

/* `from`: entries of one leaf of the source, for pages of one leaf of the clone from `index` on.
 * What is there in the clone stays.
 */
static enum status share_pages(struct memory *clone, uint64_t index, uint64_t *from, size_t count)
{
    uint64_t *entry, fresh = 0;
    uint64_t *end = from + count;

    index += (uint64_t)(words_skip_zero(from, end) - from);
    from = words_skip_zero(from, end);
    count = (size_t)(end - from);
    while (count > 0 && from[count - 1] == 0)
        count--;
    enum status status = count > 0 ? leaf_own(clone, index, &entry) : OK;
    if (count == 0 || status != OK)
        return status;
    const uint64_t *to = &node_slots(*entry)[index & (NODE_SLOTS - 1)];
    for (size_t i = 0; i < count; i++)
        fresh += from[i] != 0 && to[i] == 0;
    status = budget_charge(clone->object.payer, BUDGET_MEMORY, fresh * PAGE_SIZE);
    node_frame(*entry)->owner_word |= NODE_SHARED;
    for (size_t i = 0; status == OK && i < count; i++) {
        if (from[i] != 0 && to[i] == 0) {
            frame_get(node_frame(from[i]));
            leaf_enter(clone, entry, index + i, node_frame(from[i]));
        }
    }
    leaf_clear(clone, entry, index, index); /* if nothing came */
    return status;
}

/* The pages of [*page, end), which lie in one leaf of the source. */
static enum status share_leaf(const struct share *share, uint64_t leaf, uint64_t *page,
                              uint64_t end, struct work *work)
{
    uint64_t index = *page + (uint64_t)share->shift;
    struct frame *frame = node_frame(leaf);
    uint64_t *entry;

    if (__atomic_load_n(&frame->references, __ATOMIC_ACQUIRE) == 1)
        frame->owner_word |= NODE_SHARED;
    if (is_whole_leaf(share->source, *page, end) && index % NODE_SLOTS == 0 &&
        share->source->object.payer == share->clone->object.payer) {
        enum status status = tree_make(share->clone, index, &entry);
        if (status != OK)
            return status;
        if (*entry == 0) {
            leaf_adopt(share->clone, entry, frame);
            *page = end;
            work_spend_many(work, 8);
            return OK;
        }
    }
    enum status status = OK;
    while (status == OK && *page < end) {
        uint64_t *from = &node_slots(leaf)[*page % NODE_SLOTS];
        index = *page + (uint64_t)share->shift;
        size_t count = (size_t)MIN(end - *page, NODE_SLOTS - index % NODE_SLOTS);
        status = share_pages(share->clone, index, from, count);
        *page += status == OK ? count : 0;
    }
    work_spend_many(work, 16);
    return status;
}

/* A slice of the source is not writable anywhere when it is shared. */
static enum status share_slice(const struct share *share, uint64_t *page, uint64_t end,
                               struct work *work)
{
    uint64_t slice_end = MIN(end, ALIGN_DOWN(*page, (uint64_t)NODE_SLOTS) + PAGES_SLICE);
    struct memory *source = share->source;
    bool protected = false;

    while (*page < end && work->left > 0) {
        uint64_t next = end;
        const uint64_t *entry = tree_find(source, *page, &next);
        if (entry == NULL || *entry == 0) {
            *page = next;
            work_spend(work);
            continue;
        }
        if (*page >= slice_end)
            break;
        if (!protected && source->writer_count > 0 && !leaf_is_shared(*entry)) {
            for_mappings(source, NULL, *page, slice_end, mapping_write_protect);
            protected = true;
        }
        enum status status = share_leaf(share, *entry, page, next, work);
        if (status != OK)
            return status;
    }
    return OK;
}

/* Devices may write to contiguous memory at any time. */
static enum status copy_slice(const struct share *share, uint64_t *page, uint64_t end,
                              struct work *work)
{
    for (; *page < end && work->left > 0; ++*page) {
        enum status status = copy_page(share->clone, *page + (uint64_t)share->shift,
                                       share->source->pa + *page * PAGE_SIZE);
        if (status != OK)
            return status;
        work_spend(work);
    }
    return OK;
}

static enum status share_check(const struct share *share, uint64_t page, uint64_t end)
{
    uint64_t to = page + (uint64_t)share->shift;

    if (share->source->kind == MEMORY_PHYSICAL || share->clone->kind != MEMORY_PAGES)
        return ERR_UNSUPPORTED;
    /* What ends before it begins is longer than any Memory. */
    if (end > share->source->page_count || to > share->clone->page_count ||
        end - page > share->clone->page_count - to || share->source == share->clone)
        return ERR_RANGE;
    return OK;
}

enum status memory_share(struct memory *source, uint64_t *page, uint64_t end, struct memory *clone,
                         int64_t shift, struct work *work)
{
    const struct share share = { source, clone, shift };
    bool copy = source->kind == MEMORY_CONTIGUOUS;
    enum status status = share_check(&share, *page, end);

    if (status != OK)
        return status;
    spinlock_acquire_both(&source->lock, &clone->lock, RANK_MEMORY_2);
    if (source->pin_count != 0 && !copy)
        status = ERR_BUSY;
    while (status == OK && *page < end) {
        if (work->left == 0)
            status = ERR_WOULD_BLOCK;
        else
            status = (copy ? copy_slice : share_slice)(&share, page, end, work);
    }
    spinlock_release_both(&source->lock, &clone->lock);
    return status;
}

/* ---- Pages by number ---- */

/* With the lock held; what was replaced is gone from all page tables. */
static enum status page_settled(struct memory *memory, uint64_t index, bool write, paddr_t *pa_out)
    REQUIRES(memory->lock)
{
    struct memory_page page;
    enum status status =
        write && is_settled(memory) ? ERR_BUSY : memory_page(memory, index, write, &page);

    if (status != OK)
        return status;
    if (page.replaced != NULL) {
        memory_forget_replaced(memory, index, NULL);
        frame_put(page.replaced);
    }
    *pa_out = paddr(page.pa);
    return OK;
}

enum status memory_page_address(struct memory *memory, uint64_t page, bool write, paddr_t *pa_out)
{
    if (page >= memory->page_count)
        return ERR_RANGE;
    spinlock_acquire(&memory->lock);
    enum status status = page_settled(memory, page, write, pa_out);
    spinlock_release(&memory->lock);
    return status;
}

enum status memory_pin(struct memory *memory, uint64_t first, uint64_t count)
{
    enum status status = OK;
    paddr_t pa;

    if (first > memory->page_count || count > memory->page_count - first)
        return ERR_RANGE;
    spinlock_acquire(&memory->lock);
    /* Its end comes by here later, if this is not seen. */
    if (READ_ONCE(memory->object.ended))
        status = ERR_DEAD;
    for (uint64_t i = 0; status == OK && i < count && memory->kind == MEMORY_PAGES; i++)
        status = page_settled(memory, first + i, true, &pa);
    if (status == OK)
        memory->pin_count++;
    spinlock_release(&memory->lock);
    return status;
}

void memory_unpin(struct memory *memory)
{
    spinlock_acquire(&memory->lock);
    ASSERT(memory->pin_count > 0);
    memory->pin_count--;
    spinlock_release(&memory->lock);
}

enum status memory_pin_lightly(struct memory *memory, uint64_t first, uint64_t count,
                               struct memory_pin *pin)
{
    if (!object_try_get(&memory->object))
        return ERR_NOT_FOUND;
    enum status status = memory_pin(memory, first, count);
    if (status != OK) {
        memory_put(memory);
        return status;
    }
    spinlock_acquire(&memory->lock);
    pin->memory = memory;
    list_push_back(&memory->pins, &pin->node);
    spinlock_release(&memory->lock);
    return OK;
}

/* The storage of Memory that was found here stays until this CPU leaves the kernel. */
void memory_pin_release(struct memory_pin *pin)
{
    struct memory *memory = __atomic_load_n(&pin->memory, __ATOMIC_ACQUIRE);

    if (memory == NULL)
        return;
    spinlock_acquire(&memory->lock);
    bool ours = pin->memory != NULL;
    if (ours) {
        list_remove(&pin->node);
        memory->pin_count--;
        __atomic_store_n(&pin->memory, NULL, __ATOMIC_RELEASE);
    }
    spinlock_release(&memory->lock);
    if (ours)
        memory_put(memory);
}

enum status memory_write(struct memory *memory, uint64_t offset, const void *bytes,
                         size_t size_bytes)
{
    const char *from = bytes;

    while (size_bytes > 0) {
        paddr_t pa;
        size_t inside = (size_t)(offset & PAGE_MASK);
        size_t step = MIN(PAGE_SIZE - inside, size_bytes);
        enum status status = memory_page_address(memory, offset >> PAGE_SHIFT, true, &pa);
        if (status != OK)
            return status;
        char *to = (char *)paddr_to_kernel(pa) + inside;
        memcpy(to, from, step);
        arch_sync_instructions(to, step);
        offset += step;
        from += step;
        size_bytes -= step;
    }
    return OK;
}

/* The tree of a Memory's frames: see memory_impl.h.
 *
 * A leaf with several references is immutable, and copied by whoever wants to change it: the copy
 * counts a reference to each frame, and a frame with several references is copied before it is
 * written to. The last holder of a leaf, who finds one reference under its own lock, is alone with
 * it.
 */
#include "memory_impl.h"
#include "words.h"
#include <base/string.h>

static uint64_t *node_word(uint64_t pa)
{
    return &node_frame(pa)->owner_word;
}

static unsigned slot_index(uint64_t index, unsigned level)
{
    return (unsigned)(index >> (9 * level)) & (NODE_SLOTS - 1);
}

static enum status charge_pages(struct memory *memory, uint64_t pages)
{
    return budget_charge(memory->object.payer, BUDGET_MEMORY, pages * PAGE_SIZE);
}

static void uncharge_pages(struct memory *memory, uint64_t pages)
{
    budget_uncharge(memory->object.payer, BUDGET_MEMORY, pages * PAGE_SIZE);
}

enum status page_alloc(struct memory *memory, unsigned flags, struct frame **frame_out)
{
    return payer_alloc_frame(memory->object.payer, flags, frame_out);
}

/* ---- Above the leaves ---- */

/* Behind what `entry` leads to; if that is nothing, behind its empty neighbours, too. */
static uint64_t next_of(const struct memory *memory, uint64_t *entry, uint64_t index,
                        unsigned level, uint64_t end)
{
    uint64_t span = UINT64_C(1) << (9 * (level + 1));
    uint64_t next = ALIGN_DOWN(index, span) + span;

    if (*entry == 0 && entry != &memory->root) {
        uint64_t *node_end = (uint64_t *)ALIGN_UP((uintptr_t)(entry + 1), PAGE_SIZE);
        next += (uint64_t)(words_skip_zero(entry + 1, node_end) - (entry + 1)) * span;
    }
    return MIN(next, end);
}

uint64_t *tree_find(struct memory *memory, uint64_t index, uint64_t *end)
{
    uint64_t *entry = &memory->root;
    unsigned level = memory->height - 1;

    for (; level > 0 && *entry != 0; level--)
        entry = &node_slots(*entry)[slot_index(index, level)];
    if (end != NULL)
        *end = next_of(memory, entry, index, level, *end);
    return level == 0 ? entry : NULL;
}

/* Entries lie in the node that counts them, but for the root. */
static void entry_counts(struct memory *memory, uint64_t *entry, uint64_t change)
{
    if (entry != &memory->root)
        frame_of(paddr_of_direct(entry))->owner_word += change;
}

static enum status node_make(struct memory *memory, uint64_t *entry)
{
    void *node;
    enum status status = payer_alloc_page(memory->object.payer, &node);

    if (status != OK)
        return status;
    *entry = paddr_of_direct(node).raw;
    entry_counts(memory, entry, 1);
    return OK;
}

static void node_free(struct memory *memory, uint64_t *entry)
{
    payer_free_zeroes(memory->object.payer, node_slots(*entry));
    *entry = 0;
    entry_counts(memory, entry, UINT64_MAX);
}

/* Free the nodes on the way to `index` that are empty, from below. */
static void tree_prune(struct memory *memory, uint64_t index)
{
    uint64_t *entry[PT_LEVELS + 1];
    unsigned depth = 0;

    entry[0] = &memory->root;
    for (unsigned level = memory->height - 1; level > 0 && *entry[depth] != 0; level--) {
        uint64_t *slots = node_slots(*entry[depth]);
        entry[++depth] = &slots[slot_index(index, level)];
    }
    if (*entry[depth] != 0)
        return;
    while (depth-- > 0 && (*node_word(*entry[depth]) & NODE_COUNT) == 0)
        node_free(memory, entry[depth]);
}

enum status tree_make(struct memory *memory, uint64_t index, uint64_t **entry_out)
{
    uint64_t *entry = &memory->root;

    for (unsigned level = memory->height - 1; level > 0; level--) {
        enum status status = *entry == 0 ? node_make(memory, entry) : OK;
        if (status != OK) {
            tree_prune(memory, index);
            return status;
        }
        entry = &node_slots(*entry)[slot_index(index, level)];
    }
    *entry_out = entry;
    return OK;
}

/* ---- Leaves ---- */

bool leaf_is_shared(uint64_t leaf)
{
    return __atomic_load_n(&node_frame(leaf)->references, __ATOMIC_ACQUIRE) != 1;
}

static uint64_t leaf_live(uint64_t leaf)
{
    return *node_word(leaf) & NODE_COUNT;
}

/* Empty entries, of which at most `max` are in use, and put the frames, those that follow each
 * other in one go. Returns how many there were.
 */
static uint64_t slots_put(uint64_t *slot, uint64_t *end, uint64_t max)
{
    uint64_t left = max;

    while (left > 0 && (slot = words_skip_zero(slot, end)) < end) {
        uint64_t pa = *slot;
        size_t run = 0;
        for (; slot < end && *slot == pa + run * PAGE_SIZE; run++)
            *slot++ = 0;
        frame_put_range(node_frame(pa), run);
        left -= run;
    }
    return max - left;
}

/* One holder less. The last one releases and uncharges all. */
static void leaf_put(struct memory *memory, uint64_t leaf)
{
    uint64_t live = leaf_live(leaf);

    if (frame_put_shared(node_frame(leaf)))
        return;
    (void)slots_put(node_slots(leaf), node_slots(leaf) + NODE_SLOTS, live);
    frame_put_zeroes(node_frame(leaf));
    uncharge_pages(memory, live + 1);
}

void leaf_adopt(struct memory *memory, uint64_t *entry, struct frame *leaf)
{
    frame_get(leaf);
    *entry = frame_paddr(leaf).raw;
    entry_counts(memory, entry, 1);
    memory->resident += leaf->owner_word & NODE_COUNT;
}

void leaf_remove(struct memory *memory, uint64_t index)
{
    uint64_t *entry = tree_find(memory, index, NULL);

    memory->resident -= leaf_live(*entry);
    leaf_put(memory, *entry);
    *entry = 0;
    entry_counts(memory, entry, UINT64_MAX);
    tree_prune(memory, index);
}

static enum status leaf_copy(struct memory *memory, uint64_t *entry)
{
    uint64_t old = *entry;
    uint64_t live = leaf_live(old);
    struct frame *frame;
    enum status status = charge_pages(memory, live + 1);

    if (status != OK)
        return status;
    status = frame_alloc(0, 0, &frame);
    if (status != OK) {
        uncharge_pages(memory, live + 1);
        return status;
    }
    const uint64_t *from = node_slots(old);
    uint64_t *to = frame_kernel(frame);
    for (size_t i = 0; i < NODE_SLOTS; i++) {
        to[i] = from[i];
        if (to[i] != 0)
            frame_get(node_frame(to[i]));
    }
    frame->owner_word = *node_word(old) | NODE_SHARED;
    *entry = frame_paddr(frame).raw;
    leaf_put(memory, old);
    return OK;
}

enum status leaf_own(struct memory *memory, uint64_t index, uint64_t **entry_out)
{
    enum status status = tree_make(memory, index, entry_out);

    if (status != OK)
        return status;
    if (**entry_out == 0)
        status = node_make(memory, *entry_out);
    else if (leaf_is_shared(**entry_out))
        status = leaf_copy(memory, *entry_out);
    if (status != OK)
        tree_prune(memory, index);
    return status;
}

void leaf_enter(struct memory *memory, uint64_t *entry, uint64_t index, struct frame *frame_taken)
{
    node_slots(*entry)[slot_index(index, 0)] = frame_paddr(frame_taken).raw;
    ++*node_word(*entry);
    memory->resident++;
}

static void leaf_drop_if_empty(struct memory *memory, uint64_t index, uint64_t *entry)
{
    if (leaf_live(*entry) == 0) {
        node_free(memory, entry);
        tree_prune(memory, index);
    }
}

void leaf_clear(struct memory *memory, uint64_t *entry, uint64_t index, uint64_t end)
{
    uint64_t *slot = &node_slots(*entry)[slot_index(index, 0)];
    uint64_t cleared = slots_put(slot, slot + (end - index), end - index);

    *node_word(*entry) = (*node_word(*entry) & ~NODE_BLOCK) - cleared;
    memory->resident -= cleared;
    uncharge_pages(memory, cleared);
    leaf_drop_if_empty(memory, index, entry);
}

bool leaf_fill_block(struct memory *memory, uint64_t index)
{
    struct frame *first;
    uint64_t *entry;

    if (charge_pages(memory, NODE_SLOTS) != OK)
        return false;
    if (frame_alloc_range(NODE_SLOTS, PAGE_SIZE * NODE_SLOTS, UINT64_MAX, &first) != OK) {
        uncharge_pages(memory, NODE_SLOTS);
        return false;
    }
    if (leaf_own(memory, index, &entry) != OK) {
        frame_put_range(first, NODE_SLOTS);
        uncharge_pages(memory, NODE_SLOTS);
        return false;
    }
    uint64_t pa = frame_paddr(first).raw;
    words_fill(paddr_to_kernel(paddr(pa)), PAGE_SIZE * NODE_SLOTS, 0);
    for (size_t i = 0; i < NODE_SLOTS; i++)
        node_slots(*entry)[i] = pa + i * PAGE_SIZE;
    *node_word(*entry) = NODE_SLOTS | NODE_BLOCK;
    memory->resident += NODE_SLOTS;
    return true;
}

/* ---- What faults ask ---- */

static bool frame_is_shared(uint64_t pa)
{
    return __atomic_load_n(&node_frame(pa)->references, __ATOMIC_ACQUIRE) != 1;
}

/* What a leaf that is there says; false if the page is not there, or shared and to be written. */
static bool page_there(uint64_t leaf, uint64_t index, bool write, struct memory_page *page)
{
    uint64_t pa = node_slots(leaf)[slot_index(index, 0)];

    page->pa = pa;
    if (pa == 0)
        return false;
    uint64_t word = *node_word(leaf);
    page->writable = !leaf_is_shared(leaf) && ((word & NODE_SHARED) == 0 || !frame_is_shared(pa));
    /* Where frames may be shared, one answer does not hold for all of them. */
    page->block = (word & NODE_BLOCK) != 0 && (!page->writable || (word & NODE_SHARED) == 0);
    return page->writable || !write;
}

/* The leaf is the Memory's own. */
static enum status page_make(struct memory *memory, uint64_t *entry, uint64_t index,
                             struct memory_page *page)
{
    struct frame *frame;
    enum status status = page_alloc(memory, page->pa == 0 ? FRAME_ZERO : 0, &frame);

    if (status != OK)
        return status;
    if (page->pa != 0) {
        memcpy(frame_kernel(frame), paddr_to_kernel(paddr(page->pa)), PAGE_SIZE);
        page->replaced = node_frame(page->pa);
        node_slots(*entry)[slot_index(index, 0)] = 0;
        *node_word(*entry) = (*node_word(*entry) & ~NODE_BLOCK) - 1;
        memory->resident--;
        uncharge_pages(memory, 1);
    }
    leaf_enter(memory, entry, index, frame);
    page->pa = frame_paddr(frame).raw;
    page->made = true;
    page->writable = true;
    page->block = false;
    return OK;
}

static enum status tree_page(struct memory *memory, uint64_t index, bool write,
                             struct memory_page *page)
{
    uint64_t *entry = tree_find(memory, index, NULL);
    bool own = false;

    if (LIKELY(entry != NULL && *entry != 0)) {
        if (page_there(*entry, index, write, page))
            return OK;
        own = !leaf_is_shared(*entry);
    }
    enum status status = own ? OK : leaf_own(memory, index, &entry);
    if (status != OK)
        return status;
    /* A leaf that came to be the Memory's own may have frames of its own. */
    if (!own && page_there(*entry, index, write, page))
        return OK;
    status = page_make(memory, entry, index, page);
    if (status != OK)
        leaf_drop_if_empty(memory, index, entry);
    return status;
}

enum status memory_page(struct memory *memory, uint64_t index, bool write, struct memory_page *page)
{
    *page = (struct memory_page){ .pa = memory->pa + index * PAGE_SIZE };
    if (memory->kind == MEMORY_PAGES) {
        page->pa = 0;
        return tree_page(memory, index, write, page);
    }
    page->writable = true;
    page->block = true;
    return OK;
}

struct memory_run memory_run(struct memory *memory, uint64_t index, size_t max)
{
    uint64_t rest = NODE_SLOTS - slot_index(index, 0);
    struct memory_run run = { .count = (size_t)MIN(rest, (uint64_t)max) };

    if (memory->kind != MEMORY_PAGES) {
        run.there = true;
        run.pa = memory->pa + index * PAGE_SIZE;
        run.writable = true;
        run.block = true;
        return run;
    }
    const uint64_t *entry = tree_find(memory, index, NULL);
    if (entry == NULL || *entry == 0)
        return run;
    uint64_t word = *node_word(*entry);
    run.there = true;
    run.slot = &node_slots(*entry)[slot_index(index, 0)];
    run.pa = run.slot[0];
    run.writable = !leaf_is_shared(*entry);
    run.look = (word & NODE_SHARED) != 0;
    run.block = (word & NODE_BLOCK) != 0 && !(run.writable && run.look);
    return run;
}

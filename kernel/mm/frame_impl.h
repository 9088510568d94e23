/* What frame.c (the allocator), frame_seed.c (its beginnings) and frame_check.c (what only tests
 * and the debug flavour have) share.
 *
 * Physical memory is cut into sections of 128 MiB. A section has frame structures for the 2 MiB
 * granules from its first managed one to its last, so a large hole costs nothing and a small one
 * little. All structures stand in one pool, in order of address; physically adjacent managed frames
 * are therefore adjacent in the pool. `section` leads from an address to a structure, and
 * `granule_number` from a structure to an address, each with one table access.
 */
#pragma once

#include <kernel/frame.h>
#include <kernel/spinlock.h>

enum {
    SECTION_SHIFT = 27,
    SECTION_FRAMES = 1 << (SECTION_SHIFT - PAGE_SHIFT),
    GRANULE_SHIFT = 21,
    GRANULE_FRAMES = 1 << (GRANULE_SHIFT - PAGE_SHIFT),
};
#define FRAME_PA_LIMIT ((uint64_t)1 << 48)

struct frame_section {
    struct frame *frame; /* of number `first` in the section; NULL if there is none */
    uint32_t first;
    uint32_t count;
};

struct frame_pool {
    struct frame_section *section;
    uint64_t section_count;
    struct frame *frame;
    uint64_t frame_count;
    uint32_t *granule_number; /* physical address >> GRANULE_SHIFT */
};

/* Constant after frame_init. */
extern struct frame_pool frame_pool;

struct frame_buddy {
    struct list block[FRAME_ORDER_MAX + 1]; /* [L] free blocks by order */
    uint32_t present;                       /* [L] bit k: block[k] is not empty */
    uint64_t free;                          /* [L] frames in the lists */
    uint64_t total;                         /* [L] */
};

extern struct spinlock frame_lock;
extern struct frame_buddy frame_buddy;

#define FRAME_WORD(references, order, state)                                                       \
    ((uint64_t)(references) | (uint64_t)(order) << 32 | (uint64_t)(state) << 40)

/* The structure, whatever its state; NULL if there is none. */
static inline struct frame *frame_pool_find(paddr_t pa)
{
    uint64_t number = pa.raw >> SECTION_SHIFT;

    if (UNLIKELY(number >= frame_pool.section_count))
        return NULL;
    const struct frame_section *section = &frame_pool.section[number];
    uint32_t index = ((uint32_t)(pa.raw >> PAGE_SHIFT) & (SECTION_FRAMES - 1)) - section->first;
    return LIKELY(index < section->count) ? &section->frame[index] : NULL;
}

/* Give frames that nobody owns to the buddy lists. */
void frame_seed_range(struct frame *first, size_t count);

static inline struct frame *frame_of_node(struct list *node)
{
    return CONTAINER_OF(node, struct frame, node);
}

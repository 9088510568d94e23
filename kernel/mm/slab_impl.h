/* What slab.c and slab_check.c (what only tests and the debug flavour have) share. */
#pragma once

#include <kernel/frame.h>
#include <kernel/slab.h>

struct slab_word {
    uint16_t first_free; /* index, or SLAB_END */
    uint16_t used;
    uint32_t cache_id;
};
static_assert(sizeof(struct slab_word) == sizeof(((struct frame *)NULL)->owner_word), "fits");

extern struct spinlock slab_registry_lock;
extern struct list slab_registry; /* under slab_registry_lock; never shrinks */

/* This CPU's. A static cache has no number before its first use. */
struct slab_magazine *slab_magazine_of(struct slab_cache *cache);
void slab_magazine_drain(struct slab_cache *cache, struct slab_magazine *magazine, uint32_t keep);
void slab_destroy(struct slab_cache *cache, struct frame *slab) REQUIRES(cache->lock);

static inline struct slab_word *slab_word(struct frame *slab)
{
    return (struct slab_word *)(void *)&slab->owner_word;
}

static inline struct frame *slab_of_node(struct list *node)
{
    return CONTAINER_OF(node, struct frame, node);
}

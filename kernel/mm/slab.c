/* Typed object caches (Bonwick, The Slab Allocator, 1994; magazines: Bonwick and Adams, 2001).
 *
 * A slab is one block of frames. What is known about it stands in the head frame's structure, not
 * beside the objects: the list node, and in owner_word a struct slab_word. Free objects of a slab
 * are linked by index through their first word. An object that lies in a magazine counts as taken
 * from its slab.
 */
#include "debug_hooks.h"
#include "slab_impl.h"
#include "words.h"
#include <kernel/panic.h>

enum { SLAB_ORDER_MAX = 3, SLAB_WANTED = 8, SLAB_END = UINT16_MAX, BATCH = SLAB_MAGAZINE / 2 };

struct spinlock slab_registry_lock = SPINLOCK_INIT(RANK_SLAB);
struct list slab_registry = { &slab_registry, &slab_registry };
static uint32_t cache_count; /* under slab_registry_lock */

static uint64_t *object_at(const struct slab_cache *cache, const struct frame *slab, size_t index)
{
    return (uint64_t *)(void *)((char *)frame_kernel(slab) + index * cache->stride_bytes);
}

/* Slabs large enough for several objects, so that little is lost at their end. */
static void cache_measure(struct slab_cache *cache)
{
    size_t align_bytes = MAX(cache->align_bytes, sizeof(uint64_t));

    ASSERT((align_bytes & (align_bytes - 1)) == 0 && align_bytes <= PAGE_SIZE);
    cache->align_bytes = align_bytes;
    cache->object_size_bytes = ALIGN_UP(cache->object_size_bytes, sizeof(uint64_t));
    cache->stride_bytes = ALIGN_UP(cache->object_size_bytes + RED_BYTES, align_bytes);
    cache->slab_order = 0;
    while (cache->slab_order < SLAB_ORDER_MAX &&
           (PAGE_SIZE << cache->slab_order) / cache->stride_bytes < SLAB_WANTED)
        cache->slab_order++;
    size_t capacity = (PAGE_SIZE << cache->slab_order) / cache->stride_bytes;
    ASSERT(capacity > 0 && capacity < SLAB_END);
    list_init(&cache->partial);
    list_init(&cache->empty);
    spinlock_init(&cache->lock, RANK_SLAB);
    __atomic_store_n(&cache->slab_capacity, (uint32_t)capacity, __ATOMIC_RELEASE);
}

/* Once for each cache, whoever comes first. */
static void cache_register(struct slab_cache *cache)
{
    spinlock_acquire(&slab_registry_lock);
    if (cache->slab_capacity == 0) {
        ASSERT(cache_count + 1 < SLAB_CACHE_MAX);
        cache->id = ++cache_count;
        list_push_back(&slab_registry, &cache->registry);
        cache_measure(cache);
    }
    spinlock_release(&slab_registry_lock);
}

/* A new slab, all free, on the empty list. */
static bool cache_grow(struct slab_cache *cache) REQUIRES(cache->lock)
{
    struct frame *slab;

    if (frame_alloc(cache->slab_order, 0, &slab) != OK)
        return false;
    for (uint32_t i = 0; i < cache->slab_capacity; i++) {
        uint64_t *object = object_at(cache, slab, i);
        object_poison(cache, object);
        *object = i + 1 < cache->slab_capacity ? i + 1 : SLAB_END;
    }
    *slab_word(slab) = (struct slab_word){ .first_free = 0, .used = 0, .cache_id = cache->id };
    list_push_front(&cache->empty, &slab->node);
    cache->slab_count++;
    return true;
}

void slab_destroy(struct slab_cache *cache, struct frame *slab) REQUIRES(cache->lock)
{
    list_remove(&slab->node);
    cache->slab_count--;
    frame_put(slab);
}

/* The slab moves to the list that its count asks for, or to none where it is full; of empty ones a
 * single one is kept.
 */
static void slab_file(struct slab_cache *cache, struct frame *slab) REQUIRES(cache->lock)
{
    uint32_t used = slab_word(slab)->used;

    if (used == 0 && !list_empty(&cache->empty)) {
        slab_destroy(cache, slab);
        return;
    }
    list_remove(&slab->node);
    if (used == 0)
        list_push_front(&cache->empty, &slab->node);
    else if (used != cache->slab_capacity)
        list_push_front(&cache->partial, &slab->node);
}

static void *slab_take(struct slab_cache *cache, struct frame *slab) REQUIRES(cache->lock)
{
    struct slab_word *word = slab_word(slab);
    uint64_t *object = object_at(cache, slab, word->first_free);

    word->first_free = (uint16_t)*object;
    word->used++;
    if (word->used == 1 || word->used == cache->slab_capacity)
        slab_file(cache, slab);
    return object;
}

static void slab_return(struct slab_cache *cache, uint64_t *object) REQUIRES(cache->lock)
{
    uint64_t pa = paddr_of_direct(object).raw;
    uint64_t base = ALIGN_DOWN(pa, (uint64_t)PAGE_SIZE << cache->slab_order);
    struct frame *slab = frame_of(paddr(base));
    struct slab_word *word = slab_word(slab);

    ASSERT(word->cache_id == cache->id && word->used > 0);
    *object = word->first_free;
    word->first_free = (uint16_t)((pa - base) / cache->stride_bytes);
    word->used--;
    if (word->used == 0 || word->used == cache->slab_capacity - 1)
        slab_file(cache, slab);
}

/* This CPU's. A static cache has no number before its first use. */
struct slab_magazine *slab_magazine_of(struct slab_cache *cache)
{
    if (UNLIKELY(__atomic_load_n(&cache->slab_capacity, __ATOMIC_ACQUIRE) == 0))
        cache_register(cache);
    return &cpu_self()->magazine[cache->id];
}

static bool magazine_refill(struct slab_cache *cache, struct slab_magazine *magazine)
{
    spinlock_acquire(&cache->lock);
    while (magazine->count < BATCH) {
        struct list *from = list_empty(&cache->partial) ? &cache->empty : &cache->partial;
        if (list_empty(from)) {
            if (magazine->count > 0 || !cache_grow(cache))
                break;
            from = &cache->empty;
        }
        magazine->object[magazine->count++] = slab_take(cache, slab_of_node(from->next));
    }
    spinlock_release(&cache->lock);
    return magazine->count > 0;
}

void slab_magazine_drain(struct slab_cache *cache, struct slab_magazine *magazine, uint32_t keep)
{
    spinlock_acquire(&cache->lock);
    while (magazine->count > keep)
        slab_return(cache, magazine->object[--magazine->count]);
    spinlock_release(&cache->lock);
}

void *slab_alloc(struct slab_cache *cache)
{
    struct slab_magazine *magazine = slab_magazine_of(cache);

    if (slab_alloc_fails())
        return NULL;
    if (UNLIKELY(magazine->count == 0) && !magazine_refill(cache, magazine))
        return NULL;
    void *object = magazine->object[--magazine->count];
    object_check_free(cache, object);
    words_fill(object, cache->object_size_bytes, 0);
    __atomic_fetch_add(&cache->used_count, 1, __ATOMIC_RELAXED);
    return object;
}

void slab_free(struct slab_cache *cache, void *object_taken)
{
    struct slab_magazine *magazine = slab_magazine_of(cache);

    object_check_used(cache, object_taken);
    object_poison(cache, object_taken);
    if (UNLIKELY(magazine->count == SLAB_MAGAZINE))
        slab_magazine_drain(cache, magazine, BATCH);
    magazine->object[magazine->count++] = object_taken;
    __atomic_fetch_sub(&cache->used_count, 1, __ATOMIC_RELAXED);
}

/* Typed object caches (Bonwick, The Slab Allocator, 1994; magazines: Bonwick and Adams, 2001).
 *
 * A slab is one block of frames. What is known about it stands in the head frame's structure, not
 * beside the objects: the list node, and in owner_word a struct slab_word. Free objects of a slab
 * are linked by index through their first word. An object that lies in a magazine counts as taken
 * from its slab.
 *
 * In the debug flavour a red word follows each object and says whether it is in use, which finds
 * overflows and double frees; the body of a free object is poison.
 */
#include "words.h"
#include <kernel/frame.h>
#include <kernel/panic.h>
#include <kernel/slab.h>

enum { SLAB_ORDER_MAX = 3, SLAB_WANTED = 8, SLAB_END = UINT16_MAX, BATCH = SLAB_MAGAZINE / 2 };
#define SLAB_POISON   UINT64_C(0xdead51abdead51ab)
#define SLAB_RED_FREE UINT64_C(0xf4eef4eef4eef4ee)
#define SLAB_RED_USED UINT64_C(0x05ed05ed05ed05ed)

struct slab_word {
    uint16_t first_free; /* index, or SLAB_END */
    uint16_t used;
    uint32_t cache_id;
};
static_assert(sizeof(struct slab_word) == sizeof(((struct frame *)NULL)->owner_word), "fits");

static struct spinlock registry_lock = SPINLOCK_INIT(RANK_SLAB);
static struct list registry = { &registry, &registry }; /* under registry_lock; never shrinks */
static uint32_t cache_count;                            /* under registry_lock */
static uint64_t fail_countdown;                         /* [A] 0: off */

static struct slab_word *slab_word(struct frame *slab)
{
    return (struct slab_word *)(void *)&slab->owner_word;
}

static struct frame *slab_of_node(struct list *node)
{
    return CONTAINER_OF(node, struct frame, node);
}

static uint64_t *object_at(const struct slab_cache *cache, const struct frame *slab, size_t index)
{
    return (uint64_t *)(void *)((char *)frame_kernel(slab) + index * cache->stride_bytes);
}

#ifdef CONFIG_DEBUG
enum { RED_BYTES = sizeof(uint64_t) };

static uint64_t *red_word(const struct slab_cache *cache, void *object)
{
    return (uint64_t *)(void *)((char *)object + cache->object_size_bytes);
}

/* From nobody's to free: an object of a new slab, or one that comes back. */
static void object_poison(const struct slab_cache *cache, void *object)
{
    words_fill(object, cache->object_size_bytes, SLAB_POISON);
    *red_word(cache, object) = SLAB_RED_FREE;
}

/* The first word may be a link. */
static void object_check_free(const struct slab_cache *cache, void *object)
{
    if (*red_word(cache, object) != SLAB_RED_FREE ||
        !words_are((uint64_t *)object + 1, cache->object_size_bytes - sizeof(uint64_t),
                   SLAB_POISON))
        panic("slab %s: object %p was written to while it was free", cache->name, object);
    *red_word(cache, object) = SLAB_RED_USED;
}

static void object_check_used(const struct slab_cache *cache, void *object)
{
    const struct frame *frame = frame_of(paddr_of_direct(object));

    if (frame == NULL)
        panic("slab %s: %p is no object of a slab", cache->name, object);
    size_t offset =
        (size_t)(paddr_of_direct(object).raw & (((uint64_t)PAGE_SIZE << cache->slab_order) - 1));
    struct frame *slab = frame_of(paddr(paddr_of_direct(object).raw - offset));
    if (slab == NULL || slab->order != cache->slab_order || slab_word(slab)->cache_id != cache->id)
        panic("slab %s: object %p belongs to another cache", cache->name, object);
    if (offset % cache->stride_bytes != 0)
        panic("slab %s: %p points into an object", cache->name, object);
    if (*red_word(cache, object) == SLAB_RED_FREE)
        panic("slab %s: double free of object %p", cache->name, object);
    if (*red_word(cache, object) != SLAB_RED_USED)
        panic("slab %s: object %p was overrun", cache->name, object);
}
#else
enum { RED_BYTES = 0 };

static void object_poison(const struct slab_cache *cache, void *object)
{
    (void)cache;
    (void)object;
}

static void object_check_free(const struct slab_cache *cache, void *object)
{
    (void)cache;
    (void)object;
}

static void object_check_used(const struct slab_cache *cache, void *object)
{
    (void)cache;
    (void)object;
}
#endif

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
    list_init(&cache->full);
    list_init(&cache->empty);
    spinlock_init(&cache->lock, RANK_SLAB);
    __atomic_store_n(&cache->slab_capacity, (uint32_t)capacity, __ATOMIC_RELEASE);
}

/* Once for each cache, whoever comes first. */
static void cache_register(struct slab_cache *cache)
{
    spinlock_acquire(&registry_lock);
    if (cache->slab_capacity == 0) {
        ASSERT(cache_count + 1 < SLAB_CACHE_MAX);
        cache->id = ++cache_count;
        list_push_back(&registry, &cache->registry);
        cache_measure(cache);
    }
    spinlock_release(&registry_lock);
}

void slab_cache_init(struct slab_cache *cache, const char *name, size_t object_size_bytes,
                     size_t align_bytes)
{
    cache->name = name;
    cache->object_size_bytes = object_size_bytes;
    cache->align_bytes = align_bytes;
    cache->slab_capacity = 0;
    cache->slab_count = 0;
    cache->used_count = 0;
    cache_register(cache);
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

static void slab_destroy(struct slab_cache *cache, struct frame *slab) REQUIRES(cache->lock)
{
    list_remove(&slab->node);
    cache->slab_count--;
    frame_put(slab);
}

/* The slab moves to the list that its count asks for; of empty ones a single one is kept. */
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
    else if (used == cache->slab_capacity)
        list_push_front(&cache->full, &slab->node);
    else
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
static struct slab_magazine *magazine_of(struct slab_cache *cache)
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

static void magazine_drain(struct slab_cache *cache, struct slab_magazine *magazine, uint32_t keep)
{
    spinlock_acquire(&cache->lock);
    while (magazine->count > keep)
        slab_return(cache, magazine->object[--magazine->count]);
    spinlock_release(&cache->lock);
}

static bool fail_injected(void)
{
#ifdef CONFIG_TESTS
    if (UNLIKELY(READ_ONCE(fail_countdown) != 0))
        return __atomic_sub_fetch(&fail_countdown, 1, __ATOMIC_RELAXED) == 0;
#endif
    return false;
}

void slab_fail_after(uint64_t nth)
{
    __atomic_store_n(&fail_countdown, nth, __ATOMIC_RELAXED);
}

void *slab_alloc(struct slab_cache *cache)
{
    struct slab_magazine *magazine = magazine_of(cache);

    if (fail_injected())
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
    struct slab_magazine *magazine = magazine_of(cache);

    object_check_used(cache, object_taken);
    object_poison(cache, object_taken);
    if (UNLIKELY(magazine->count == SLAB_MAGAZINE))
        magazine_drain(cache, magazine, BATCH);
    magazine->object[magazine->count++] = object_taken;
    __atomic_fetch_sub(&cache->used_count, 1, __ATOMIC_RELAXED);
}

void slab_cache_drain(struct slab_cache *cache)
{
    if (__atomic_load_n(&cache->slab_capacity, __ATOMIC_ACQUIRE) == 0)
        return;
    magazine_drain(cache, magazine_of(cache), 0);
    spinlock_acquire(&cache->lock);
    while (!list_empty(&cache->empty))
        slab_destroy(cache, slab_of_node(cache->empty.next));
    spinlock_release(&cache->lock);
}

/* Caches are only ever added at the end, so a position stays good without the lock. */
static struct slab_cache *cache_after(const struct list *position)
{
    spinlock_acquire(&registry_lock);
    struct list *next = position->next;
    spinlock_release(&registry_lock);
    return next == &registry ? NULL : CONTAINER_OF(next, struct slab_cache, registry);
}

void slab_drain_all(void)
{
    struct slab_cache *cache = cache_after(&registry);

    for (; cache != NULL; cache = cache_after(&cache->registry))
        slab_cache_drain(cache);
}

void slab_for_each(void (*visit)(const struct slab_cache *cache, void *context), void *context)
{
    const struct slab_cache *cache = cache_after(&registry);

    for (; cache != NULL; cache = cache_after(&cache->registry))
        visit(cache, context);
}

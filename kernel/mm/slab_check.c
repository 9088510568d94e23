/* Typed object caches look at themselves: in the debug flavour a red word follows each object and
 * says whether it is in use, which finds overflows and double frees, and the body of a free object
 * is poison. Tests give back what caches hold, and visit all caches.
 */
#ifdef CONFIG_TESTS
#include "debug_hooks.h"
#include "slab_impl.h"
#include "words.h"
#include <kernel/checks.h>
#include <kernel/panic.h>

uint64_t slab_fail_countdown;

void slab_fail_after(uint64_t nth)
{
    __atomic_store_n(&slab_fail_countdown, nth, __ATOMIC_RELAXED);
}

#ifdef CONFIG_DEBUG
#define SLAB_POISON   UINT64_C(0xdead51abdead51ab)
#define SLAB_RED_FREE UINT64_C(0xf4eef4eef4eef4ee)
#define SLAB_RED_USED UINT64_C(0x05ed05ed05ed05ed)

static uint64_t *red_word(const struct slab_cache *cache, void *object)
{
    return (uint64_t *)(void *)((char *)object + cache->object_size_bytes);
}

void object_poison(const struct slab_cache *cache, void *object)
{
    words_fill(object, cache->object_size_bytes, SLAB_POISON);
    *red_word(cache, object) = SLAB_RED_FREE;
}

/* The first word may be a link. */
void object_check_free(const struct slab_cache *cache, void *object)
{
    if (*red_word(cache, object) != SLAB_RED_FREE ||
        !words_are((uint64_t *)object + 1, cache->object_size_bytes - sizeof(uint64_t),
                   SLAB_POISON))
        panic("slab %s: object %p was written to while it was free", cache->name, object);
    *red_word(cache, object) = SLAB_RED_USED;
}

void object_check_used(const struct slab_cache *cache, void *object)
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
#endif

void slab_cache_drain(struct slab_cache *cache)
{
    if (__atomic_load_n(&cache->slab_capacity, __ATOMIC_ACQUIRE) == 0)
        return;
    slab_magazine_drain(cache, slab_magazine_of(cache), 0);
    spinlock_acquire(&cache->lock);
    while (!list_empty(&cache->empty))
        slab_destroy(cache, slab_of_node(cache->empty.next));
    spinlock_release(&cache->lock);
}

/* Caches are only ever added at the end, so a position stays good without the lock. */
static struct slab_cache *cache_after(const struct list *position)
{
    spinlock_acquire(&slab_registry_lock);
    struct list *next = position->next;
    spinlock_release(&slab_registry_lock);
    return next == &slab_registry ? NULL : CONTAINER_OF(next, struct slab_cache, registry);
}

void slab_drain_all(void)
{
    struct slab_cache *cache = cache_after(&slab_registry);

    for (; cache != NULL; cache = cache_after(&cache->registry))
        slab_cache_drain(cache);
}

void slab_for_each(void (*visit)(const struct slab_cache *cache, void *context), void *context)
{
    const struct slab_cache *cache = cache_after(&slab_registry);

    for (; cache != NULL; cache = cache_after(&cache->registry))
        visit(cache, context);
}
#endif

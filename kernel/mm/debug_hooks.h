/* What the debug flavour and the tests add to the allocators, and what stands in its place where
 * there is neither: nothing.
 */
#pragma once

#if defined(CONFIG_TESTS) || defined(CONFIG_DEBUG)
#include <base/compiler.h>
#include <kernel/frame.h>
#include <kernel/slab.h>
#endif

#ifdef CONFIG_TESTS
extern uint64_t frame_fail_countdown, slab_fail_countdown; /* [A] 0: off */

/* True if this allocation is the one that has to fail. */
static inline bool fail_injected(uint64_t *countdown)
{
    return UNLIKELY(READ_ONCE(*countdown) != 0) &&
           __atomic_sub_fetch(countdown, 1, __ATOMIC_RELAXED) == 0;
}

#define frame_alloc_fails() fail_injected(&frame_fail_countdown)
#define slab_alloc_fails()  fail_injected(&slab_fail_countdown)
#else
#define frame_alloc_fails() (false)
#define slab_alloc_fails()  (false)
#endif

#ifdef CONFIG_DEBUG
enum { RED_BYTES = sizeof(uint64_t) };

/* True if every word is `value`. */
static inline bool words_are(const void *memory, size_t size_bytes, uint64_t value)
{
    const uint64_t *word = memory;
    const uint64_t *end = word + size_bytes / sizeof(*word);
    uint64_t difference = 0;

    for (; word < end; word++)
        difference |= *word ^ value;
    return difference == 0;
}

/* Frames become free, or stop being it. */
void frame_poison(struct frame *first, size_t count);
void frame_check_poison(struct frame *first, size_t count);
/* It is said to hold zeroes. */
void frame_check_zero(const struct frame *frame);

/* From nobody's to free: an object of a new slab, or one that comes back. */
void object_poison(const struct slab_cache *cache, void *object);
void object_check_free(const struct slab_cache *cache, void *object);
void object_check_used(const struct slab_cache *cache, void *object);
#else
enum { RED_BYTES = 0 };

#define frame_poison(first, count)       ((void)0)
#define frame_check_poison(first, count) ((void)0)
#define frame_check_zero(frame)          ((void)0)
#define object_poison(cache, object)     ((void)0)
#define object_check_free(cache, object) ((void)0)
#define object_check_used(cache, object) ((void)0)
#endif

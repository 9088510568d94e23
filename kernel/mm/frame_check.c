/* The frame allocator looks at itself: poison in free frames (debug flavour), and a walk over all
 * there is (tests).
 */
#ifdef CONFIG_TESTS
#include "debug_hooks.h"
#include "frame_impl.h"
#include "words.h"
#include <kernel/checks.h>
#include <kernel/panic.h>

uint64_t frame_fail_countdown;

void frame_fail_after(uint64_t nth)
{
    __atomic_store_n(&frame_fail_countdown, nth, __ATOMIC_RELAXED);
}

/* Poison: what is free must not change. Only what was freed carries it, not what never was in use.
 */
#ifdef CONFIG_DEBUG
enum {
    POISON_ORDER_MAX = 9,
    FRAME_POISONED = 1 << 0, /* frame.flags: free, and filled with the poison */
};
#define FRAME_POISON UINT64_C(0xdeadf4a3edeadf4a)

void frame_poison(struct frame *first, size_t count)
{
    if (count > (size_t)1 << POISON_ORDER_MAX)
        return;
    for (size_t i = 0; i < count; i++) {
        words_fill(frame_kernel(&first[i]), PAGE_SIZE, FRAME_POISON);
        first[i].flags |= FRAME_POISONED;
    }
}

void frame_check_poison(struct frame *first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((first[i].flags & FRAME_POISONED) == 0)
            continue;
        if (!words_are(frame_kernel(&first[i]), PAGE_SIZE, FRAME_POISON))
            panic("frame 0x%llx was written to while it was free",
                  (unsigned long long)frame_paddr(&first[i]).raw);
        first[i].flags = 0;
    }
}

void frame_check_zero(const struct frame *frame)
{
    if (!words_are(frame_kernel(frame), PAGE_SIZE, 0))
        panic("frame 0x%llx does not hold zeroes", (unsigned long long)frame_paddr(frame).raw);
}
#endif

static uint64_t check_lists(void) REQUIRES(frame_lock)
{
    uint64_t free = 0;

    for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
        LIST_FOR_EACH(node, &frame_buddy.block[order])
        {
            const struct frame *frame = frame_of_node(node);
            ASSERT(frame->state == FRAME_FREE && frame->order == order && frame->references == 0);
            ASSERT(IS_ALIGNED(frame_paddr(frame).raw, (uint64_t)PAGE_SIZE << order));
            ASSERT(node->next->prev == node && node->prev->next == node);
            free += BIT64(order);
        }
        ASSERT(list_empty(&frame_buddy.block[order]) == ((frame_buddy.present >> order & 1) == 0));
    }
    return free;
}

/* Check the block that begins at `frame`; returns its length. Other CPUs may move single frames
 * between caches and owners meanwhile: each state is read once.
 */
static size_t check_block(const struct frame *frame)
{
    struct frame head = { .word = READ_ONCE(frame->word) };
    size_t count = (size_t)1 << head.order;

    if (head.state == FRAME_RESERVED)
        return 1;
    ASSERT(head.state != FRAME_FREE_TAIL);
    ASSERT(head.state == FRAME_OWNED || head.references == 0);
    for (size_t i = 1; i < count; i++) {
        struct frame tail = { .word = READ_ONCE(frame[i].word) };
        ASSERT(tail.references == 0);
        if (head.state == FRAME_FREE)
            ASSERT(tail.state == FRAME_FREE_TAIL);
        else
            ASSERT(tail.state == FRAME_OWNED && tail.order == head.order);
    }
    return count;
}

void frame_check(void)
{
    uint64_t free = 0;

    spinlock_acquire(&frame_lock);
    ASSERT(check_lists() == frame_buddy.free);
    for (uint64_t i = 0; i < frame_pool.frame_count;) {
        const struct frame *frame = &frame_pool.frame[i];
        size_t count = check_block(frame);
        ASSERT(frame_pool_find(frame_paddr(frame)) == frame);
        free += READ_ONCE(frame->state) == FRAME_FREE ? count : 0;
        i += count;
    }
    ASSERT(free == frame_buddy.free);
    spinlock_release(&frame_lock);
}
#endif

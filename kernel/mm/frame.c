/* The frame allocator: buddy lists, and a cache of single frames on each CPU.
 *
 * A page of zeroes that its owner gives back as such, as empty tables are, is kept apart and given
 * out where zeroes are asked for.
 *
 * A free block is known by its head (state FREE and its order); everything else about it is on
 * paper only, so splitting and joining touch one structure a step. An owned block carries its order
 * in each of its frames, which is how any of them leads to the head, where references are counted.
 *
 * Knuth, The Art of Computer Programming vol. 1, 2.5, "buddy system".
 */
#include "debug_hooks.h"
#include "frame_impl.h"
#include "words.h"
#include <kernel/cpu.h>
#include <kernel/panic.h>

enum { CACHE_MAX = 32, CACHE_BATCH = 16, ZERO_MAX = 64 };

struct spinlock frame_lock = SPINLOCK_INIT(RANK_FRAME);
struct frame_buddy frame_buddy;

paddr_t frame_paddr(const struct frame *frame)
{
    uint64_t index = (uint64_t)(frame - frame_pool.frame);
    uint64_t granule = frame_pool.granule_number[index / GRANULE_FRAMES];

    return paddr(granule << GRANULE_SHIFT | (index % GRANULE_FRAMES) << PAGE_SHIFT);
}

struct frame *frame_of(paddr_t pa)
{
    struct frame *frame = frame_pool_find(pa);

    return frame != NULL && frame->state != FRAME_RESERVED ? frame : NULL;
}

static void block_link(struct frame *frame, unsigned order) REQUIRES(frame_lock)
{
    frame->order = (uint8_t)order;
    frame->state = FRAME_FREE;
    list_push_front(&frame_buddy.block[order], &frame->node);
    frame_buddy.present |= (uint32_t)1 << order;
}

static void block_unlink(struct frame *frame) REQUIRES(frame_lock)
{
    unsigned order = frame->order;

    list_remove(&frame->node);
    frame->state = FRAME_FREE_TAIL;
    if (list_empty(&frame_buddy.block[order]))
        frame_buddy.present &= ~((uint32_t)1 << order);
}

/* Free a block, joined with its buddy as long as that is free too. */
static void block_free(struct frame *frame, unsigned order) REQUIRES(frame_lock)
{
    paddr_t pa = frame_paddr(frame);

    frame_buddy.free += (uint64_t)1 << order;
    while (order < FRAME_ORDER_MAX) {
        uint64_t size_bytes = (uint64_t)PAGE_SIZE << order;
        struct frame *other = frame_pool_find(paddr(pa.raw ^ size_bytes));
        if (other == NULL || other->state != FRAME_FREE || other->order != order)
            break;
        block_unlink(other);
        if (other < frame) {
            frame = other;
            pa.raw -= size_bytes;
        }
        order++;
    }
    block_link(frame, order);
}

/* Cut a linked block down to `order`: the lower end is taken, the rest goes back to the lists. */
static struct frame *block_split(struct frame *frame, unsigned order) REQUIRES(frame_lock)
{
    unsigned have = frame->order;

    block_unlink(frame);
    while (have > order) {
        have--;
        block_link(frame + ((size_t)1 << have), have);
    }
    frame_buddy.free -= (uint64_t)1 << order;
    return frame;
}

/* A free block of at least `order`, still linked; NULL if there is none. */
static struct frame *block_find(unsigned order) REQUIRES(frame_lock)
{
    uint32_t candidates = frame_buddy.present & (UINT32_MAX << order);

    if (candidates == 0)
        return NULL;
    return frame_of_node(frame_buddy.block[__builtin_ctz(candidates)].next);
}

/* The same, with its first `size_bytes` below `limit`. Walks the lists: for old devices only. */
static struct frame *block_find_below(unsigned order, uint64_t size_bytes, uint64_t limit)
    REQUIRES(frame_lock)
{
    for (unsigned o = order; o <= FRAME_ORDER_MAX; o++) {
        LIST_FOR_EACH(node, &frame_buddy.block[o])
        {
            uint64_t base = frame_paddr(frame_of_node(node)).raw;
            if (base < limit && size_bytes <= limit - base)
                return frame_of_node(node);
        }
    }
    return NULL;
}

/* Free `count` adjacent frames, in the largest aligned blocks that fit. Their state is FREE_TAIL.
 */
static void range_free(struct frame *first, size_t count) REQUIRES(frame_lock)
{
    uint64_t number = frame_paddr(first).raw >> PAGE_SHIFT;

    while (count > 0) {
        unsigned aligned = number == 0 ? FRAME_ORDER_MAX : (unsigned)__builtin_ctzll(number);
        unsigned fits = 63 - (unsigned)__builtin_clzll(count);
        unsigned order = MIN(MIN(aligned, fits), (unsigned)FRAME_ORDER_MAX);
        size_t size = (size_t)1 << order;
        block_free(first, order);
        first += size;
        number += size;
        count -= size;
    }
}

void frame_seed_range(struct frame *first, size_t count)
{
    spinlock_acquire(&frame_lock);
    if (frame_buddy.total == 0) {
        for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++)
            list_init(&frame_buddy.block[order]);
    }
    frame_buddy.total += count;
    range_free(first, count);
    spinlock_release(&frame_lock);
}

/* Take what small blocks there are before cutting larger ones, up to a batch. */
static bool cache_refill(struct cpu *cpu)
{
    spinlock_acquire(&frame_lock);
    while (cpu->frame_cache_size < CACHE_BATCH) {
        struct frame *frame = block_find(0);
        if (frame == NULL)
            break;
        unsigned room = CACHE_BATCH - cpu->frame_cache_size;
        unsigned order = MIN(31 - (unsigned)__builtin_clz(room), (unsigned)frame->order);
        frame = block_split(frame, order);
        for (unsigned i = 0; i < 1u << order; i++) {
            frame[i].order = 0;
            frame[i].state = FRAME_CACHED;
            list_push_back(&cpu->frame_cache, &frame[i].node);
            cpu->frame_cache_size++;
        }
    }
    spinlock_release(&frame_lock);
    return cpu->frame_cache_size > 0;
}

static void cache_drain(struct cpu *cpu, uint32_t keep)
{
    spinlock_acquire(&frame_lock);
    while (cpu->frame_cache_size > keep) {
        struct frame *frame = frame_of_node(cpu->frame_cache.prev);
        list_remove(&frame->node);
        cpu->frame_cache_size--;
        frame->state = FRAME_FREE_TAIL;
        block_free(frame, 0);
    }
    spinlock_release(&frame_lock);
}

static struct frame *zero_take(struct cpu *cpu)
{
    struct frame *frame = frame_of_node(list_pop_front(&cpu->frame_zero));

    cpu->frame_zero_size--;
    frame_check_zero(frame);
    return frame;
}

/* One of zeroes if they are asked for and there is one, or if there is nothing else. */
static struct frame *cache_take(bool *zero)
{
    struct cpu *cpu = cpu_self();

    if (*zero && cpu->frame_zero_size > 0)
        return zero_take(cpu);
    *zero = false;
    if (UNLIKELY(cpu->frame_cache_size == 0) && !cache_refill(cpu))
        return cpu->frame_zero_size > 0 ? zero_take(cpu) : NULL;
    cpu->frame_cache_size--;
    return frame_of_node(list_pop_front(&cpu->frame_cache));
}

static void cache_put(struct frame *frame)
{
    struct cpu *cpu = cpu_self();

    frame->state = FRAME_CACHED;
    list_push_front(&cpu->frame_cache, &frame->node);
    if (UNLIKELY(++cpu->frame_cache_size > CACHE_MAX))
        cache_drain(cpu, CACHE_MAX - CACHE_BATCH);
}

void frame_cache_drain(void)
{
    struct cpu *cpu = cpu_self();

    while (cpu->frame_zero_size > 0) {
        struct frame *frame = zero_take(cpu);
        frame_poison(frame, 1);
        cache_put(frame);
    }
    cache_drain(cpu, 0);
}

/* From free to owned: the head holds the one reference. */
static void block_own(struct frame *frame, unsigned order)
{
    size_t count = (size_t)1 << order;

    frame_check_poison(frame, count);
    for (size_t i = 1; i < count; i++)
        frame[i].word = FRAME_WORD(0, order, FRAME_OWNED);
    frame->word = FRAME_WORD(1, order, FRAME_OWNED);
}

/* From owned to nobody's; what remains is to link it. */
static void block_disown(struct frame *frame, size_t count)
{
    for (size_t i = 0; i < count; i++)
        frame[i].word = FRAME_WORD(0, 0, FRAME_FREE_TAIL);
    frame_poison(frame, count);
}

/* The first `count` frames of a block of `order`, below `limit`; the rest stays free. NULL: none.
 */
static struct frame *range_try(unsigned order, size_t count, uint64_t limit)
{
    spinlock_acquire(&frame_lock);
    struct frame *frame = limit == UINT64_MAX
                              ? block_find(order)
                              : block_find_below(order, (uint64_t)count << PAGE_SHIFT, limit);
    if (frame != NULL) {
        frame = block_split(frame, order);
        range_free(frame + count, ((size_t)1 << order) - count);
    }
    spinlock_release(&frame_lock);
    return frame;
}

static struct frame *range_take(unsigned order, size_t count, uint64_t limit)
{
    struct frame *frame = range_try(order, count, limit);

    if (UNLIKELY(frame == NULL)) {
        frame_cache_drain(); /* what is cached may be what the block lacks */
        frame = range_try(order, count, limit);
    }
    return frame;
}

enum status frame_alloc(unsigned order, unsigned flags, struct frame **frame_out)
{
    ASSERT(order <= FRAME_ORDER_MAX);
    if (frame_alloc_fails())
        return ERR_NO_MEMORY;
    bool zero = (flags & FRAME_ZERO) != 0 && order == 0;
    struct frame *frame =
        order == 0 ? cache_take(&zero) : range_take(order, (size_t)1 << order, UINT64_MAX);
    if (frame == NULL)
        return ERR_NO_MEMORY;
    block_own(frame, order);
    if ((flags & FRAME_ZERO) != 0 && !zero)
        words_fill(frame_kernel(frame), PAGE_SIZE << order, 0);
    *frame_out = frame;
    return OK;
}

enum status frame_alloc_range(size_t count, uint64_t align_bytes, uint64_t limit,
                              struct frame **frame_out)
{
    if (count == 0 || align_bytes < PAGE_SIZE || (align_bytes & (align_bytes - 1)) != 0)
        return ERR_INVALID;
    uint64_t align = align_bytes >> PAGE_SHIFT;
    if (count > (size_t)1 << FRAME_ORDER_MAX || align > (uint64_t)1 << FRAME_ORDER_MAX ||
        frame_alloc_fails())
        return ERR_NO_MEMORY;
    uint64_t block = MAX((uint64_t)count, align);
    unsigned order = block == 1 ? 0 : 64 - (unsigned)__builtin_clzll(block - 1);
    struct frame *first = range_take(order, count, limit);
    if (first == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        block_own(&first[i], 0);
    *frame_out = first;
    return OK;
}

/* The frame that counts the references of the block that `frame` belongs to. */
static struct frame *frame_head(struct frame *frame)
{
    ASSERT(frame->state == FRAME_OWNED);
    if (LIKELY(frame->order == 0))
        return frame;
    uint64_t number = frame_paddr(frame).raw >> PAGE_SHIFT;
    struct frame *head = frame - (number & (BIT64(frame->order) - 1));
    ASSERT(head->state == FRAME_OWNED && head->order == frame->order);
    return head;
}

void frame_get(struct frame *frame)
{
    uint32_t before = __atomic_fetch_add(&frame_head(frame)->references, 1, __ATOMIC_RELAXED);

    ASSERT(before != 0 && before != UINT32_MAX);
}

/* Drop `count` references of a block; true if they were the last. */
static bool head_drop(struct frame *head, uint32_t count)
{
    uint32_t before = __atomic_fetch_sub(&head->references, count, __ATOMIC_ACQ_REL);

    ASSERT(before >= count);
    return before == count;
}

static void block_release(struct frame *head)
{
    unsigned order = head->order;

    block_disown(head, (size_t)1 << order);
    if (order == 0) {
        cache_put(head);
        return;
    }
    spinlock_acquire(&frame_lock);
    block_free(head, order);
    spinlock_release(&frame_lock);
}

void frame_put(struct frame *frame)
{
    struct frame *head = frame_head(frame);

    if (head_drop(head, 1))
        block_release(head);
}

void frame_put_zeroes(struct frame *frame)
{
    struct cpu *cpu = cpu_self();

    ASSERT(frame->word == FRAME_WORD(1, 0, FRAME_OWNED));
    frame_check_zero(frame);
    if (cpu->frame_zero_size == ZERO_MAX) {
        block_release(frame);
        return;
    }
    frame->word = FRAME_WORD(0, 0, FRAME_CACHED);
    list_push_front(&cpu->frame_zero, &frame->node);
    cpu->frame_zero_size++;
}

bool frame_put_shared(struct frame *frame)
{
    uint32_t references = __atomic_load_n(&frame->references, __ATOMIC_ACQUIRE);

    ASSERT(frame->state == FRAME_OWNED && frame->order == 0 && references != 0);
    while (references != 1) {
        if (__atomic_compare_exchange_n(&frame->references, &references, references - 1, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return true;
    }
    return false;
}

/* A block of one frame, in one comparison: most are. */
static bool frame_is_single(const struct frame *frame)
{
    return LIKELY((uint16_t)(READ_ONCE(frame->word) >> 32) == FRAME_WORD(0, 0, FRAME_OWNED) >> 32);
}

/* How many of `count` frames from `frame` on lie in the same block as it. */
static size_t frame_rest(const struct frame *frame, const struct frame *head, size_t count)
{
    size_t rest = ((size_t)1 << head->order) - (size_t)(frame - head);

    return MIN(rest, count);
}

static void range_release(struct frame *first, size_t count)
{
    if (count == 0)
        return;
    if (count == 1) {
        block_release(first);
        return;
    }
    block_disown(first, count);
    spinlock_acquire(&frame_lock);
    range_free(first, count);
    spinlock_release(&frame_lock);
}

/* Drop the references of leading single frames that stay or leave alike; returns how many frames.
 * Those that leave are gathered, so that a long run costs one visit to the lists.
 */
static size_t put_singles(struct frame *first, size_t count)
{
    size_t i = 0;
    size_t leaving = 0;

    for (; i < count && frame_is_single(&first[i]); i++) {
        if (head_drop(&first[i], 1)) {
            leaving++;
        } else if (leaving != 0) {
            range_release(&first[i] - leaving, leaving);
            leaving = 0;
        }
    }
    range_release(&first[i] - leaving, leaving);
    return i;
}

void frame_put_range(struct frame *first, size_t count)
{
    while (count > 0) {
        size_t step = put_singles(first, count);
        if (step == 0 && first->state == FRAME_RESERVED) {
            step = 1;
        } else if (step == 0) {
            struct frame *head = frame_head(first);
            step = frame_rest(first, head, count);
            if (head_drop(head, (uint32_t)step))
                block_release(head);
        }
        first += step;
        count -= step;
    }
}

struct frame_stats frame_stats(void)
{
    struct frame_stats stats = { 0 };

    for (uint32_t i = 0; i < cpu_count; i++) {
        stats.cached += READ_ONCE(cpu_get(i)->frame_cache_size);
        stats.cached += READ_ONCE(cpu_get(i)->frame_zero_size);
    }
    spinlock_acquire(&frame_lock);
    stats.total = frame_buddy.total;
    stats.free = frame_buddy.free + stats.cached;
    stats.largest_order =
        frame_buddy.present == 0 ? 0 : 31 - (unsigned)__builtin_clz(frame_buddy.present);
    spinlock_release(&frame_lock);
    return stats;
}

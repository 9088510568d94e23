#include <base/compiler.h>
#include <base/string.h>
#include <rt/ring.h>

struct ring_line {
    uint32_t word;
    unsigned char unused[RING_LINE - sizeof(uint32_t)];
};

struct ring_shared {
    struct ring_line head;
    struct ring_line tail;
    struct ring_line producer_waits;
    struct ring_line consumer_waits;
};
static_assert(sizeof(struct ring_shared) == RING_HEADER_BYTES, "the picture in ring.h");

size_t ring_bytes(uint32_t count, uint32_t entry_bytes)
{
    if (count == 0 || count > RING_COUNT_MAX || (count & (count - 1)) != 0)
        return 0;
    if (entry_bytes == 0 || entry_bytes > RING_ENTRY_BYTES_MAX || entry_bytes % 8 != 0)
        return 0;
    return RING_HEADER_BYTES + (size_t)count * entry_bytes;
}

static enum status ring_open(struct ring *ring, void *memory, size_t size_bytes, uint32_t count,
                             uint32_t entry_bytes)
{
    size_t needed = ring_bytes(count, entry_bytes);
    if (needed == 0 || size_bytes < needed || (uintptr_t)memory % RING_LINE != 0)
        return ERR_RANGE;
    *ring = (struct ring){ .shared = memory,
                           .entries = (unsigned char *)memory + RING_HEADER_BYTES,
                           .count = count,
                           .entry_bytes = entry_bytes };
    return OK;
}

enum status ring_open_producer(struct ring *ring, void *memory, size_t size_bytes, uint32_t count,
                               uint32_t entry_bytes)
{
    enum status status = ring_open(ring, memory, size_bytes, count, entry_bytes);
    ring->producer = status == OK;
    return status;
}

enum status ring_open_consumer(struct ring *ring, void *memory, size_t size_bytes, uint32_t count,
                               uint32_t entry_bytes)
{
    return ring_open(ring, memory, size_bytes, count, entry_bytes);
}

/* Read the peer's index. It only goes forward, and not past what our own allows: a consumer's not
 * past what was produced, a producer's not more than a lap before what was consumed.
 */
static bool ring_look(struct ring *ring)
{
    uint32_t *word = ring->producer ? &ring->shared->tail.word : &ring->shared->head.word;
    uint32_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    uint32_t end = ring->producer ? ring->mine : ring->mine + ring->count;
    if (seen - ring->peer > end - ring->peer)
        ring->broken = true;
    else
        ring->peer = seen;
    return !ring->broken;
}

/* Entries that can be pushed or popped, by what was seen last. */
static uint32_t ring_ready(const struct ring *ring)
{
    return ring->producer ? ring->count - (ring->mine - ring->peer) : ring->peer - ring->mine;
}

/* The next entry's place. */
static enum status ring_next(struct ring *ring, unsigned char **at_out)
{
    if (ring->broken || (ring_ready(ring) == 0 && !ring_look(ring)))
        return ERR_FORMAT;
    if (ring_ready(ring) == 0)
        return ERR_WOULD_BLOCK;
    *at_out = ring->entries + (size_t)(ring->mine & (ring->count - 1)) * ring->entry_bytes;
    return OK;
}

static void ring_show(struct ring *ring)
{
    uint32_t *word = ring->producer ? &ring->shared->head.word : &ring->shared->tail.word;
    ring->mine++;
    __atomic_store_n(word, ring->mine, __ATOMIC_RELEASE);
}

enum status ring_push(struct ring *ring, const void *entry)
{
    unsigned char *at;
    enum status status = ring->producer ? ring_next(ring, &at) : ERR_STATE;
    if (status != OK)
        return status;
    memcpy(at, entry, ring->entry_bytes);
    ring_show(ring);
    return OK;
}

enum status ring_pop(struct ring *ring, void *entry_out)
{
    unsigned char *at;
    enum status status = ring->producer ? ERR_STATE : ring_next(ring, &at);
    if (status != OK)
        return status;
    memcpy(entry_out, at, ring->entry_bytes);
    ring_show(ring);
    return OK;
}

/* The fences pair: what we showed and then the flag here, the flag and then what the peer showed
 * there. One of the two sees the other.
 */
bool ring_must_wake(struct ring *ring)
{
    if (ring->broken)
        return false;
    uint32_t *flag =
        ring->producer ? &ring->shared->consumer_waits.word : &ring->shared->producer_waits.word;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0 &&
           __atomic_exchange_n(flag, 0, __ATOMIC_RELAXED) != 0;
}

bool ring_may_sleep(struct ring *ring)
{
    if (ring->broken)
        return false;
    uint32_t *flag =
        ring->producer ? &ring->shared->producer_waits.word : &ring->shared->consumer_waits.word;
    __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return ring_look(ring) && ring_ready(ring) == 0;
}

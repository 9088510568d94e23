/* A ring of fixed-size entries in memory that two processes share: one produces, one consumes, and
 * neither trusts the other.
 *
 *     line 0    head            written by the producer: entries that ever went in
 *     line 1    tail            written by the consumer: entries that ever came out
 *     line 2    producer_waits  1: wake the producer when there is room
 *     line 3    consumer_waits  1: wake the consumer when there is an entry
 *     line 4    the entries; number n lies at n modulo their count, a power of two
 *
 * Each side keeps its own index to itself and only shows it; the peer's is read once each time and
 * must lie where an honest peer's could. A lie breaks the ring for good (ERR_FORMAT), and then it
 * touches the memory no more. What an entry says is still the peer's word: a pop copies it out, so
 * it can be checked and then used.
 *
 * Waking is the caller's: by a notification, when ring_must_wake says so.
 *
 *     producer: push, push, push; if (ring_must_wake) notification_signal
 *     consumer: pop until ERR_WOULD_BLOCK; if (ring_may_sleep) notification_wait; again
 *
 * Locking: each end belongs to one thread at a time.
 */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RING_LINE = 64,
    RING_HEADER_BYTES = 4 * RING_LINE,
    RING_COUNT_MAX = 1 << 20,
    RING_ENTRY_BYTES_MAX = 4096,
};

struct ring_shared;

struct ring {
    struct ring_shared *shared;
    unsigned char *entries;
    uint32_t count; /* a power of two */
    uint32_t entry_bytes;
    uint32_t mine; /* our index: what the shared one is set to, never read back */
    uint32_t peer; /* the peer's, as it was last seen and checked */
    bool producer;
    bool broken;
};

/* How much memory a ring takes; 0 for a shape that cannot be: the numbers may be a stranger's. */
size_t ring_bytes(uint32_t count, uint32_t entry_bytes);
/* One end of a ring in `memory`, which whoever created it has zeroed. ERR_RANGE: a shape that
 * cannot be, too little memory, or unaligned.
 */
enum status ring_open_producer(struct ring *ring, void *memory, size_t size_bytes, uint32_t count,
                               uint32_t entry_bytes);
enum status ring_open_consumer(struct ring *ring, void *memory, size_t size_bytes, uint32_t count,
                               uint32_t entry_bytes);

/* Copy one entry in or out. ERR_WOULD_BLOCK: full, or empty. ERR_FORMAT: the peer lied. */
enum status ring_push(struct ring *ring, const void *entry);
enum status ring_pop(struct ring *ring, void *entry_out);

/* Does the peer sleep? Then signal it; asked once after a batch. */
bool ring_must_wake(struct ring *ring);
/* Say that we are about to sleep; false: do not, there is something to do (or the ring is broken).
 */
bool ring_may_sleep(struct ring *ring);

/* Physical memory: page frames.
 *
 * A buddy allocator over all usable RAM, seeded from the boot loader's memory map, with a small
 * cache of single frames per CPU. Each frame of RAM has a `struct frame`.
 *
 * Invariant: every frame is in exactly one of: free in a buddy list (as head or tail of a block),
 *            in a CPU's cache, or owned (references > 0).
 * Locking:   [L] the allocator's lock   [A] atomic   [W] the owner
 * Errors:    exhaustion is ERR_NO_MEMORY. Freeing a frame that is free is a panic; the debug
 *            flavour also poisons free frames and checks the poison when they are given out.
 */
#pragma once

#include <base/list.h>
#include <base/status.h>
#include <kernel/addr.h>

struct boot_info;

enum { FRAME_ORDER_MAX = 18 }; /* blocks of up to 2^18 frames: 1 GiB */

enum frame_state { FRAME_RESERVED = 0, FRAME_FREE, FRAME_FREE_TAIL, FRAME_CACHED, FRAME_OWNED };

struct frame {
    struct list node; /* [L] in a free list or cache; [W] the owner's to use otherwise */
    union {
        struct {
            uint32_t references; /* [A] 0 while free */
            uint8_t order;  /* [L] of the free block, or of the owned block that it belongs to */
            uint8_t state;  /* [L] enum frame_state */
            uint16_t flags; /* [L] private to the allocator */
        };
        uint64_t word; /* all four in one store */
    };
    uint64_t owner_word; /* [W] free for the owner (a slab's counts, a page table's count) */
};

enum frame_flags { FRAME_ZERO = 1 << 0 }; /* for frame_alloc: contents all zero bytes */

struct frame_stats {
    uint64_t total;  /* frames under management */
    uint64_t free;   /* buddy lists and all CPU caches */
    uint64_t cached; /* in CPU caches */
    uint64_t largest_order;
};

/* Phase 1, on the boot loader's page tables: take over the memory map. */
enum status frame_init(const struct boot_info *info);
/* Phase 2, when nothing of the boot loader is in use any more. Returns frames gained. */
uint64_t frame_reclaim_bootloader(const struct boot_info *info);

/* 2^order frames, naturally aligned, with one reference. ERR_NO_MEMORY. */
enum status frame_alloc(unsigned order, unsigned flags, struct frame **frame_out);
/* `count` contiguous frames, aligned to `align_bytes` (a power of two, at least a page), below
 * `limit` (exclusive; UINT64_MAX for anywhere). Freed with frame_put_range. ERR_INVALID: no
 * frames, or no such alignment. ERR_NO_MEMORY.
 */
enum status frame_alloc_range(size_t count, uint64_t align_bytes, uint64_t limit,
                              struct frame **frame_out);

/* References to a block are counted at its head, whichever of its frames is named; the last put
 * frees the block.
 */
void frame_get(struct frame *frame);
void frame_put(struct frame *frame);
/* Drop a reference that is not the last; false if it is, and then nothing has happened: the caller
 * is alone with the frame, and can release what it leads to before it puts it. A single frame.
 */
bool frame_put_shared(struct frame *frame);
/* The last reference to a single frame whose bytes are zero all: it need not be filled again. */
void frame_put_zeroes(struct frame *frame);
/* One for each of `count` frames that follow each other, of whatever blocks. It passes over memory
 * that has no owner, since mappings of it hold no reference.
 */
void frame_put_range(struct frame *first, size_t count);

struct frame *frame_of(paddr_t pa); /* NULL if `pa` is not managed RAM */
paddr_t frame_paddr(const struct frame *frame);
static inline void *frame_kernel(const struct frame *frame)
{
    return paddr_to_kernel(frame_paddr(frame));
}

struct frame_stats frame_stats(void);
/* Give this CPU's cached frames back to the buddy (tests compare `free` and `largest_order`). */
void frame_cache_drain(void);

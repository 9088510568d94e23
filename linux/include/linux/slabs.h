/* An allocator over a region of address space that is there but empty: blocks of up to 4 KiB from
 * slabs, larger ones in whole pages. Zeroed blocks, aligned to 16 bytes (whole pages: to a page).
 *
 * A *slab* is a run of pages for blocks of one size, beginning with its header. What a page belongs
 * to stands in an array at the region's start. The owner makes pages and takes them back by two
 * functions; pages that were taken back are zero when they are made again.
 *
 * Locking: inside; a lock for each size and one for pages. Any thread.
 */
#pragma once

#include <base/list.h>
#include <linux/lock.h>
#include <rt/pages.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLAB_SIZES = 15 };

struct slab_size {
    struct rt_lock lock;
    struct list partial; /* slabs with a free block */
    struct list empty;   /* at most one slab that is not in use at all, kept for the next block */
};

struct slabs {
    char *base;
    size_t page_count;
    uint32_t *owner;     /* of each page; see slabs.c */
    size_t owners_made;  /* pages of that array that are there */
    struct rt_lock lock; /* pages, owners_made */
    struct pages pages;  /* a bit for each page of the region */
    struct slab_size size[SLAB_SIZES];
    bool (*make)(void *at, size_t size_bytes); /* zeroed; false: no more */
    void (*take_back)(void *at, size_t size_bytes);
};

/* `bits`: page_count / 64 words, zeroed; `page_count` a multiple of 64 and at least 1024. */
void slabs_init(struct slabs *slabs, void *base, size_t page_count, uint64_t *bits,
                bool (*make)(void *at, size_t size_bytes),
                void (*take_back)(void *at, size_t size_bytes));
void *slabs_alloc(struct slabs *slabs, size_t size_bytes); /* NULL: no more */
void slabs_free(struct slabs *slabs, void *block);
size_t slabs_size(const struct slabs *slabs, const void *block);

/* The page pool: where the contents of files in memory lie.
 *
 * One sparse Memory, mapped in our half, so that a read is a copy and a mapping shows the same
 * pages. It is cut into slabs of 2 MiB; a slab is one piece, or is cut into pieces of one size, a
 * power of two pages. Pieces are only address space: pages are paid for when they are committed.
 *
 * One lock inside, taken after a node's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct memory;

enum { POOL_ORDER_MIN = 2, POOL_ORDER_MAX = 9 };

/* At the start, once. A multiple of 2 MiB. */
int pool_create(uint64_t size_bytes);
void pool_destroy(void); /* tests */
/* 2^order pages in a row, zero and not committed: the number of the first; -ENOSPC. */
int pool_take(unsigned order, uint32_t *page_out);
/* Everything in it goes back; `committed` pages of it were. */
void pool_give(uint32_t page, unsigned order, uint32_t committed);
/* These pages exist from now on; -ENOSPC. */
int pool_commit(uint32_t page, uint32_t count);
/* They are zero again, and no longer paid for; `committed` of them were. */
void pool_clear(uint32_t page, uint32_t count, uint32_t committed);
uint8_t *pool_at(uint32_t page);
struct memory *pool_memory(void); /* page n lies at n * 4096; not counted */
/* Pages that are committed. */
uint64_t pool_pages(void);

/* The bytes of a file in memory: pieces of the pool, holes where nothing was written.
 *
 * Which piece holds a page follows from the page's number alone: the first four pages are one
 * piece, then each has twice the size of all before it up to 2 MiB; from there on all have 2 MiB.
 * So a file of one byte takes one small piece, and a large one lies in few rows.
 *
 * Locking: the node's lock. Offsets are below 2^63.
 */
#pragma once

#include <base/tree.h>
#include <linux/copy.h>
#include <linux/names.h>

struct contents {
    struct tree chunks;
    struct file_system *file_system; /* counts and limits the pages */
    uint64_t pages;                  /* that were written */
};

/* Bytes moved, at least 1 unless there were none to move; or -EFAULT. Reading beyond any end gives
 * zeroes. */
int64_t contents_read(struct contents *contents, struct io *io, uint64_t offset,
                      uint64_t size_bytes);
/* The same; or -ENOSPC, -ENOMEM. */
int64_t contents_write(struct contents *contents, struct io *io, uint64_t offset,
                       uint64_t size_bytes);
/* What is there becomes zero and is given back; `size_bytes` may reach beyond any end. */
void contents_punch(struct contents *contents, uint64_t offset, uint64_t size_bytes);
/* From there on nothing is left. Pieces that others may have mapped go to `doomed_out`, for
 * contents_free once they have not. */
void contents_cut(struct contents *contents, uint64_t size_bytes, struct tree *doomed_out);
void contents_free(struct tree *doomed);
/* Pages that exist from now on, as if zeroes were written where nothing was. */
int contents_allocate(struct contents *contents, uint64_t offset, uint64_t size_bytes);
/* For mappings: where in the pool the page lies, and how many follow in a row. `write`: what is
 * stored there by a mapping counts as contents. */
int contents_pages(struct contents *contents, uint64_t page, bool write, uint32_t *pool_page_out,
                   uint64_t *count_out);
/* The next data, or hole, from the offset on; UINT64_MAX: only holes follow. */
uint64_t contents_seek(struct contents *contents, uint64_t offset, bool data);

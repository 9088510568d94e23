/* The tree of a Memory's frames (memory_pages.c), for memory.c. The Memory's lock is held.
 *
 * A node is a frame with 512 physical addresses: of nodes, or in a leaf of pages. An entry counts
 * one reference to what it names. Leaves alone are shared; what is above is the Memory's own. The
 * node's owner_word has the number of entries in use, and marks.
 */
#pragma once

#include "vspace_impl.h"
#include <kernel/frame.h>

enum { NODE_SLOTS = 512 };
#define NODE_COUNT  UINT64_C(0xffff)
#define NODE_SHARED BIT64(16) /* a leaf: its frames may have other references */
#define NODE_BLOCK                                                                                 \
    BIT64(17) /* a leaf: full, and its frames follow each other, aligned to 2 MiB                  \
               */

static inline uint64_t *node_slots(uint64_t pa)
{
    return paddr_to_kernel(paddr(pa));
}

static inline struct frame *node_frame(uint64_t pa)
{
    return frame_of(paddr(pa));
}

/* What leads to the leaf for `index`: the root, or an entry above the leaves. NULL if a node on the
 * way is missing. *end (or NULL) is the end of what is asked for; it comes back as the end of the
 * part of it that the leaf has, or that is missing.
 */
uint64_t *tree_find(struct memory *memory, uint64_t index, uint64_t *end);
/* The same, with the nodes above the leaf made. */
enum status tree_make(struct memory *memory, uint64_t index, uint64_t **entry_out);
/* A leaf that may be changed: made, or copied if it is shared. */
enum status leaf_own(struct memory *memory, uint64_t index, uint64_t **entry_out);
bool leaf_is_shared(uint64_t leaf);
/* Let the empty entry lead to a leaf of another Memory of the same payer. */
void leaf_adopt(struct memory *memory, uint64_t *entry, struct frame *leaf);
/* The leaf for `index` is not the Memory's any more. */
void leaf_remove(struct memory *memory, uint64_t index);
/* Enter a frame into an own leaf at a place that is empty; the tree has the reference then. Charged
 * already. */
void leaf_enter(struct memory *memory, uint64_t *entry, uint64_t index, struct frame *frame_taken);
/* Empty [index, end) of an own leaf; the last page takes the leaf along. */
void leaf_clear(struct memory *memory, uint64_t *entry, uint64_t index, uint64_t end);
/* 512 zeroed frames that follow each other in a leaf that is empty. False: no such memory. */
bool leaf_fill_block(struct memory *memory, uint64_t index);
/* A zeroed frame, paid for by the Memory's payer. */
enum status page_alloc(struct memory *memory, unsigned flags, struct frame **frame_out);

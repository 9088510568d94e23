/* What vspace.c (mappings, the public operations), vspace_tables.c (page tables) and Memory share.
 */
#pragma once

#include "ptable.h"
#include <kernel/memory.h>
#include <kernel/vspace.h>

/* [start, end) shows `memory` from page `first` on. Found under the address space's lock or the
 * Memory's, changed under both.
 */
struct mapping {
    struct tree_node node; /* by start */
    struct list order;     /* in vspace->order, by start too */
    uint64_t start;
    uint64_t end;
    uint64_t first;
    struct vspace *vspace; /* constant, as what follows up to perm */
    struct memory *memory;
    struct capability *capability; /* NULL: the mapping counts a reference to the memory */
    struct list memory_node;       /* in memory->mappings */
    struct list use_node;          /* in capability->uses, which the Memory's lock guards */
    uint8_t limit;
    uint8_t flags;
    uint8_t perm;
};

#define RIGHTS (PERM_READ | PERM_WRITE | PERM_EXECUTE)

static inline uint64_t mapping_page(const struct mapping *mapping, uint64_t at)
{
    return mapping->first + ((at - mapping->start) >> PAGE_SHIFT);
}

/* The entry whose bit 0 is clear is ignored by the walkers of all architectures. */
static inline struct pte pte_retired(struct pte pte)
{
    return (struct pte){ pte.raw & ~UINT64_C(1) };
}

static inline struct pte pte_revived(struct pte pte)
{
    return (struct pte){ pte.raw | 1 };
}

/* ---- vspace.c, for Memory. Its lock is held. ---- */

/* Pages [first, end) leave the page tables, or are not writable there any more. */
void mapping_drop(struct mapping *mapping, uint64_t first, uint64_t end);
void mapping_write_protect(struct mapping *mapping, uint64_t first, uint64_t end);
/* Remove the mappings of a list that the Memory's lock guards: of its own list, or of a
 * capability's uses. No lock of rank RANK_VSPACE or above is held.
 */
enum status mappings_remove(struct memory *memory, struct list *list, bool uses, struct work *work);

/* ---- memory.c and memory_pages.c, for vspace.c. The Memory's lock is held. ---- */

struct memory_page {
    uint64_t pa;
    bool writable;          /* in place: not shared */
    bool made;              /* it was not there before */
    bool block;             /* it lies in 2 MiB that follow each other, all alike */
    struct frame *replaced; /* the page was here before: to be put when no mapping leads there */
};

/* Pages as they are: `slot` has the physical address of each, 0 where there is none; if it is NULL
 * they follow each other from `pa`.
 */
struct memory_run {
    bool there; /* else there are `count` pages missing */
    const uint64_t *slot;
    uint64_t pa;
    size_t count;
    bool writable;
    bool look; /* writable each only if its frame has no other reference */
    bool block;
};

/* What a fault needs. */
enum status memory_page(struct memory *memory, uint64_t index, bool write, struct memory_page *page)
    REQUIRES(memory->lock);
/* The pages from `index` on that lie in the same leaf; at most `max`. */
struct memory_run memory_run(struct memory *memory, uint64_t index, size_t max)
    REQUIRES(memory->lock);
/* The page that was replaced is not in the tables of any mapping but `but` any more. */
void memory_forget_replaced(struct memory *memory, uint64_t index, const struct mapping *but)
    REQUIRES(memory->lock);
/* True if one mapping more may show [first, end), and with `writer` be written through. */
bool memory_takes_mapping(struct memory *memory, uint64_t first, uint64_t end, bool writer)
    REQUIRES(memory->lock);
/* The first page of [first, end) that may be there: its leaf is. `end` if there is none. */
uint64_t memory_next(struct memory *memory, uint64_t first, uint64_t end) REQUIRES(memory->lock);
/* A part of an anonymous Memory was unmapped: free it. One mapping at most shows each page. */
void memory_unmapped(struct memory *memory, uint64_t first, uint64_t end) REQUIRES(memory->lock);
enum status memory_create_anonymous(struct budget *payer, uint64_t size_bytes,
                                    struct memory **memory_out);

/* ---- vspace_tables.c. All of these: addresses are page aligned and in the user half.
 * ---- */

struct vspace_leaf {
    struct pte *slot;
    struct pte pte; /* empty if nothing is mapped */
    unsigned level;
};

/* The entry that decides about `at`. With tables_lock, which all others take themselves. */
struct vspace_leaf vspace_tables_find(const struct vspace *vspace, uint64_t at);
/* Make `at` lead to the page, or with level 1 to the 2 MiB, with `perm`, whatever was there. When
 * it fails nothing is there, or ERR_EXISTS: a table of pages, where 2 MiB were asked for.
 */
enum status vspace_tables_set(struct vspace *vspace, uint64_t at, uint64_t pa, unsigned perm,
                              unsigned level);
/* Fill in what is missing in [at, at + run->count pages), all in one table of pages. Without write
 * where the run says so.
 */
enum status vspace_tables_fill(struct vspace *vspace, uint64_t at, const struct memory_run *run,
                               unsigned perm);
/* Remove what is there, and 2 MiB pages whole that are there in part, and flush. */
void vspace_tables_remove(struct vspace *vspace, uint64_t at, uint64_t end);
/* Change the rights; pages that are not writable do not become so. Flush. */
void vspace_tables_protect(struct vspace *vspace, uint64_t at, uint64_t end, unsigned perm);
/* The first address in [at, end) for which there is something in the tables, or `end`. */
uint64_t vspace_tables_next(struct vspace *vspace, uint64_t at, uint64_t end);

/* A table that the payer pays for. With tables_lock. */
enum status vspace_table_create(struct vspace *vspace, struct pte **table_out);
void vspace_table_destroy(struct vspace *vspace, struct pte *table);
/* Top-level entries for [at, end) changed: the second root follows (vspace_guest.c). Before the
 * flush that the change needs. With tables_lock.
 */
void vspace_roots_follow(struct vspace *vspace, uint64_t at, uint64_t end);
/* Nothing is mapped any more: what is left in the roots of what is shared between them. */
void vspace_roots_release(struct vspace *vspace);

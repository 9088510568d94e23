/* What vspace.c (ranges, the public operations) and vspace_tables.c (page tables) share. */
#pragma once

#include "ptable.h"
#include <kernel/vspace.h>

/* Demand-zero memory: [start, end), page aligned. */
struct vspace_range {
    struct tree_node node;
    uint64_t start;
    uint64_t end;
    unsigned perm; /* PERM_READ, _WRITE, _EXECUTE */
};

/* What a mapping is made from: the leaf for address `at` leads to pa + (at - start). */
struct vspace_source {
    uint64_t start;
    uint64_t pa;
    unsigned perm;
};

/* The leaf behind an address. */
struct vspace_leaf {
    struct pte *slot;
    struct pte pte; /* empty if nothing is mapped */
    unsigned level;
};

#define RIGHTS (PERM_READ | PERM_WRITE | PERM_EXECUTE)

/* The entry whose bit 0 is clear is ignored by the walkers of all architectures. */
static inline struct pte pte_retired(struct pte pte)
{
    return (struct pte){ pte.raw & ~UINT64_C(1) };
}

static inline struct pte pte_revived(struct pte pte)
{
    return (struct pte){ pte.raw | 1 };
}

/* All of these: at and end are page aligned, in the user half, and the lock is held. */

struct vspace_leaf vspace_tables_find(const struct vspace *vspace, uint64_t at)
    REQUIRES(vspace->lock);
/* Make sure that nothing is mapped and all tables exist that vspace_tables_install needs. On
 * failure vspace_tables_remove without leaves takes back what was made.
 */
enum status vspace_tables_prepare(struct vspace *vspace, uint64_t at, uint64_t end,
                                  const struct vspace_source *source) REQUIRES(vspace->lock);
void vspace_tables_install(struct vspace *vspace, uint64_t at, uint64_t end,
                           const struct vspace_source *source) REQUIRES(vspace->lock);
/* Remove empty tables, and with `leaves` all mappings, flush, then release tables and frames. */
void vspace_tables_remove(struct vspace *vspace, uint64_t at, uint64_t end, bool leaves)
    REQUIRES(vspace->lock);
/* Change the rights of the mappings there, and flush. */
void vspace_tables_protect(struct vspace *vspace, uint64_t at, uint64_t end, unsigned perm)
    REQUIRES(vspace->lock);
/* True if something is mapped there. */
bool vspace_tables_used(const struct vspace *vspace, uint64_t at, uint64_t end)
    REQUIRES(vspace->lock);
/* The first address in [at, end) that is not mapped, or `end`. */
uint64_t vspace_tables_gap(const struct vspace *vspace, uint64_t at, uint64_t end)
    REQUIRES(vspace->lock);
/* True if `at` lies inside a block, so that an operation that begins or ends there must split it.
 */
bool vspace_tables_cuts(const struct vspace *vspace, uint64_t at) REQUIRES(vspace->lock);
/* Split it, into the table given. */
void vspace_tables_split(struct vspace *vspace, uint64_t at, struct pte *table_taken)
    REQUIRES(vspace->lock);
/* One zeroed page where vspace_tables_find found none. All or nothing. */
enum status vspace_tables_fill(struct vspace *vspace, uint64_t at, struct vspace_leaf gap,
                               unsigned perm) REQUIRES(vspace->lock);
/* Top-level entries for [at, end) changed: the second root follows (vspace_guest.c). Before the
 * flush that the change needs.
 */
void vspace_roots_follow(struct vspace *vspace, uint64_t at, uint64_t end) REQUIRES(vspace->lock);
/* The address space is dead: what vspace_tables_clear must not find in its root. */
void vspace_roots_release(struct vspace *vspace) REQUIRES(vspace->lock);
/* The address space is dead: release everything but the root. */
void vspace_tables_clear(struct vspace *vspace) REQUIRES(vspace->lock);

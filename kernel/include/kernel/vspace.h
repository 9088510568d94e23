/* A user address space: page tables, and the ranges that page faults may fill with zeroed frames.
 *
 * Invariant: a leaf owns one reference to its frame. No table holds an entry outside the user half.
 *            When an operation that takes rights away returns, no CPU can use them any more.
 * Locking:   [L] lock   [A] atomic   [C] constant
 * Lifetime:  reference counted; threads hold one each. The last put frees tables and frames.
 */
#pragma once

#include <arch/mmu.h>
#include <base/status.h>
#include <base/tree.h>
#include <kernel/addr.h>
#include <kernel/cpu.h>
#include <kernel/spinlock.h>

struct frame;

struct vspace {
    struct spinlock lock;
    uint32_t references;     /* [A] */
    paddr_t root;            /* [C] top-level table */
    uint64_t end;            /* [C] operations and faults stay below */
    struct vspace *upper;    /* [C] counted; of a guest: whose sandbox part `root` has too */
    paddr_t inside_root;     /* [C] of a split guest: `root` without the sandbox part; else 0 */
    bool shares_upper;       /* [L] guests have its sandbox part in their roots */
    struct tree ranges;      /* [L] of struct vspace_range, by start */
    struct cpu_mask active;  /* [A] CPUs that may hold translations of it right now */
    uint64_t table_count;    /* [L] page tables, root included */
    uint64_t page_count;     /* [L] mapped 4 KiB pages (a 2 MiB page counts 512) */
    struct arch_vspace arch; /* the architecture's: ASID or PCID generations */
};

enum status vspace_create(struct vspace **vspace_out);
struct vspace *vspace_get(struct vspace *vspace);
/* The last put makes every CPU of `active` leave the tables (an idle CPU stays on the last address
 * space it ran: cpu->vspace), then frees them.
 */
void vspace_put(struct vspace *vspace_taken);

/* Map `count` frames that follow each other from `first`; takes its own references. All or nothing.
 * ERR_RANGE: unaligned, outside the user half, no right, or W and X. ERR_EXISTS: something is
 * mapped or reserved there. ERR_NO_MEMORY: no frame for a table.
 */
enum status vspace_map(struct vspace *vspace, uaddr_t at, struct frame *first, size_t count,
                       unsigned perm);
/* Map physical memory that has no owner among the frames (a boot module, device registers with
 * PERM_DEVICE): the leaves hold no reference, unmapping frees nothing. Errors as vspace_map,
 * and ERR_INVALID: some of it has an owner.
 */
enum status vspace_map_physical(struct vspace *vspace, uaddr_t at, paddr_t pa, size_t count,
                                unsigned perm);
/* Allow demand-zero faults in [at, at + size). Errors as vspace_map. */
enum status vspace_reserve(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm);
/* Remove mappings and ranges (cut where needed) within [at, at + size). Holes are fine. ERR_RANGE:
 * unaligned, or outside the user half. ERR_NO_MEMORY: what has to be cut cannot be.
 */
enum status vspace_unmap(struct vspace *vspace, uaddr_t at, uint64_t size_bytes);
/* Change what mappings and ranges within allow. Errors as vspace_unmap; ERR_NOT_FOUND if a page
 * there is neither, ERR_RANGE for W and X. Memory that becomes executable so, or by a fault, runs
 * as it is now; who fills frames and maps them executable calls arch_sync_instructions.
 */
enum status vspace_protect(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm);
/* The physical address behind `at`, and what was granted (read, write, execute, memory type).
 * ERR_NOT_FOUND if nothing is mapped there (yet). ERR_RANGE: outside the user half.
 */
enum status vspace_query(struct vspace *vspace, uaddr_t at, paddr_t *pa_out, unsigned *perm_out);

/* A user access at `at` with `access` (PERM_READ, _WRITE or _EXECUTE) faulted: OK if it may be
 * repeated, else ERR_FAULT (not allowed) or ERR_NO_MEMORY.
 */
enum status vspace_fault(struct vspace *vspace, uaddr_t at, unsigned access);

/* ---- Guests (vspace_guest.c) ----
 *
 * A guest has user space below GUEST_END to itself. The one table behind the entry above it is the
 * sandbox's, linked into the root of each of its guests, so what the sandbox maps there is in all
 * of them at once. A split guest has a second root that lacks this entry.
 */
enum status vspace_create_guest(struct vspace *upper, bool split, struct vspace **vspace_out);
/* The address space that `at` belongs to while `vspace` is loaded. */
static inline struct vspace *vspace_of(struct vspace *vspace, uint64_t at)
{
    return vspace->upper != NULL && at >= vspace->end ? vspace->upper : vspace;
}

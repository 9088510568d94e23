/* A user address space: mappings of Memory, and page tables that hold what faults found there.
 *
 * A mapping says what may be reached; page tables are filled by faults, or when it is made, and can
 * lose any entry at any time. They count no references (memory.h). When an operation that takes
 * rights away returns, no CPU can use them any more.
 *
 * A mapping that was made through a capability is in its list of uses and goes with it. Others
 * count a reference to the Memory.
 *
 * Invariant: no table holds an entry outside the user half, and none but the root is empty.
 * Locking:   [L] lock   [T] tables_lock, innermost of address space, Memory, tables   [A] atomic
 *            [C] constant
 * Lifetime:  reference counted; threads hold one each. The last put frees tables.
 */
#pragma once

#include <arch/mmu.h>
#include <base/status.h>
#include <base/tree.h>
#include <kernel/addr.h>
#include <kernel/cpu.h>
#include <kernel/spinlock.h>

struct budget;
struct capability;
struct mapping;
struct memory;
struct work;

struct vspace {
    struct spinlock lock;
    struct spinlock tables_lock;
    uint32_t references;     /* [A] */
    struct budget *payer;    /* [C] counted; pays for tables and mappings. NULL: nobody */
    paddr_t root;            /* [C] top-level table */
    uint64_t end;            /* [C] operations and faults stay below */
    struct vspace *upper;    /* [C] counted; of a guest: whose sandbox part `root` has too */
    paddr_t inside_root;     /* [C] of a split guest: `root` without the sandbox part; else 0 */
    bool shares_upper;       /* [T] guests have its sandbox part in their roots */
    bool closed;             /* [L] takes no mappings any more */
    struct tree mappings;    /* [L] of struct mapping, by start */
    struct list order;       /* [L] the same mappings, to go from one to the next */
    struct mapping *recent;  /* [L] what was looked for last, or NULL */
    struct cpu_mask active;  /* [A] CPUs that may hold translations of it right now */
    uint64_t table_count;    /* [T] page tables, root included */
    uint64_t page_count;     /* [T] 4 KiB pages in the tables (a 2 MiB page counts 512) */
    struct arch_vspace arch; /* the architecture's: ASID or PCID generations */
};

/* ERR_NO_MEMORY; ERR_LIMIT, ERR_DEAD: the payer's. */
enum status vspace_create(struct budget *payer, struct vspace **vspace_out);
struct vspace *vspace_get(struct vspace *vspace);
/* False if the last reference is gone already. */
bool vspace_try_get(struct vspace *vspace);
/* The last put makes every CPU of `active` leave the tables (an idle CPU stays on the last address
 * space it ran: cpu->vspace), then frees them. What could take long is vspace_close's, before.
 */
void vspace_put(struct vspace *vspace_taken);

/* [at, at + size) is some whole pages that operations may be about. */
bool vspace_area_ok(const struct vspace *vspace, uaddr_t at, uint64_t size_bytes);

enum map_flags {
    MAP_SHARED = 1 << 0,   /* vspace_clone shares it; else what it shows is cloned */
    MAP_POPULATE = 1 << 1, /* fill the page tables from what is committed, up to a bound */
};

struct map_request {
    struct memory *memory;
    struct capability *capability; /* acquired, or NULL */
    uaddr_t at;
    uint64_t size_bytes;
    uint64_t offset;
    unsigned perm;  /* PERM_READ, _WRITE, _EXECUTE */
    unsigned limit; /* what vspace_protect may allow later; all of `perm` */
    unsigned flags;
};

/* `perm` 0: nothing. ERR_RANGE: unaligned, outside the user half or the Memory, or W and X.
 * ERR_EXISTS: something is mapped there. ERR_ACCESS: `perm` is above `limit`. ERR_LIMIT: too many
 * mappings of the Memory, or the payer's. ERR_DEAD: the payer's, or the address space is closed.
 * ERR_NO_MEMORY.
 */
enum status vspace_map(struct vspace *vspace, const struct map_request *request);
/* Map fresh demand-zero Memory, and memory without an owner. ERR_INVALID: it has one. */
enum status vspace_reserve(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm);
enum status vspace_map_physical(struct vspace *vspace, uaddr_t at, paddr_t pa, size_t count,
                                unsigned perm);

/* Remove mappings (cut where needed) within [*at, end), in slices: *at moves on to `end`, and
 * ERR_WOULD_BLOCK says that `work` is used up. Holes are fine. ERR_NO_MEMORY, ERR_LIMIT: what has
 * to be cut in two cannot be.
 */
enum status vspace_unmap_slice(struct vspace *vspace, uint64_t *at, uint64_t end,
                               struct work *work);
/* Change what mappings within allow; `perm` 0: nothing, and the pages stay. Errors as for
 * unmapping; ERR_ACCESS at the first mapping whose limit is lower: what precedes is changed.
 * ERR_RANGE for W and X. Memory that becomes executable so, or by a fault, runs as it is now; who
 * fills pages that are executable already calls arch_sync_instructions.
 */
enum status vspace_protect_slice(struct vspace *vspace, uint64_t *at, uint64_t end, unsigned perm,
                                 struct work *work);
/* Remove all mappings, and take no more. */
enum status vspace_close(struct vspace *vspace, struct work *work);
/* What `from` maps in [*at, end), in `to` as well: shared mappings (and Memory that cannot be
 * cloned) through the same capability, others as clones that `payer` pays. Nothing else may be
 * mapped there in `to`: ERR_EXISTS. In slices; page by page as `from` is at that moment. A mapping
 * whose capability is being removed counts as gone.
 */
enum status vspace_clone(struct vspace *from, struct vspace *to, struct budget *payer, uint64_t *at,
                         uint64_t end, struct work *work);

/* A user access at `at` with `access` (PERM_READ, _WRITE or _EXECUTE) faulted: OK if it may be
 * repeated, else ERR_FAULT (not allowed), ERR_NO_MEMORY, or ERR_LIMIT or ERR_DEAD (whoever pays
 * for the page or its table).
 */
enum status vspace_fault(struct vspace *vspace, uaddr_t at, unsigned access);

/* ---- Guests (vspace_guest.c) ----
 *
 * A guest has user space below GUEST_END to itself. The one table behind the entry above it is the
 * sandbox's, linked into the root of each of its guests, so what the sandbox maps there is in all
 * of them at once. A split guest has a second root that lacks this entry.
 */
enum status vspace_create_guest(struct vspace *upper, struct budget *payer, bool split,
                                struct vspace **vspace_out);
/* The address space that `at` belongs to while `vspace` is loaded. */
static inline struct vspace *vspace_of(struct vspace *vspace, uint64_t at)
{
    return vspace->upper != NULL && at >= vspace->end ? vspace->upper : vspace;
}

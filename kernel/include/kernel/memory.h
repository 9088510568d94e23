/* Memory: pages that can be mapped.
 *
 *   MEMORY_PAGES       demand-zero, or a clone: a tree of frames. Its leaves (512 pages each) and
 *                      its frames are shared with clones until one side writes, and copied then.
 *                      A clone of a clone has a tree of its own as well: no chain is ever followed.
 *   MEMORY_CONTIGUOUS  frames that follow each other, there from the beginning
 *   MEMORY_PHYSICAL    a range that has no frames (a boot module; the registers of a device, whose
 *                      object keeps such a Memory for itself)
 *
 * The payer of a Memory pays for its frames and for its tree. A leaf that clones share is paid
 * once: it is only shared between Memories of one payer. Cloning for another payer copies leaves
 * and charges all.
 *
 * Invariant: what page tables lead to is what the tree holds: whatever takes a page out of the tree
 *            or makes it shared first takes it out of all page tables, or write-protects it there.
 * So page tables count no references. They allow writing only where leaf and frame are not shared.
 *
 * Each such change visits all mappings of the page, so these are bounded. What nobody can write to
 * may be mapped any number of times, but from MEMORY_OVERLAP_MAX mappings on it is settled: what is
 * there does not change, and nobody gets to write to it.
 * Locking:   [L] lock   [C] constant. Under the address space's lock and above that of page tables,
 *            so that every change reaches the mappings on the list while it stands still.
 */
#pragma once

#include <kernel/addr.h>
#include <kernel/object.h>
#include <object_info.h>

enum memory_kind { MEMORY_PAGES, MEMORY_CONTIGUOUS, MEMORY_PHYSICAL };

enum {
    MEMORY_CONTIGUOUS_MAX = 4 << 20, /* bytes; zeroed in one go */
    MEMORY_OVERLAP_MAX = 1 << 10,    /* mappings of one page that may change: each is visited */
    MEMORY_MAPPINGS_MAX = 1 << 14,   /* and of its Memory, which are looked through then */
};
#define MEMORY_SIZE_MAX ((uint64_t)1 << 48)

struct memory {
    struct object object; /* first */
    struct spinlock lock;
    enum memory_kind kind;  /* [C] */
    unsigned attributes;    /* [C] PERM_DEVICE or PERM_WRITE_COMBINE of a physical one, or 0 */
    unsigned height;        /* [C] levels of the tree; 1: the root is a leaf */
    bool anonymous;         /* [C] nothing but mappings leads to it: unmapping frees */
    uint64_t page_count;    /* [C] */
    uint64_t pa;            /* [C] of page 0; contiguous or physical */
    uint64_t root;          /* [L] physical address; 0: no page yet */
    uint64_t resident;      /* [L] pages in the tree */
    uint32_t pin_count;     /* [L] while not 0, pages stay where they are */
    uint32_t writer_count;  /* [L] mappings that may come to be writable */
    uint64_t mapping_count; /* [L] */
    struct list mappings;   /* [L] of mapping.memory_node */
    struct list pins;       /* [L] of memory_pin.node */
};

/* A pin that goes when the Memory is destroyed: for who counts references to the frames as well. */
struct memory_pin {
    struct memory *memory; /* [A] counted, written under its lock; NULL: it is gone */
    struct list node;      /* [L] in memory->pins */
};

/* Each gives the caller the reference. `payer` NULL: nobody. ERR_RANGE: no size, unaligned, or too
 * large. ERR_NO_MEMORY; ERR_LIMIT, ERR_DEAD: the payer's.
 */
enum status memory_create(struct budget *payer, uint64_t size_bytes, struct memory **memory_out);
/* Zeroed. `align_bytes` a power of two, below `limit` (frame_alloc_range). */
enum status memory_create_contiguous(struct budget *payer, uint64_t size_bytes,
                                     uint64_t align_bytes, uint64_t limit,
                                     struct memory **memory_out);
/* `attributes`: PERM_DEVICE, PERM_WRITE_COMBINE or 0. ERR_INVALID: some of it has an owner. With
 * PERM_DEVICE it may be all that there is, and who maps it sees to what is shown.
 */
enum status memory_create_physical(struct budget *payer, paddr_t pa, uint64_t size_bytes,
                                   unsigned attributes, struct memory **memory_out);

/* All of these work on pages from *page up to `end`, move *page on, and say ERR_WOULD_BLOCK when
 * `work` is used up. ERR_RANGE: beyond the end. ERR_UNSUPPORTED: not that kind of Memory.
 * ERR_NO_MEMORY, ERR_LIMIT, ERR_DEAD: what precedes *page is done.
 *
 * Commit: make sure that no fault is needed for memory later; by 2 MiB where there are none yet.
 */
enum status memory_commit(struct memory *memory, uint64_t *page, uint64_t end, struct work *work);
/* Give frames back; the pages are zero again. It needs memory only where a leaf is shared and a
 * part of it goes. ERR_BUSY: pinned, or settled.
 */
enum status memory_decommit(struct memory *memory, uint64_t *page, uint64_t end, struct work *work);
/* Make page p of `source` page p + shift of `clone` too, until one side writes; pages that are
 * there in `clone` stay as they are. Each page is shared as it is at that moment. Contiguous memory
 * is copied. ERR_BUSY: `source` is pinned.
 */
enum status memory_share(struct memory *source, uint64_t *page, uint64_t end, struct memory *clone,
                         int64_t shift, struct work *work);

/* The page, made if need be, and with `write` no longer shared. Valid while pinned, or while nobody
 * decommits or clones. ERR_RANGE.
 */
enum status memory_page_address(struct memory *memory, uint64_t page, bool write, paddr_t *pa_out);
/* Commit [first, first + count) of what is not shared and keep it in place until memory_unpin.
 * ERR_RANGE. ERR_DEAD: it is being destroyed. ERR_BUSY: settled.
 */
enum status memory_pin(struct memory *memory, uint64_t first, uint64_t count);
void memory_unpin(struct memory *memory);
/* The same for Memory that is borrowed. ERR_NOT_FOUND: its last reference is gone. */
enum status memory_pin_lightly(struct memory *memory, uint64_t first, uint64_t count,
                               struct memory_pin *pin);
/* If it is still there: the Memory may be destroyed meanwhile. */
void memory_pin_release(struct memory_pin *pin);
/* Copy into it; the kernel's own Memories. */
enum status memory_write(struct memory *memory, uint64_t offset, const void *bytes,
                         size_t size_bytes);

/* For ops->detach of whoever keeps a Memory (a device): take the mappings that were made through
 * `capability` away.
 */
enum status memory_detach(struct memory *memory, struct capability *capability, struct work *work);
struct object_info_memory memory_inspect(struct memory *memory);

OBJECT_TYPE(memory);

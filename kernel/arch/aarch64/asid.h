/* Address space identifiers, without hardware: who has which ASID, and when TLBs must be flushed.
 *
 * A word is generation << 16 | ASID; 0 is "never had one". An ASID belongs to one address space for
 * the rest of a generation and is never handed back. When all are used up a new generation begins:
 * every CPU must flush its TLB before it runs an address space of it, and the address spaces that
 * are running keep their ASIDs. ASID 0 is for the empty root.
 *
 * Invariant: two address spaces whose words are of the current generation have different ASIDs.
 * Locking:   [L] the caller's lock   [A] atomic   [C] constant after asid_space_init
 */
#pragma once

#include <kernel/cpu.h>

enum { ASID_MAX = 1 << 16, ASID_BITS = 16 };

struct asid_space {
    uint32_t limit;                /* [C] ASIDs are below this */
    uint64_t generation;           /* [A] in bits 16 and up, never 0 */
    uint32_t next;                 /* [L] where to look for a free one */
    uint64_t rollovers;            /* [L] */
    struct cpu_mask flush_pending; /* [L] CPUs that have not flushed in this generation */
    uint64_t *active[CPU_MAX];    /* [C] -> [A] word that a CPU runs; 0: a new generation took it */
    uint64_t kept[CPU_MAX];       /* [L] word that a CPU ran when the generation changed */
    uint64_t used[ASID_MAX / 64]; /* [L] */
};

/* At least CPUs + 2 ASIDs, so that a new generation always has a free one. */
void asid_space_init(struct asid_space *space, uint32_t limit);
/* Tell where CPU `index` keeps its active word (zeroed). Before it calls the others. */
void asid_attach(struct asid_space *space, uint32_t index, uint64_t *active);

/* The common case, without the lock: true if `*word` is of the current generation and now active on
 * CPU `index`.
 */
bool asid_try_activate(struct asid_space *space, uint32_t index, const uint64_t *word);
/* Give `*word` the current generation if it is not of it, and make it active on CPU `index`. True
 * if this CPU must flush its whole TLB before it uses it. With the lock.
 */
bool asid_activate_locked(struct asid_space *space, uint32_t index, uint64_t *word);

static inline uint16_t asid_of(uint64_t word)
{
    return (uint16_t)word;
}

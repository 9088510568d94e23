/* Process context identifiers: which address spaces a CPU's TLB may still know, and how fresh.
 *
 * Every address space has a number that is never used again, and a generation that grows with each
 * flush. A CPU gives it one of a few slots (slot n is PCID n + 1; PCID 0 is the kernel's own root)
 * and remembers the generation that the slot's translations belong to. Coming back with the slot
 * still ours and the generation unchanged needs no flush at all; anything else starts the slot
 * afresh. So a flush need interrupt only the CPUs that run the address space at that moment.
 *
 * Plain data and arithmetic: nothing here touches the hardware.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PCID_SLOTS = 32, PCID_CPU_MAX = 256 };

struct pcid_slot {
    uint64_t space;      /* whose; 0: free */
    uint64_t generation; /* its translations are at least this fresh, */
    uint64_t upper;      /* and those that are the other space's */
};

/* [O] of one CPU */
struct pcid_cpu {
    uint32_t victim; /* the slot to take next: round robin */
    uint32_t current;
    struct pcid_slot slot[PCID_SLOTS];
};

/* Of one root of an address space. */
struct pcid_space {
    uint64_t number;                 /* [C] never 0 */
    const struct pcid_space *upper;  /* [C] whose translations it has beside its own, or NULL */
    uint64_t generation;             /* [A] */
    uint8_t slot_hint[PCID_CPU_MAX]; /* [O] of the CPU at that index: where it was last */
};

struct pcid_choice {
    unsigned slot;
    bool flush; /* its translations are another's, or stale */
};

/* The slot for `space` on the CPU `index`. The caller has made itself known as a user of the space
 * before, so that a flush which this misses sends it a cross call.
 */
struct pcid_choice pcid_choose(struct pcid_cpu *cpu, uint32_t index, struct pcid_space *space);

enum pcid_flush { PCID_FLUSH_NOTHING, PCID_FLUSH_RANGE, PCID_FLUSH_ALL };

/* A flush of `of` (the space itself, or its upper one) that made `generation` reaches a CPU that
 * runs the space: how much must it drop? Flushes may arrive out of order; a range is enough only
 * where it is the next one.
 */
enum pcid_flush pcid_flush_arrives(struct pcid_cpu *cpu, const struct pcid_space *space,
                                   const struct pcid_space *of, uint64_t generation);

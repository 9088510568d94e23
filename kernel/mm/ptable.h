/* Page tables: what kmap.c and vspace_tables.c have in common.
 *
 * A table is a frame; its owner_word counts the entries in use, so that an empty table is known
 * without looking. During an operation a removed entry is "retired" for a moment: not present to
 * the hardware any more, but its address is kept until the TLBs are flushed and what it leads to
 * can be released.
 */
#pragma once

#include <arch/pte.h>
#include <kernel/budget.h>
#include <kernel/frame.h>

/* Bytes that one entry of a table of `level` spans. */
static inline uint64_t ptable_span(unsigned level)
{
    return (uint64_t)PAGE_SIZE << (9 * level);
}

/* The end of the part of [at, end) that lies under the same entry of `level` as `at`. */
static inline uint64_t ptable_step(uint64_t at, uint64_t end, unsigned level)
{
    uint64_t next = (at | (ptable_span(level) - 1)) + 1;
    return next == 0 || next > end ? end : next;
}

static inline struct pte *ptable_of(struct pte entry)
{
    return paddr_to_kernel(arch_pte_paddr(entry));
}

/* How many entries of the table are in use. */
static inline uint64_t *ptable_live(const struct pte *table)
{
    return &frame_of(paddr_of_direct(table))->owner_word;
}

/* Put a table into an empty slot of its parent. */
static inline void ptable_link(struct pte *parent, struct pte *slot, const struct pte *table)
{
    ++*ptable_live(parent);
    pte_write(slot, arch_pte_table(paddr_of_direct(table)));
}

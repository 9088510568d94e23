/* Page table entries. Both architectures walk four levels of 512 entries with 4 KiB pages; level 0
 * holds pages, level 1 blocks of 2 MiB, level 2 blocks of 1 GiB, level 3 is the top.
 */
#pragma once

#include <kernel/addr.h>
#include <kernel/panic.h>

enum { PT_LEVELS = 4, PT_ENTRIES = 512 };

/* arch_impl/pte.h: struct pte { uint64_t raw; } and these. */
struct pte;
static inline struct pte arch_pte_empty(void);
static inline struct pte arch_pte_table(paddr_t table);
static inline struct pte arch_pte_leaf(paddr_t pa, unsigned perm, unsigned level);
static inline bool arch_pte_present(struct pte pte);
static inline bool arch_pte_is_leaf(struct pte pte, unsigned level); /* and present */
static inline paddr_t arch_pte_paddr(struct pte pte);
static inline unsigned arch_pte_perm(struct pte pte);
/* After writing entries that were empty: make them visible to the walker before the first use. */
static inline void arch_pte_publish(void);

#include <arch_impl/pte.h>

/* What every architecture promises is checked here, once. */
static inline struct pte pte_leaf(paddr_t pa, unsigned perm, unsigned level)
{
    ASSERT(IS_ALIGNED(pa.raw, (uint64_t)PAGE_SIZE << (9 * level)));
    ASSERT((perm & (PERM_WRITE | PERM_EXECUTE)) != (PERM_WRITE | PERM_EXECUTE));
    return arch_pte_leaf(pa, perm, level);
}

/* Index into a table of `level` for an address; both halves. */
static inline unsigned pt_index(uint64_t address, unsigned level)
{
    return (unsigned)(address >> (PAGE_SHIFT + 9 * level)) & (PT_ENTRIES - 1);
}

/* The entry as others may change it meanwhile: one read, one write. The write is a release: a
 * walker that sees the entry also sees what was written before to the table or page behind it
 * (zeroes, above all).
 */
static inline struct pte pte_read(const struct pte *slot)
{
    return (struct pte){ READ_ONCE(slot->raw) };
}

static inline void pte_write(struct pte *slot, struct pte value)
{
    __atomic_store_n(&slot->raw, value.raw, __ATOMIC_RELEASE);
}

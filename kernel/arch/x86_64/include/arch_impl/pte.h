/* Intel SDM vol. 3, 4.5. Accessed and dirty are set from the start: the kernel does not use them,
 * and the CPU then has no reason to write to tables.
 */
#pragma once

#include <kernel/addr.h>

#define X86_PTE_PRESENT    BIT64(0)
#define X86_PTE_WRITE      BIT64(1)
#define X86_PTE_USER       BIT64(2)
#define X86_PTE_PWT        BIT64(3)
#define X86_PTE_PCD        BIT64(4)
#define X86_PTE_ACCESSED   BIT64(5)
#define X86_PTE_DIRTY      BIT64(6)
#define X86_PTE_PAT_PAGE   BIT64(7) /* level 0 */
#define X86_PTE_BLOCK      BIT64(7) /* levels 1 and 2 */
#define X86_PTE_GLOBAL     BIT64(8)
#define X86_PTE_PAT_MARK   BIT64(9) /* free for software: X86_PTE_PAT_BLOCK is set */
#define X86_PTE_PAT_BLOCK  BIT64(12)
#define X86_PTE_NO_EXECUTE BIT64(63)
#define X86_PTE_ADDRESS    0x000ffffffffff000u

struct pte {
    uint64_t raw;
};

static inline struct pte arch_pte_empty(void)
{
    return (struct pte){ 0 };
}

/* Rights are decided at the leaf alone. */
static inline struct pte arch_pte_table(paddr_t table)
{
    return (struct pte){ table.raw | X86_PTE_PRESENT | X86_PTE_WRITE | X86_PTE_USER |
                         X86_PTE_ACCESSED };
}

/* Memory types by the table that features.c writes to the PAT: 0 write-back, 3 uncached,
 * 5 write-combining.
 */
static inline struct pte arch_pte_leaf(paddr_t pa, unsigned perm, unsigned level)
{
    uint64_t raw = pa.raw | X86_PTE_PRESENT | X86_PTE_ACCESSED;
    raw |= (perm & PERM_WRITE) != 0 ? X86_PTE_WRITE | X86_PTE_DIRTY : 0;
    raw |= (perm & PERM_USER) != 0 ? X86_PTE_USER : 0;
    raw |= (perm & PERM_EXECUTE) != 0 ? 0 : X86_PTE_NO_EXECUTE;
    raw |= (perm & PERM_GLOBAL) != 0 ? X86_PTE_GLOBAL : 0;
    raw |= level != 0 ? X86_PTE_BLOCK : 0;
    if ((perm & PERM_DEVICE) != 0)
        raw |= X86_PTE_PCD | X86_PTE_PWT;
    else if ((perm & PERM_WRITE_COMBINE) != 0)
        raw |= X86_PTE_PWT | (level != 0 ? X86_PTE_PAT_BLOCK | X86_PTE_PAT_MARK : X86_PTE_PAT_PAGE);
    return (struct pte){ raw };
}

static inline bool arch_pte_present(struct pte pte)
{
    return (pte.raw & X86_PTE_PRESENT) != 0;
}

static inline bool arch_pte_is_leaf(struct pte pte, unsigned level)
{
    return arch_pte_present(pte) && (level == 0 || (pte.raw & X86_PTE_BLOCK) != 0);
}

/* Of a leaf or a table. In a write-combining block bit 12 is no address bit; X86_PTE_PAT_MARK says
 * so. */
static inline paddr_t arch_pte_paddr(struct pte pte)
{
    uint64_t type_bit = (pte.raw & X86_PTE_PAT_MARK) << 3;
    return (paddr_t){ pte.raw & X86_PTE_ADDRESS & ~type_bit };
}

static inline unsigned arch_pte_perm(struct pte pte)
{
    unsigned perm = PERM_READ;
    perm |= (pte.raw & X86_PTE_WRITE) != 0 ? PERM_WRITE : 0;
    perm |= (pte.raw & X86_PTE_USER) != 0 ? PERM_USER : 0;
    perm |= (pte.raw & X86_PTE_NO_EXECUTE) != 0 ? 0 : PERM_EXECUTE;
    perm |= (pte.raw & X86_PTE_GLOBAL) != 0 ? PERM_GLOBAL : 0;
    if ((pte.raw & X86_PTE_PCD) != 0)
        perm |= PERM_DEVICE;
    else if ((pte.raw & X86_PTE_PWT) != 0)
        perm |= PERM_WRITE_COMBINE;
    return perm;
}

/* Stores are not reordered with each other, and an entry that was not present is in no TLB. */
static inline void arch_pte_publish(void)
{
    __asm__ volatile("" : : : "memory");
}

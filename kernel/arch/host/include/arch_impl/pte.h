/* Entries that no hardware reads: the promises of <arch/pte.h> in their plainest form. */
#pragma once

#include <kernel/addr.h>

#define HOST_PTE_VALID      BIT64(0)
#define HOST_PTE_LEAF       BIT64(1)
#define HOST_PTE_PERM_SHIFT 48
#define HOST_PTE_ADDRESS    UINT64_C(0x0000fffffffff000)

struct pte {
    uint64_t raw;
};

static inline struct pte arch_pte_empty(void)
{
    return (struct pte){ 0 };
}

static inline struct pte arch_pte_table(paddr_t table)
{
    return (struct pte){ table.raw | HOST_PTE_VALID };
}

static inline struct pte arch_pte_leaf(paddr_t pa, unsigned perm, unsigned level)
{
    (void)level;
    return (struct pte){ pa.raw | HOST_PTE_VALID | HOST_PTE_LEAF |
                         (uint64_t)perm << HOST_PTE_PERM_SHIFT };
}

static inline bool arch_pte_present(struct pte pte)
{
    return (pte.raw & HOST_PTE_VALID) != 0;
}

static inline bool arch_pte_is_leaf(struct pte pte, unsigned level)
{
    (void)level;
    return arch_pte_present(pte) && (pte.raw & HOST_PTE_LEAF) != 0;
}

static inline paddr_t arch_pte_paddr(struct pte pte)
{
    return paddr(pte.raw & HOST_PTE_ADDRESS);
}

static inline unsigned arch_pte_perm(struct pte pte)
{
    return (unsigned)(pte.raw >> HOST_PTE_PERM_SHIFT);
}

static inline void arch_pte_publish(void) {}

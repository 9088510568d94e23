/* Translation table descriptors, 4 KiB granule (Arm ARM D8.3).
 *
 * Only AP[2] is inverted against other architectures: set means read-only. Bits 55 to 58 are
 * software's: one keeps PERM_USER for pages that user mode may not even read (AP[1] cannot tell).
 */
#pragma once

#include <arch_impl/sysreg.h>

struct pte {
    uint64_t raw;
};

/* MAIR_EL1. The lower four attributes belong to the loader's tables, so that both sets of tables
 * mean the same while the kernel changes from one to the other.
 */
enum { MAIR_NORMAL = 4, MAIR_DEVICE = 5, MAIR_UNCACHED = 6 };
#define MAIR_KERNEL_MASK  UINT64_C(0xffffffff00000000)
#define MAIR_KERNEL_VALUE ((UINT64_C(0xff) << 32) | (UINT64_C(0x00) << 40) | (UINT64_C(0x44) << 48))

#define A64_PTE_VALID      BIT64(0)
#define A64_PTE_TABLE      BIT64(1) /* levels 1 to 3: a table; level 0: a page */
#define A64_PTE_ATTR(n)    ((uint64_t)(n) << 2)
#define A64_PTE_EL0        BIT64(6) /* AP[1] */
#define A64_PTE_READ_ONLY  BIT64(7) /* AP[2] */
#define A64_PTE_INNER      (UINT64_C(3) << 8)
#define A64_PTE_ACCESSED   BIT64(10)
#define A64_PTE_NOT_GLOBAL BIT64(11)
#define A64_PTE_PXN        BIT64(53)
#define A64_PTE_UXN        BIT64(54)
#define A64_PTE_SOFT_USER  BIT64(55)
#define A64_PTE_ADDRESS    UINT64_C(0x0000fffffffff000)

static inline struct pte arch_pte_empty(void)
{
    return (struct pte){ 0 };
}

static inline struct pte arch_pte_table(paddr_t table)
{
    return (struct pte){ table.raw | A64_PTE_TABLE | A64_PTE_VALID };
}

static inline uint64_t a64_pte_memory_type(unsigned perm)
{
    if ((perm & PERM_DEVICE) != 0)
        return A64_PTE_ATTR(MAIR_DEVICE);
    if ((perm & PERM_WRITE_COMBINE) != 0)
        return A64_PTE_ATTR(MAIR_UNCACHED);
    return A64_PTE_ATTR(MAIR_NORMAL) | A64_PTE_INNER;
}

/* User pages are never executable by the kernel, nor kernel pages by the user. */
static inline uint64_t a64_pte_rights(unsigned perm)
{
    uint64_t raw = 0;
    if ((perm & PERM_WRITE) == 0)
        raw |= A64_PTE_READ_ONLY;
    if ((perm & PERM_USER) != 0) {
        raw |= A64_PTE_SOFT_USER | A64_PTE_PXN;
        if ((perm & PERM_READ) != 0)
            raw |= A64_PTE_EL0;
        if ((perm & PERM_EXECUTE) == 0)
            raw |= A64_PTE_UXN;
    } else {
        raw |= A64_PTE_UXN;
        if ((perm & PERM_EXECUTE) == 0)
            raw |= A64_PTE_PXN;
    }
    return raw;
}

static inline struct pte arch_pte_leaf(paddr_t pa, unsigned perm, unsigned level)
{
    uint64_t raw = pa.raw | A64_PTE_VALID | A64_PTE_ACCESSED;
    if (level == 0)
        raw |= A64_PTE_TABLE;
    if ((perm & PERM_GLOBAL) == 0)
        raw |= A64_PTE_NOT_GLOBAL;
    return (struct pte){ raw | a64_pte_memory_type(perm) | a64_pte_rights(perm) };
}

static inline bool arch_pte_present(struct pte pte)
{
    return (pte.raw & A64_PTE_VALID) != 0;
}

static inline bool arch_pte_is_leaf(struct pte pte, unsigned level)
{
    return arch_pte_present(pte) && (level == 0 || (pte.raw & A64_PTE_TABLE) == 0);
}

static inline paddr_t arch_pte_paddr(struct pte pte)
{
    return paddr(pte.raw & A64_PTE_ADDRESS);
}

static inline unsigned arch_pte_perm(struct pte pte)
{
    bool user = (pte.raw & A64_PTE_SOFT_USER) != 0;
    unsigned perm = user ? PERM_USER : PERM_READ;
    if ((pte.raw & A64_PTE_EL0) != 0)
        perm |= PERM_READ;
    if ((pte.raw & A64_PTE_READ_ONLY) == 0)
        perm |= PERM_WRITE;
    if ((pte.raw & (user ? A64_PTE_UXN : A64_PTE_PXN)) == 0)
        perm |= PERM_EXECUTE;
    if ((pte.raw & A64_PTE_NOT_GLOBAL) == 0)
        perm |= PERM_GLOBAL;
    if ((pte.raw & A64_PTE_ATTR(7)) == A64_PTE_ATTR(MAIR_DEVICE))
        perm |= PERM_DEVICE;
    if ((pte.raw & A64_PTE_ATTR(7)) == A64_PTE_ATTR(MAIR_UNCACHED))
        perm |= PERM_WRITE_COMBINE;
    return perm;
}

/* The walker is another observer: stores to tables must be complete before an access relies on
 * them, and this CPU must not have faulted ahead of time.
 */
static inline void arch_pte_publish(void)
{
    DSB(ishst);
    isb();
}

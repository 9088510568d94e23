/* What tests ask of an address space at once: the system calls go in slices, and say nothing of
 * page tables.
 */
#ifdef CONFIG_TESTS
#include "vspace_impl.h"
#include <kernel/checks.h>
#include <kernel/panic.h>

enum status vspace_unmap(struct vspace *vspace, uaddr_t at, uint64_t size_bytes)
{
    struct work work = { .left = UINT32_MAX };
    uint64_t end = at.raw + size_bytes;

    return vspace_area_ok(vspace, at, size_bytes) ? vspace_unmap_slice(vspace, &at.raw, end, &work)
                                                  : ERR_RANGE;
}

enum status vspace_protect(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm)
{
    struct work work = { .left = UINT32_MAX };
    uint64_t end = at.raw + size_bytes;

    if (!vspace_area_ok(vspace, at, size_bytes))
        return ERR_RANGE;
    return vspace_protect_slice(vspace, &at.raw, end, perm, &work);
}

enum status vspace_query(struct vspace *vspace, uaddr_t at, paddr_t *pa_out, unsigned *perm_out)
{
    if (!uaddr_range_ok(at, 1))
        return ERR_RANGE;
    spinlock_acquire(&vspace->tables_lock);
    struct vspace_leaf leaf = vspace_tables_find(vspace, at.raw);
    spinlock_release(&vspace->tables_lock);
    if (!arch_pte_present(leaf.pte))
        return ERR_NOT_FOUND;
    uint64_t inside = at.raw & (ptable_span(leaf.level) - 1);
    *pa_out = paddr(arch_pte_paddr(leaf.pte).raw + inside);
    *perm_out = arch_pte_perm(leaf.pte) & ~(unsigned)(PERM_USER | PERM_GLOBAL);
    return OK;
}
#endif

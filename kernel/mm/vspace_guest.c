/* Roots of guests: the sandbox's part in all of them, and the second root of a split guest.
 *
 * The sandbox's part of user space is one top-level entry. From the first guest on the table behind
 * it stays where it is, so an entry that leads to it never has to change.
 */
#include "vspace_impl.h"
#include <guest.h>

enum { TOP = PT_LEVELS - 1 };

_Static_assert(GUEST_END % ((uint64_t)PAGE_SIZE << (9 * TOP)) == 0, "whole top-level entries");
_Static_assert((USER_END - 1) >> (PAGE_SHIFT + 9 * TOP) == GUEST_END >> (PAGE_SHIFT + 9 * TOP),
               "one entry for the sandbox");

static struct pte *upper_slot(const struct vspace *vspace)
{
    struct pte *root = paddr_to_kernel(vspace->root);

    return &root[pt_index(GUEST_END, TOP)];
}

/* The table for the sandbox's part, for good: it counts an entry that is not there. */
static enum status share_upper(struct vspace *vspace) REQUIRES(vspace->tables_lock)
{
    struct pte *slot = upper_slot(vspace);

    if (vspace->shares_upper)
        return OK;
    if (!arch_pte_present(pte_read(slot))) {
        struct pte *table;
        enum status status = vspace_table_create(vspace, &table);
        if (status != OK)
            return status;
        ptable_link(paddr_to_kernel(vspace->root), slot, table);
        arch_pte_publish();
    }
    ++*ptable_live(ptable_of(pte_read(slot)));
    vspace->shares_upper = true;
    return OK;
}

static enum status inside_create(struct vspace *vspace)
{
    struct pte *inside;
    enum status status = payer_alloc_page(vspace->payer, &inside);

    if (status == OK)
        vspace->inside_root = paddr_of_direct(inside);
    return status;
}

enum status vspace_create_guest(struct vspace *upper, struct budget *payer, bool split,
                                struct vspace **vspace_out)
{
    struct vspace *vspace;

    spinlock_acquire(&upper->tables_lock);
    enum status status = share_upper(upper);
    spinlock_release(&upper->tables_lock);
    if (status == OK)
        status = vspace_create(payer, &vspace);
    if (status != OK)
        return status;
    if (split && (status = inside_create(vspace)) != OK) {
        vspace_put(vspace);
        return status;
    }
    vspace->end = GUEST_END;
    vspace->upper = vspace_get(upper);
    pte_write(upper_slot(vspace), pte_read(upper_slot(upper)));
    arch_pte_publish();
    arch_vspace_init_guest(vspace);
    *vspace_out = vspace;
    return OK;
}

void vspace_roots_follow(struct vspace *vspace, uint64_t at, uint64_t end)
{
    if (LIKELY(vspace->inside_root.raw == 0))
        return;
    const struct pte *from = paddr_to_kernel(vspace->root);
    struct pte *to = paddr_to_kernel(vspace->inside_root);
    for (unsigned i = pt_index(at, TOP); i <= pt_index(end - 1, TOP); i++) {
        struct pte pte = pte_read(&from[i]);
        pte_write(&to[i], arch_pte_present(pte) ? pte : arch_pte_empty());
    }
}

void vspace_roots_release(struct vspace *vspace)
{
    struct pte *slot = upper_slot(vspace);
    struct pte *table = ptable_of(pte_read(slot));

    if (vspace->upper != NULL)
        pte_write(slot, arch_pte_empty());
    if (vspace->shares_upper && --*ptable_live(table) == 0) {
        pte_write(slot, arch_pte_empty());
        vspace_table_destroy(vspace, table);
    }
    if (vspace->inside_root.raw != 0)
        payer_free_zeroes(vspace->payer, paddr_to_kernel(vspace->inside_root));
}

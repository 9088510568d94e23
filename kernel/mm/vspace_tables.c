/* The page tables of an address space.
 *
 * An entry owns nothing, so it may be removed at any time; what it led to may go once the flush is
 * over. Each operation walks the tables once, by recursion from the root (four levels deep), and
 * does the entries of one table in one loop. Removed tables are "retired" first, a whole one by its
 * parent's entry alone, and released after the one flush.
 *
 * Invariant outside of operations: a table other than the root has at least one entry in use.
 */
#include "vspace_impl.h"
#include <kernel/budget.h>

static struct pte *root_of(const struct vspace *vspace)
{
    return paddr_to_kernel(vspace->root);
}

enum status vspace_table_create(struct vspace *vspace, struct pte **table_out)
{
    enum status status = payer_alloc_page(vspace->payer, table_out);

    if (status == OK)
        vspace->table_count++;
    return status;
}

void vspace_table_destroy(struct vspace *vspace, struct pte *table)
{
    payer_free_zeroes(vspace->payer, table);
    vspace->table_count--;
}

struct vspace_leaf vspace_tables_find(const struct vspace *vspace, uint64_t at)
{
    struct pte *table = root_of(vspace);

    for (unsigned level = PT_LEVELS - 1;; level--) {
        struct pte *slot = &table[pt_index(at, level)];
        struct pte pte = pte_read(slot);
        if (!arch_pte_present(pte) || arch_pte_is_leaf(pte, level))
            return (struct vspace_leaf){ slot, pte, level };
        table = ptable_of(pte);
    }
}

/* Past empty entries, as far as eight at a time go: in most places there are many. */
static struct pte *skip_empty(struct pte *slot, const struct pte *end)
{
    while (end - slot >= 8 && (slot[0].raw | slot[1].raw | slot[2].raw | slot[3].raw | slot[4].raw |
                               slot[5].raw | slot[6].raw | slot[7].raw) == 0)
        slot += 8;
    return slot;
}

/* Slots begin at their table's page. */
static struct pte *table_of_slot(struct pte *slot)
{
    return (struct pte *)ALIGN_DOWN((uintptr_t)slot, PAGE_SIZE);
}

/* Memory that becomes code: what an instruction cache still holds of it, perhaps another program's
 * code in the same frames, must never run. Memory without an owner may lie outside the direct map.
 */
static void sync_new_code(paddr_t pa, size_t size_bytes, unsigned before, unsigned perm)
{
    if (((perm & ~before) & PERM_EXECUTE) != 0 && frame_of(pa) != NULL)
        arch_sync_instructions(paddr_to_kernel(pa), size_bytes);
}

/* ---- Removal ---- */

struct removal {
    struct vspace *vspace;
    bool flush_needed;
    bool tables_retired;
};

static void retire_leaf(struct removal *removal, struct pte *table, struct pte *slot,
                        unsigned level)
{
    pte_write(slot, arch_pte_empty());
    --*ptable_live(table);
    removal->vspace->page_count -= UINT64_C(1) << (9 * level);
    removal->flush_needed = true;
}

static void retire_pages(struct removal *removal, struct pte *table, uint64_t at, uint64_t end)
{
    struct pte *slot = &table[pt_index(at, 0)];
    const struct pte *slot_end = slot + ((end - at) >> PAGE_SHIFT);
    uint64_t retired = 0;

    while (slot < slot_end) {
        if (pte_read(slot).raw == 0) {
            slot = skip_empty(slot + 1, slot_end);
            continue;
        }
        pte_write(slot++, arch_pte_empty());
        retired++;
    }
    *ptable_live(table) -= retired;
    removal->vspace->page_count -= retired;
    removal->flush_needed |= retired != 0;
}

/* Empty tables go too. */
static void retire(struct removal *removal, struct pte *table, unsigned level, uint64_t at,
                   uint64_t end)
{
    if (level == 0) {
        retire_pages(removal, table, at, end);
        return;
    }
    for (uint64_t next; at < end; at = next) {
        struct pte *slot = &table[pt_index(at, level)];
        struct pte pte = pte_read(slot);
        next = ptable_step(at, end, level);
        if (pte.raw == 0)
            continue;
        if (arch_pte_is_leaf(pte, level)) {
            retire_leaf(removal, table, slot, level);
            continue;
        }
        if (next - at != ptable_span(level)) {
            retire(removal, ptable_of(pte), level - 1, at, next);
            if (*ptable_live(ptable_of(pte)) != 0)
                continue;
        }
        pte_write(slot, pte_retired(pte));
        --*ptable_live(table);
        removal->flush_needed = true;
        removal->tables_retired = true;
    }
}

/* A table that was cut off, with all that lies below it. What pages leave in theirs stays there. */
static void sweep_table(struct vspace *vspace, struct pte *table, unsigned level)
{
    uint64_t left = *ptable_live(table);

    if (level == 0 && left > 0) {
        vspace->page_count -= left;
        vspace->table_count--;
        payer_free_page(vspace->payer, table);
        return;
    }
    for (struct pte *slot = table; left > 0; slot++) {
        struct pte pte = *slot;
        if (!arch_pte_present(pte))
            continue;
        *slot = arch_pte_empty();
        left--;
        if (arch_pte_is_leaf(pte, level))
            vspace->page_count -= UINT64_C(1) << (9 * level);
        else
            sweep_table(vspace, ptable_of(pte), level - 1);
    }
    vspace_table_destroy(vspace, table);
}

/* Also into a table that lost its last entries here: below it are retired ones. */
static void sweep(struct vspace *vspace, struct pte *table, unsigned level, uint64_t at,
                  uint64_t end)
{
    for (uint64_t next; level > 0 && at < end; at = next) {
        struct pte *slot = &table[pt_index(at, level)];
        struct pte pte = pte_read(slot);
        next = ptable_step(at, end, level);
        if (pte.raw == 0 || arch_pte_is_leaf(pte, level))
            continue;
        bool retired = !arch_pte_present(pte);
        pte = pte_revived(pte);
        if (next - at != ptable_span(level))
            sweep(vspace, ptable_of(pte), level - 1, at, next);
        if (!retired)
            continue;
        sweep_table(vspace, ptable_of(pte), level - 1);
        pte_write(slot, arch_pte_empty());
    }
}

static void remove_locked(struct vspace *vspace, uint64_t at, uint64_t end)
{
    struct removal removal = { .vspace = vspace };

    retire(&removal, root_of(vspace), PT_LEVELS - 1, at, end);
    if (!removal.flush_needed)
        return;
    vspace_roots_follow(vspace, at, end);
    arch_tlb_flush_user(vspace, uaddr(at), (size_t)((end - at) >> PAGE_SHIFT),
                        removal.tables_retired);
    if (removal.tables_retired)
        sweep(vspace, root_of(vspace), PT_LEVELS - 1, at, end);
}

void vspace_tables_remove(struct vspace *vspace, uint64_t at, uint64_t end)
{
    spinlock_acquire(&vspace->tables_lock);
    remove_locked(vspace, at, end);
    spinlock_release(&vspace->tables_lock);
}

/* ---- Entries ---- */

/* The table of `level` that has the entry for `at`, made with all above it, where there is a gap.
 * On failure no table stays empty.
 */
static enum status table_for(struct vspace *vspace, uint64_t at, unsigned level,
                             const struct vspace_leaf *gap, struct pte **table_out)
{
    struct pte *table = table_of_slot(gap->slot);
    struct pte *made[PT_LEVELS];

    for (unsigned i = gap->level; i > level; i--) {
        enum status status = vspace_table_create(vspace, &made[i]);
        if (status == OK)
            continue;
        while (++i <= gap->level)
            vspace_table_destroy(vspace, made[i]);
        return status;
    }
    for (unsigned i = gap->level; i > level; i--) {
        ptable_link(table, &table[pt_index(at, i)], made[i]);
        table = made[i];
    }
    if (gap->level == PT_LEVELS - 1)
        vspace_roots_follow(vspace, at, at + PAGE_SIZE);
    *table_out = table;
    return OK;
}

/* A leaf where there was one. A new address must not be seen together with the old one by anybody
 * (aarch64 demands break before make, and another CPU must not read the old page any more).
 */
static void leaf_replace(struct vspace *vspace, uint64_t at, const struct vspace_leaf *leaf,
                         struct pte pte)
{
    size_t pages = (size_t)(ptable_span(leaf->level) >> PAGE_SHIFT);

    if (arch_pte_paddr(leaf->pte).raw != arch_pte_paddr(pte).raw) {
        pte_write(leaf->slot, pte_retired(leaf->pte));
        arch_tlb_flush_user(vspace, uaddr(at), pages, false);
        pte_write(leaf->slot, pte);
        arch_pte_publish();
        return;
    }
    pte_write(leaf->slot, pte);
    arch_tlb_flush_user(vspace, uaddr(at), pages, false);
}

/* That leads to the page already: another CPU was faster, or the fault came before a change that it
 * waited for.
 */
static bool suffices(const struct vspace_leaf *leaf, uint64_t at, uint64_t pa, unsigned perm)
{
    uint64_t inside = at & (ptable_span(leaf->level) - 1);

    return arch_pte_paddr(leaf->pte).raw + inside == pa &&
           (perm & ~arch_pte_perm(leaf->pte) & RIGHTS) == 0;
}

/* Once for each level: a fault's 4 KiB then cost no shifts. */
static ALWAYS_INLINE enum status set_locked(struct vspace *vspace, uint64_t at, uint64_t pa,
                                            unsigned perm, unsigned level)
{
    struct vspace_leaf leaf = vspace_tables_find(vspace, at);

    if (leaf.level < level)
        return ERR_EXISTS;
    if (arch_pte_present(leaf.pte) && suffices(&leaf, at, pa, perm))
        return OK;
    struct pte pte = pte_leaf(paddr(pa), perm, level);
    sync_new_code(paddr(pa), ptable_span(level), 0, perm);
    if (arch_pte_present(leaf.pte)) {
        if (leaf.level == level) {
            leaf_replace(vspace, at, &leaf, pte);
            return OK;
        }
        remove_locked(vspace, at, at + PAGE_SIZE);
        leaf = vspace_tables_find(vspace, at);
    }
    struct pte *table = table_of_slot(leaf.slot);
    if (leaf.level != level) {
        enum status status = table_for(vspace, at, level, &leaf, &table);
        if (status != OK)
            return status;
    }
    pte_write(&table[pt_index(at, level)], pte);
    ++*ptable_live(table);
    vspace->page_count += UINT64_C(1) << (9 * level);
    arch_pte_publish();
    return OK;
}

enum status vspace_tables_set(struct vspace *vspace, uint64_t at, uint64_t pa, unsigned perm,
                              unsigned level)
{
    perm |= PERM_USER;
    spinlock_acquire(&vspace->tables_lock);
    enum status status =
        level == 0 ? set_locked(vspace, at, pa, perm, 0) : set_locked(vspace, at, pa, perm, 1);
    spinlock_release(&vspace->tables_lock);
    return status;
}

/* What is said of a page of the run. */
static bool run_writable(const struct memory_run *run, uint64_t pa)
{
    return !run->look || READ_ONCE(frame_of(paddr(pa))->references) == 1;
}

/* Leaves of one permission differ by the address alone, which every architecture keeps in place. */
static uint64_t fill_slots(struct pte *slot, const struct memory_run *run, unsigned perm)
{
    uint64_t read = pte_leaf(paddr(0), perm & ~(unsigned)PERM_WRITE, 0).raw;
    uint64_t full = run->writable ? pte_leaf(paddr(0), perm, 0).raw : read;
    bool plain = !run->look && (perm & PERM_EXECUTE) == 0;
    const uint64_t *from = run->slot;
    size_t count = run->count;
    uint64_t filled = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t pa = from != NULL ? from[i] : run->pa + i * PAGE_SIZE;
        if (pa == 0 || pte_read(&slot[i]).raw != 0)
            continue;
        filled++;
        if (LIKELY(plain)) {
            pte_write(&slot[i], (struct pte){ full + pa });
            continue;
        }
        sync_new_code(paddr(pa), PAGE_SIZE, 0, perm);
        pte_write(&slot[i], (struct pte){ (run_writable(run, pa) ? full : read) + pa });
    }
    return filled;
}

static enum status fill_locked(struct vspace *vspace, uint64_t at, const struct memory_run *run,
                               unsigned perm)
{
    struct vspace_leaf leaf = vspace_tables_find(vspace, at);
    struct pte *table;

    if (leaf.level > 0 && arch_pte_present(leaf.pte))
        return OK;
    enum status status = table_for(vspace, at, 0, &leaf, &table);
    if (status != OK)
        return status;
    uint64_t filled = fill_slots(&table[pt_index(at, 0)], run, perm);
    *ptable_live(table) += filled;
    vspace->page_count += filled;
    arch_pte_publish();
    if (*ptable_live(table) == 0)
        remove_locked(vspace, at, at + PAGE_SIZE);
    return OK;
}

enum status vspace_tables_fill(struct vspace *vspace, uint64_t at, const struct memory_run *run,
                               unsigned perm)
{
    spinlock_acquire(&vspace->tables_lock);
    enum status status = fill_locked(vspace, at, run, perm | PERM_USER);
    spinlock_release(&vspace->tables_lock);
    return status;
}

/* ---- Rights, and questions ---- */

/* Who may not write yet is not let to by this: the page may be shared, which a fault finds out. */
static unsigned perm_after(unsigned had, unsigned perm)
{
    return (perm & ~(unsigned)PERM_WRITE) | (perm & had & PERM_WRITE) | (had & ~(unsigned)RIGHTS);
}

/* The attributes of neighbours are mostly alike: they are worked out again only when they differ.
 */
static bool protect_pages(struct pte *slot, const struct pte *slot_end, unsigned perm)
{
    uint64_t before = 0;
    uint64_t after = 0;
    bool changed = false;
    bool new_code = false;

    for (; slot < slot_end; slot++) {
        struct pte pte = pte_read(slot);
        paddr_t pa = arch_pte_paddr(pte);
        if (pte.raw == 0) {
            slot = skip_empty(slot + 1, slot_end) - 1;
            continue;
        }
        if (UNLIKELY(pte.raw - pa.raw != before)) {
            unsigned had = arch_pte_perm(pte);
            before = pte.raw - pa.raw;
            after = pte_leaf(pa, perm_after(had, perm), 0).raw - pa.raw;
            changed |= after != before;
            new_code = (perm & ~had & PERM_EXECUTE) != 0;
        }
        if (after == before)
            continue;
        if (UNLIKELY(new_code))
            sync_new_code(pa, PAGE_SIZE, 0, perm);
        pte_write(slot, (struct pte){ after + pa.raw });
    }
    return changed;
}

static void protect_block(const struct vspace_leaf *leaf, unsigned perm)
{
    unsigned had = arch_pte_perm(leaf->pte);
    paddr_t pa = arch_pte_paddr(leaf->pte);

    sync_new_code(pa, ptable_span(leaf->level), had, perm);
    pte_write(leaf->slot, pte_leaf(pa, perm_after(had, perm), leaf->level));
}

/* A larger page of which a part is meant comes back by faults, in smaller ones. */
static bool protect(struct vspace *vspace, uint64_t at, uint64_t end, unsigned perm)
{
    bool changed = false;

    for (uint64_t next; at < end; at = next) {
        struct vspace_leaf leaf = vspace_tables_find(vspace, at);
        next = ptable_step(at, end, MAX(leaf.level, 1u));
        if (leaf.level == 0) {
            changed |= protect_pages(leaf.slot, leaf.slot + ((next - at) >> PAGE_SHIFT), perm);
        } else if (arch_pte_present(leaf.pte) && next - at != ptable_span(leaf.level)) {
            remove_locked(vspace, at, next);
        } else if (arch_pte_present(leaf.pte)) {
            protect_block(&leaf, perm);
            changed = true;
        }
    }
    return changed;
}

void vspace_tables_protect(struct vspace *vspace, uint64_t at, uint64_t end, unsigned perm)
{
    spinlock_acquire(&vspace->tables_lock);
    if (protect(vspace, at, end, perm))
        arch_tlb_flush_user(vspace, uaddr(at), (size_t)((end - at) >> PAGE_SHIFT), false);
    spinlock_release(&vspace->tables_lock);
}

uint64_t vspace_tables_next(struct vspace *vspace, uint64_t at, uint64_t end)
{
    spinlock_acquire(&vspace->tables_lock);
    while (at < end) {
        struct vspace_leaf leaf = vspace_tables_find(vspace, at);
        if (arch_pte_present(leaf.pte) || leaf.level == 0)
            break; /* a table of pages is not empty */
        at = ptable_step(at, end, leaf.level);
    }
    spinlock_release(&vspace->tables_lock);
    return at;
}

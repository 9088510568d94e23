/* The page tables of an address space.
 *
 * Each operation walks the tables once, by recursion from the root (four levels deep), and does the
 * entries of one table in one loop. Removing takes a second walk after the one flush: first entries
 * are retired, a whole table by its parent's entry alone; when no CPU can use them any more, what
 * they led to is released.
 *
 * Invariant outside of operations: a table other than the root has at least one entry in use.
 */
#include "vspace_impl.h"
#include <kernel/panic.h>

/* Frames that follow each other are given back in one go. */
struct release {
    struct frame *first;
    size_t count;
    uint64_t pages;    /* released so far, with frames or without */
    bool whole_tables; /* a retired table that an operation spans was retired without a look inside
                        */
};

static struct pte *root_of(const struct vspace *vspace)
{
    return paddr_to_kernel(vspace->root);
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

/* A block may stand for [at, next) if it fills one and the memory behind it is aligned as well. */
static bool block_fits(const struct vspace_source *source, uint64_t at, uint64_t next,
                       unsigned level)
{
    uint64_t pa = source->pa + (at - source->start);

    return level == 1 && next - at == ptable_span(1) && IS_ALIGNED(pa, ptable_span(1));
}

static bool any_entry(const struct pte *table, uint64_t at, uint64_t end)
{
    const struct pte *slot = &table[pt_index(at, 0)];

    for (size_t i = 0; i < (end - at) >> PAGE_SHIFT; i++) {
        if (pte_read(&slot[i]).raw != 0)
            return true;
    }
    return false;
}

static enum status prepare(struct vspace *vspace, struct pte *table, unsigned level, uint64_t at,
                           uint64_t end, const struct vspace_source *source)
{
    if (level == 0) {
        bool fresh = *ptable_live(table) == 0;
        return !fresh && any_entry(table, at, end) ? ERR_EXISTS : OK;
    }
    for (uint64_t next; at < end; at = next) {
        struct pte *slot = &table[pt_index(at, level)];
        struct pte pte = pte_read(slot);
        struct pte *child = ptable_of(pte);
        next = ptable_step(at, end, level);
        if (arch_pte_is_leaf(pte, level))
            return ERR_EXISTS;
        if (block_fits(source, at, next, level)) {
            if (arch_pte_present(pte))
                return ERR_EXISTS; /* no table is empty */
            continue;
        }
        if (!arch_pte_present(pte)) {
            enum status status = ptable_create(&child);
            if (status != OK)
                return status;
            ptable_link(table, slot, child);
            vspace->table_count++;
        }
        enum status status = prepare(vspace, child, level - 1, at, next, source);
        if (status != OK)
            return status;
    }
    return OK;
}

enum status vspace_tables_prepare(struct vspace *vspace, uint64_t at, uint64_t end,
                                  const struct vspace_source *source)
{
    enum status status = prepare(vspace, root_of(vspace), PT_LEVELS - 1, at, end, source);

    vspace_roots_follow(vspace, at, end);
    return status;
}

/* Leaves of one permission differ by the address alone, which every architecture keeps in place. */
static void install_pages(struct pte *table, uint64_t at, uint64_t end,
                          const struct vspace_source *source)
{
    struct pte *slot = &table[pt_index(at, 0)];
    size_t count = (size_t)((end - at) >> PAGE_SHIFT);
    struct pte pte = pte_leaf(paddr(source->pa + (at - source->start)), source->perm, 0);

    for (size_t i = 0; i < count; i++) {
        pte_write(&slot[i], pte);
        pte.raw += PAGE_SIZE;
    }
    *ptable_live(table) += count;
}

static void install(struct pte *table, unsigned level, uint64_t at, uint64_t end,
                    const struct vspace_source *source)
{
    if (level == 0) {
        install_pages(table, at, end, source);
        return;
    }
    for (uint64_t next; at < end; at = next) {
        struct pte *slot = &table[pt_index(at, level)];
        next = ptable_step(at, end, level);
        if (block_fits(source, at, next, level)) {
            uint64_t pa = source->pa + (at - source->start);
            pte_write(slot, pte_leaf(paddr(pa), source->perm, level));
            ++*ptable_live(table);
        } else {
            install(ptable_of(pte_read(slot)), level - 1, at, next, source);
        }
    }
}

void vspace_tables_install(struct vspace *vspace, uint64_t at, uint64_t end,
                           const struct vspace_source *source)
{
    install(root_of(vspace), PT_LEVELS - 1, at, end, source);
    vspace->page_count += (end - at) >> PAGE_SHIFT;
    arch_pte_publish();
}

/* ---- Removal ---- */

struct removal {
    bool leaves;         /* take mappings, not only empty tables */
    bool flush_needed;   /* something was retired, */
    bool tables_retired; /* tables among it */
};

static void retire_slot(struct removal *removal, struct pte *slot)
{
    pte_write(slot, pte_retired(pte_read(slot)));
    removal->flush_needed = true;
}

static void retire_pages(struct removal *removal, struct pte *table, uint64_t at, uint64_t end)
{
    struct pte *slot = &table[pt_index(at, 0)];
    size_t count = (size_t)((end - at) >> PAGE_SHIFT);
    uint64_t retired = 0;

    if (!removal->leaves)
        return;
    for (size_t i = 0; i < count; i++) {
        if (pte_read(&slot[i]).raw == 0)
            continue;
        retire_slot(removal, &slot[i]);
        retired++;
    }
    *ptable_live(table) -= retired;
}

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
        bool leaf = arch_pte_is_leaf(pte, level);
        bool whole = removal->leaves && next - at == ptable_span(level);
        if (pte.raw == 0 || (leaf && !removal->leaves))
            continue;
        if (!leaf && !whole) {
            retire(removal, ptable_of(pte), level - 1, at, next);
            if (*ptable_live(ptable_of(pte)) != 0)
                continue;
        }
        retire_slot(removal, slot);
        removal->tables_retired |= !leaf;
        --*ptable_live(table);
    }
}

static void release_flush(struct release *release)
{
    if (release->count != 0)
        frame_put_range(release->first, release->count);
    release->count = 0;
}

/* What `count` leaves led to: pages that follow each other and lie within 2 MiB, for which there is
 * a frame structure for each or for none. Memory without an owner (vspace_map_physical) holds no
 * reference: if the run does not begin with a frame, each page is looked at; if it only meets
 * such memory later, frame_put_range passes over it.
 */
static void release_pages(struct release *release, uint64_t pa, size_t count)
{
    struct frame *frame = frame_of(paddr(pa));

    if (frame == NULL) {
        for (size_t i = 1; i < count; i++)
            release_pages(release, pa + i * PAGE_SIZE, 1);
        release->pages++;
        return;
    }
    if (release->count == 0 || frame != release->first + release->count) {
        release_flush(release);
        release->first = frame;
    }
    release->count += count;
    release->pages += count;
}

/* How many of at most `max` page entries go on where the one before ends, within 2 MiB of memory.
 */
static size_t pages_run(const struct pte *slot, size_t max)
{
    uint64_t pa = arch_pte_paddr(slot[0]).raw;
    size_t count = 1;

    max = MIN(max, (size_t)((ptable_step(pa, UINT64_MAX, 1) - pa) >> PAGE_SHIFT));
    while (count < max && slot[count].raw == slot[0].raw + count * PAGE_SIZE)
        count++;
    return count;
}

/* The `left` entries in use of a table of pages. */
static void sweep_pages(struct release *release, const struct pte *slot, uint64_t left)
{
    while (left > 0) {
        size_t count = 1;
        if (arch_pte_present(*slot)) {
            count = pages_run(slot, (size_t)left);
            release_pages(release, arch_pte_paddr(*slot).raw, count);
            left -= count;
        }
        slot += count;
    }
}

/* The retired ones among `count` page entries. */
static void sweep_retired_pages(struct release *release, struct pte *slot, size_t count)
{
    while (count > 0) {
        size_t step = 1;
        struct pte pte = pte_read(slot);
        if (pte.raw != 0 && !arch_pte_present(pte)) {
            step = pages_run(slot, count);
            release_pages(release, arch_pte_paddr(pte).raw, step);
            for (size_t i = 0; i < step; i++)
                pte_write(&slot[i], arch_pte_empty());
        }
        slot += step;
        count -= step;
    }
}

/* Release all that a table leads to, and the table itself. It was cut off as a whole: its entries
 * are as they were, and its count tells when the last one was met.
 */
static void sweep_table(struct vspace *vspace, struct release *release, struct pte *table,
                        unsigned level)
{
    uint64_t left = *ptable_live(table);

    if (level == 0) {
        sweep_pages(release, table, left);
        left = 0;
    }
    for (const struct pte *slot = table; left > 0; slot++) {
        struct pte pte = *slot;
        if (!arch_pte_present(pte))
            continue;
        left--;
        if (arch_pte_is_leaf(pte, level))
            release_pages(release, arch_pte_paddr(pte).raw, PT_ENTRIES);
        else
            sweep_table(vspace, release, ptable_of(pte), level - 1);
    }
    ptable_destroy(table);
    vspace->table_count--;
}

static void sweep(struct vspace *vspace, struct release *release, struct pte *table, unsigned level,
                  uint64_t at, uint64_t end);

/* A retired entry of `level`, which spans [at, end). */
static void sweep_entry(struct vspace *vspace, struct release *release, struct pte pte,
                        unsigned level, uint64_t at, uint64_t end)
{
    if (arch_pte_is_leaf(pte, level)) {
        release_pages(release, arch_pte_paddr(pte).raw, (size_t)1 << (9 * level));
    } else if (release->whole_tables && end - at == ptable_span(level)) {
        sweep_table(vspace, release, ptable_of(pte), level - 1);
    } else {
        /* It was emptied entry by entry: beyond [at, end) there is nothing. */
        sweep(vspace, release, ptable_of(pte), level - 1, at, end);
        ptable_destroy(ptable_of(pte));
        vspace->table_count--;
    }
}

static void sweep(struct vspace *vspace, struct release *release, struct pte *table, unsigned level,
                  uint64_t at, uint64_t end)
{
    if (level == 0) {
        sweep_retired_pages(release, &table[pt_index(at, 0)], (size_t)((end - at) >> PAGE_SHIFT));
        return;
    }
    for (uint64_t next; at < end; at = next) {
        struct pte *slot = &table[pt_index(at, level)];
        struct pte pte = pte_read(slot);
        next = ptable_step(at, end, level);
        if (arch_pte_present(pte)) {
            if (!arch_pte_is_leaf(pte, level))
                sweep(vspace, release, ptable_of(pte), level - 1, at, next);
        } else if (pte.raw != 0) {
            sweep_entry(vspace, release, pte_revived(pte), level, at, next);
            pte_write(slot, arch_pte_empty());
        }
    }
}

void vspace_tables_remove(struct vspace *vspace, uint64_t at, uint64_t end, bool leaves)
{
    struct removal removal = { .leaves = leaves };
    struct release release = { .whole_tables = leaves };

    retire(&removal, root_of(vspace), PT_LEVELS - 1, at, end);
    if (!removal.flush_needed)
        return;
    vspace_roots_follow(vspace, at, end);
    arch_tlb_flush_user(vspace, uaddr(at), (size_t)((end - at) >> PAGE_SHIFT),
                        removal.tables_retired);
    sweep(vspace, &release, root_of(vspace), PT_LEVELS - 1, at, end);
    release_flush(&release);
    vspace->page_count -= release.pages;
}

void vspace_tables_clear(struct vspace *vspace)
{
    struct pte *root = root_of(vspace);
    struct release release = { 0 };

    for (size_t i = 0; i <= pt_index(USER_END, PT_LEVELS - 1); i++) {
        if (root[i].raw == 0)
            continue;
        sweep_table(vspace, &release, ptable_of(root[i]), PT_LEVELS - 2);
        root[i] = arch_pte_empty();
    }
    release_flush(&release);
    vspace->page_count -= release.pages;
}

/* ---- Rights, and questions ---- */

/* Memory that becomes code: what an instruction cache still holds of it, perhaps another program's
 * code in the same frames, must never run. Memory without an owner may lie outside the direct map.
 */
static void sync_new_code(paddr_t pa, size_t size_bytes, unsigned before, unsigned perm)
{
    if (((perm & ~before) & PERM_EXECUTE) != 0 && frame_of(pa) != NULL)
        arch_sync_instructions(paddr_to_kernel(pa), size_bytes);
}

/* The attributes of neighbours are mostly alike: they are worked out again only when they differ.
 */
static bool protect_pages(struct pte *table, uint64_t at, uint64_t end, unsigned perm)
{
    struct pte *slot = &table[pt_index(at, 0)];
    size_t count = (size_t)((end - at) >> PAGE_SHIFT);
    uint64_t before = 0;
    uint64_t after = 0;
    unsigned had = 0;

    for (size_t i = 0; i < count; i++) {
        struct pte pte = pte_read(&slot[i]);
        paddr_t pa = arch_pte_paddr(pte);
        if (!arch_pte_present(pte))
            continue;
        if (pte.raw - pa.raw != before) {
            had = arch_pte_perm(pte);
            before = pte.raw - pa.raw;
            after = pte_leaf(pa, perm | (had & ~(unsigned)RIGHTS), 0).raw - pa.raw;
        }
        sync_new_code(pa, PAGE_SIZE, had, perm);
        pte_write(&slot[i], (struct pte){ after + pa.raw });
    }
    return before != 0;
}

static bool protect(struct pte *table, unsigned level, uint64_t at, uint64_t end, unsigned perm)
{
    bool changed = false;

    if (level == 0)
        return protect_pages(table, at, end, perm);
    for (uint64_t next; at < end; at = next) {
        struct pte *slot = &table[pt_index(at, level)];
        struct pte pte = pte_read(slot);
        next = ptable_step(at, end, level);
        if (!arch_pte_present(pte))
            continue;
        if (arch_pte_is_leaf(pte, level)) {
            unsigned had = arch_pte_perm(pte);
            paddr_t pa = arch_pte_paddr(pte);
            sync_new_code(pa, ptable_span(level), had, perm);
            pte_write(slot, pte_leaf(pa, perm | (had & ~(unsigned)RIGHTS), level));
            changed = true;
        } else {
            changed |= protect(ptable_of(pte), level - 1, at, next, perm);
        }
    }
    return changed;
}

void vspace_tables_protect(struct vspace *vspace, uint64_t at, uint64_t end, unsigned perm)
{
    if (protect(root_of(vspace), PT_LEVELS - 1, at, end, perm))
        arch_tlb_flush_user(vspace, uaddr(at), (size_t)((end - at) >> PAGE_SHIFT), false);
}

static bool used(const struct pte *table, unsigned level, uint64_t at, uint64_t end)
{
    if (level == 0)
        return any_entry(table, at, end);
    for (uint64_t next; at < end; at = next) {
        struct pte pte = pte_read(&table[pt_index(at, level)]);
        next = ptable_step(at, end, level);
        if (arch_pte_present(pte) &&
            (arch_pte_is_leaf(pte, level) || used(ptable_of(pte), level - 1, at, next)))
            return true;
    }
    return false;
}

bool vspace_tables_used(const struct vspace *vspace, uint64_t at, uint64_t end)
{
    return used(root_of(vspace), PT_LEVELS - 1, at, end);
}

uint64_t vspace_tables_gap(const struct vspace *vspace, uint64_t at, uint64_t end)
{
    while (at < end) {
        struct vspace_leaf leaf = vspace_tables_find(vspace, at);
        if (!arch_pte_present(leaf.pte))
            return at;
        at = ptable_step(at, end, leaf.level);
        /* Go on in the same table as long as it lasts. */
        for (unsigned left = PT_ENTRIES - 1 - pt_index(at - PAGE_SIZE, 0);
             leaf.level == 0 && left > 0 && at < end; left--) {
            if (!arch_pte_present(pte_read(++leaf.slot)))
                return at;
            at += PAGE_SIZE;
        }
    }
    return end;
}

/* ---- Blocks ---- */

bool vspace_tables_cuts(const struct vspace *vspace, uint64_t at)
{
    if (at >= USER_END)
        return false;
    struct vspace_leaf leaf = vspace_tables_find(vspace, at);

    return arch_pte_present(leaf.pte) && !IS_ALIGNED(at, ptable_span(leaf.level));
}

/* Going from a block to a table, aarch64 forbids that both be seen at once (break before make). Who
 * faults meanwhile waits for the lock and finds the page again.
 */
void vspace_tables_split(struct vspace *vspace, uint64_t at, struct pte *table_taken)
{
    struct vspace_leaf leaf = vspace_tables_find(vspace, at);
    uint64_t start = ALIGN_DOWN(at, ptable_span(leaf.level));
    struct vspace_source source = {
        .start = start,
        .pa = arch_pte_paddr(leaf.pte).raw,
        .perm = arch_pte_perm(leaf.pte),
    };

    ASSERT(leaf.level == 1);
    install_pages(table_taken, start, start + ptable_span(1), &source);
    pte_write(leaf.slot, pte_retired(leaf.pte));
    arch_tlb_flush_user(vspace, uaddr(start), PT_ENTRIES, false);
    pte_write(leaf.slot, arch_pte_table(paddr_of_direct(table_taken)));
    vspace->table_count++;
    arch_pte_publish();
}

/* ---- Demand-zero ---- */

/* Create `count` tables, or none. */
static enum status create_tables(struct pte **table, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        enum status status = ptable_create(&table[i]);
        if (status == OK)
            continue;
        while (i-- > 0)
            ptable_destroy(table[i]);
        return status;
    }
    return OK;
}

enum status vspace_tables_fill(struct vspace *vspace, uint64_t at, struct vspace_leaf gap,
                               unsigned perm)
{
    struct pte *table[PT_LEVELS];
    struct frame *frame;
    enum status status = frame_alloc(0, FRAME_ZERO, &frame);

    if (status != OK)
        return status;
    status = create_tables(table, gap.level);
    if (status != OK) {
        frame_put(frame);
        return status;
    }
    sync_new_code(frame_paddr(frame), PAGE_SIZE, 0, perm);
    /* The slot's table begins at its page. */
    struct pte *parent = (struct pte *)ALIGN_DOWN((uintptr_t)gap.slot, PAGE_SIZE);
    for (unsigned level = gap.level; level > 0; level--) {
        struct pte *child = table[level - 1];
        ptable_link(parent, &parent[pt_index(at, level)], child);
        vspace->table_count++;
        parent = child;
    }
    pte_write(&parent[pt_index(at, 0)], pte_leaf(frame_paddr(frame), perm, 0));
    ++*ptable_live(parent);
    vspace->page_count++;
    vspace_roots_follow(vspace, at, at + PAGE_SIZE);
    arch_pte_publish();
    return OK;
}

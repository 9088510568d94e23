/* Address spaces: ranges, and the operations on them and on the tables.
 *
 * Every operation first makes sure that it can be carried out, with whatever memory it takes, and
 * then does what cannot fail. Only vspace_tables_prepare changes something before that is certain:
 * it adds empty tables, and they are removed again.
 */
#include "vspace_impl.h"
#include <kernel/ipi.h>
#include <kernel/panic.h>
#include <kernel/slab.h>

static struct slab_cache vspace_cache = SLAB_CACHE_INIT("vspace", struct vspace);
static struct slab_cache range_cache = SLAB_CACHE_INIT("vspace range", struct vspace_range);

/* What an operation on [at, end) needs if it cuts something in two at an end. */
struct spare {
    struct vspace_range *range[2];
    struct pte *table[2];
};

/* ---- Ranges ---- */

static struct vspace_range *range_of(struct tree_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct vspace_range, node);
}

static bool range_before(const struct tree_node *a, const struct tree_node *b)
{
    return CONTAINER_OF(a, struct vspace_range, node)->start <
           CONTAINER_OF(b, struct vspace_range, node)->start;
}

static int range_compare(const struct tree_node *node, const void *key)
{
    uint64_t start = CONTAINER_OF(node, struct vspace_range, node)->start;
    uint64_t at = *(const uint64_t *)key;

    return start < at ? -1 : start > at;
}

/* The range that holds `at`, or NULL. */
static struct vspace_range *range_at(const struct vspace *vspace, uint64_t at)
{
    struct vspace_range *range = range_of(tree_floor(&vspace->ranges, range_compare, &at));

    return range != NULL && at < range->end ? range : NULL;
}

/* The first range that begins in [at, end), or NULL. */
static struct vspace_range *range_within(const struct vspace *vspace, uint64_t at, uint64_t end)
{
    struct vspace_range *range = range_of(tree_lower_bound(&vspace->ranges, range_compare, &at));

    return range != NULL && range->start < end ? range : NULL;
}

static bool ranges_used(const struct vspace *vspace, uint64_t at, uint64_t end)
{
    return range_at(vspace, at) != NULL || range_within(vspace, at, end) != NULL;
}

/* True if a range reaches across `at`. */
static bool range_cuts(const struct vspace *vspace, uint64_t at)
{
    const struct vspace_range *range = range_at(vspace, at);

    return range != NULL && range->start < at;
}

static void range_split(struct vspace *vspace, uint64_t at, struct vspace_range *upper_taken)
{
    struct vspace_range *lower = range_at(vspace, at);

    upper_taken->start = at;
    upper_taken->end = lower->end;
    upper_taken->perm = lower->perm;
    lower->end = at;
    tree_insert(&vspace->ranges, &upper_taken->node, range_before);
}

static void ranges_remove(struct vspace *vspace, uint64_t at, uint64_t end)
{
    for (struct vspace_range *range; (range = range_within(vspace, at, end)) != NULL;) {
        tree_remove(&vspace->ranges, &range->node);
        slab_free(&range_cache, range);
    }
}

/* ---- Cutting at the ends of an operation ---- */

static void spare_free(struct spare *spare)
{
    for (size_t i = 0; i < 2; i++) {
        if (spare->range[i] != NULL)
            slab_free(&range_cache, spare->range[i]);
        if (spare->table[i] != NULL)
            ptable_destroy(spare->table[i]);
    }
}

/* For one end. `other` is the end that was prepared before: a block that it cuts is a table by
 * then. */
static bool spare_prepare_end(struct vspace *vspace, struct spare *spare, size_t i, uint64_t at,
                              uint64_t other) REQUIRES(vspace->lock)
{
    bool same_block = other != 0 &&
                      ALIGN_DOWN(at, ptable_span(1)) == ALIGN_DOWN(other, ptable_span(1)) &&
                      spare->table[0] != NULL;

    if (range_cuts(vspace, at)) {
        spare->range[i] = slab_alloc(&range_cache);
        if (spare->range[i] == NULL)
            return false;
    }
    if (!same_block && vspace_tables_cuts(vspace, at))
        return ptable_create(&spare->table[i]) == OK;
    return true;
}

static enum status spare_prepare(struct vspace *vspace, struct spare *spare, uint64_t at,
                                 uint64_t end) REQUIRES(vspace->lock)
{
    *spare = (struct spare){ 0 };
    if (spare_prepare_end(vspace, spare, 0, at, 0) && spare_prepare_end(vspace, spare, 1, end, at))
        return OK;
    spare_free(spare);
    return ERR_NO_MEMORY;
}

/* From here on no range and no block crosses either end. */
static void spare_use(struct vspace *vspace, struct spare *spare, uint64_t at, uint64_t end)
    REQUIRES(vspace->lock)
{
    const uint64_t cut[2] = { at, end };

    for (size_t i = 0; i < 2; i++) {
        if (spare->range[i] != NULL)
            range_split(vspace, cut[i], spare->range[i]);
        if (spare->table[i] != NULL)
            vspace_tables_split(vspace, cut[i], spare->table[i]);
    }
}

/* ---- Life ---- */

enum status vspace_create(struct vspace **vspace_out)
{
    struct pte *root;
    struct vspace *vspace = slab_alloc(&vspace_cache);

    if (vspace == NULL)
        return ERR_NO_MEMORY;
    enum status status = ptable_create(&root);
    if (status != OK) {
        slab_free(&vspace_cache, vspace);
        return status;
    }
    spinlock_init(&vspace->lock, RANK_VSPACE);
    tree_init(&vspace->ranges);
    vspace->references = 1;
    vspace->root = paddr_of_direct(root);
    vspace->end = USER_END;
    vspace->table_count = 1;
    arch_vspace_init(vspace);
    *vspace_out = vspace;
    return OK;
}

struct vspace *vspace_get(struct vspace *vspace)
{
    uint32_t before = __atomic_fetch_add(&vspace->references, 1, __ATOMIC_RELAXED);

    ASSERT(before != 0 && before != UINT32_MAX);
    return vspace;
}

static void vspace_leave(void *argument)
{
    if (cpu_self()->vspace == argument)
        arch_vspace_activate(NULL);
}

void vspace_put(struct vspace *vspace_taken)
{
    struct vspace *vspace = vspace_taken;
    uint32_t before = __atomic_fetch_sub(&vspace->references, 1, __ATOMIC_ACQ_REL);

    ASSERT(before != 0);
    if (before != 1)
        return;
    vspace_leave(vspace);
    ipi_call(&vspace->active, vspace_leave, vspace);
    arch_vspace_fini(vspace);
    struct vspace *upper = vspace->upper;
    spinlock_acquire(&vspace->lock);
    vspace_roots_release(vspace);
    vspace_tables_clear(vspace);
    ranges_remove(vspace, 0, USER_END);
    ASSERT(vspace->page_count == 0 && vspace->table_count == 1);
    spinlock_release(&vspace->lock);
    ptable_destroy(paddr_to_kernel(vspace->root));
    slab_free(&vspace_cache, vspace);
    if (upper != NULL)
        vspace_put(upper);
}

/* ---- Operations ---- */

static bool area_ok(const struct vspace *vspace, uaddr_t at, uint64_t size_bytes)
{
    return size_bytes != 0 && IS_ALIGNED(at.raw | size_bytes, (uint64_t)PAGE_SIZE) &&
           uaddr_range_ok(at, size_bytes) && at.raw + size_bytes <= vspace->end;
}

/* Rights as the hardware can give them: whoever may write or execute may read. ERR_RANGE for W and
 * X, for none, and for anything else that is not in `allowed`.
 */
static enum status perm_check(unsigned perm, unsigned allowed, unsigned *perm_out)
{
    unsigned rights = perm & RIGHTS;

    if (rights == 0 || (perm & ~(RIGHTS | PERM_USER | allowed)) != 0 ||
        (rights & (PERM_WRITE | PERM_EXECUTE)) == (PERM_WRITE | PERM_EXECUTE))
        return ERR_RANGE;
    *perm_out = perm | PERM_READ | PERM_USER;
    return OK;
}

static enum status map_locked(struct vspace *vspace, uint64_t end, struct frame *first,
                              const struct vspace_source *source) REQUIRES(vspace->lock)
{
    uint64_t at = source->start;

    if (ranges_used(vspace, at, end))
        return ERR_EXISTS;
    enum status status = vspace_tables_prepare(vspace, at, end, source);
    if (status != OK) {
        vspace_tables_remove(vspace, at, end, false);
        return status;
    }
    if (first != NULL)
        frame_get_range(first, (size_t)((end - at) >> PAGE_SHIFT));
    vspace_tables_install(vspace, at, end, source);
    return OK;
}

static enum status map(struct vspace *vspace, size_t count, struct frame *first,
                       const struct vspace_source *source)
{
    if (count > USER_END >> PAGE_SHIFT || !IS_ALIGNED(source->pa, (uint64_t)PAGE_SIZE) ||
        !area_ok(vspace, uaddr(source->start), (uint64_t)count << PAGE_SHIFT))
        return ERR_RANGE;
    spinlock_acquire(&vspace->lock);
    enum status status =
        map_locked(vspace, source->start + ((uint64_t)count << PAGE_SHIFT), first, source);
    spinlock_release(&vspace->lock);
    return status;
}

enum status vspace_map(struct vspace *vspace, uaddr_t at, struct frame *first, size_t count,
                       unsigned perm)
{
    struct vspace_source source = { .start = at.raw, .pa = frame_paddr(first).raw };
    enum status status = perm_check(perm, 0, &source.perm);

    return status == OK ? map(vspace, count, first, &source) : status;
}

enum status vspace_map_physical(struct vspace *vspace, uaddr_t at, paddr_t pa, size_t count,
                                unsigned perm)
{
    struct vspace_source source = { .start = at.raw, .pa = pa.raw };
    enum status status = perm_check(perm, PERM_DEVICE | PERM_WRITE_COMBINE, &source.perm);

    if (status != OK)
        return status;
    if (count > (BIT64(48) >> PAGE_SHIFT) || pa.raw > BIT64(48) - ((uint64_t)count << PAGE_SHIFT))
        return ERR_RANGE;
    for (size_t i = 0; i < count; i++) {
        if (frame_of(paddr(pa.raw + i * PAGE_SIZE)) != NULL)
            return ERR_INVALID;
    }
    return map(vspace, count, NULL, &source);
}

enum status vspace_reserve(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm)
{
    enum status status = perm_check(perm, 0, &perm);

    if (status != OK)
        return status;
    if (!area_ok(vspace, at, size_bytes))
        return ERR_RANGE;
    struct vspace_range *range = slab_alloc(&range_cache);
    if (range == NULL)
        return ERR_NO_MEMORY;
    *range = (struct vspace_range){
        .start = at.raw,
        .end = at.raw + size_bytes,
        .perm = perm & RIGHTS,
    };
    spinlock_acquire(&vspace->lock);
    bool used = ranges_used(vspace, range->start, range->end) ||
                vspace_tables_used(vspace, range->start, range->end);
    if (!used)
        tree_insert(&vspace->ranges, &range->node, range_before);
    spinlock_release(&vspace->lock);
    if (used)
        slab_free(&range_cache, range);
    return used ? ERR_EXISTS : OK;
}

enum status vspace_unmap(struct vspace *vspace, uaddr_t at, uint64_t size_bytes)
{
    struct spare spare;
    uint64_t end = at.raw + size_bytes;

    if (!area_ok(vspace, at, size_bytes))
        return ERR_RANGE;
    spinlock_acquire(&vspace->lock);
    enum status status = spare_prepare(vspace, &spare, at.raw, end);
    if (status == OK) {
        spare_use(vspace, &spare, at.raw, end);
        ranges_remove(vspace, at.raw, end);
        vspace_tables_remove(vspace, at.raw, end, true);
    }
    spinlock_release(&vspace->lock);
    return status;
}

/* True if every page of [at, end) is mapped or in a range. */
static bool all_there(const struct vspace *vspace, uint64_t at, uint64_t end) REQUIRES(vspace->lock)
{
    while (at < end) {
        const struct vspace_range *range = range_at(vspace, at);
        if (range != NULL) {
            at = range->end;
            continue;
        }
        range = range_within(vspace, at, end);
        uint64_t until = range != NULL ? range->start : end;
        if (vspace_tables_gap(vspace, at, until) != until)
            return false;
        at = until;
    }
    return true;
}

static enum status protect_locked(struct vspace *vspace, uint64_t at, uint64_t end, unsigned rights)
    REQUIRES(vspace->lock)
{
    struct spare spare;

    if (!all_there(vspace, at, end))
        return ERR_NOT_FOUND;
    enum status status = spare_prepare(vspace, &spare, at, end);
    if (status != OK)
        return status;
    spare_use(vspace, &spare, at, end);
    struct vspace_range *range = range_within(vspace, at, end);
    for (; range != NULL && range->start < end; range = range_of(tree_next(&range->node)))
        range->perm = rights;
    vspace_tables_protect(vspace, at, end, rights);
    return OK;
}

enum status vspace_protect(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm)
{
    enum status status = perm_check(perm, 0, &perm);

    if (status != OK)
        return status;
    if (!area_ok(vspace, at, size_bytes))
        return ERR_RANGE;
    spinlock_acquire(&vspace->lock);
    status = protect_locked(vspace, at.raw, at.raw + size_bytes, perm & RIGHTS);
    spinlock_release(&vspace->lock);
    return status;
}

enum status vspace_query(struct vspace *vspace, uaddr_t at, paddr_t *pa_out, unsigned *perm_out)
{
    if (!uaddr_range_ok(at, 1))
        return ERR_RANGE;
    spinlock_acquire(&vspace->lock);
    struct vspace_leaf leaf = vspace_tables_find(vspace, at.raw);
    spinlock_release(&vspace->lock);
    if (!arch_pte_present(leaf.pte))
        return ERR_NOT_FOUND;
    uint64_t inside = at.raw & (ptable_span(leaf.level) - 1);
    *pa_out = paddr(arch_pte_paddr(leaf.pte).raw + inside);
    *perm_out = arch_pte_perm(leaf.pte) & ~(unsigned)(PERM_USER | PERM_GLOBAL);
    return OK;
}

static enum status fault_locked(struct vspace *vspace, uint64_t at, unsigned access)
    REQUIRES(vspace->lock)
{
    struct vspace_leaf leaf = vspace_tables_find(vspace, at);

    /* Another CPU was faster, or the fault came before a change that it waited for. */
    if (arch_pte_present(leaf.pte))
        return (arch_pte_perm(leaf.pte) & access) == access ? OK : ERR_FAULT;
    const struct vspace_range *range = range_at(vspace, at);
    if (range == NULL || (range->perm & access) != access)
        return ERR_FAULT;
    return vspace_tables_fill(vspace, at, leaf, range->perm | PERM_USER);
}

enum status vspace_fault(struct vspace *vspace, uaddr_t at, unsigned access)
{
    if (!uaddr_range_ok(at, 1) || at.raw >= vspace->end)
        return ERR_FAULT;
    spinlock_acquire(&vspace->lock);
    enum status status = fault_locked(vspace, ALIGN_DOWN(at.raw, (uint64_t)PAGE_SIZE), access);
    spinlock_release(&vspace->lock);
    return status;
}

/* Address spaces: mappings and the public operations. vspace_tables.c has the page tables.
 *
 * Locks: the address space's, then the Memory's, then the page tables', which that file takes. So
 * whoever holds a Memory's lock can reach the page tables of everything that maps it. A mapping
 * changes under the first two.
 */
#include "vspace_impl.h"
#include <kernel/budget.h>
#include <kernel/cspace.h>
#include <kernel/ipi.h>
#include <kernel/panic.h>
#include <kernel/slab.h>

enum {
    POPULATE_MAX = 4096, /* pages that MAP_POPULATE fills */
    AROUND_PAGES = 16,   /* that a fault which reads fills in, if they are there */
    SLICE_PAGES = 4096,  /* removed or protected at a time */
    SLICE_WORK = 32,     /* what that costs */
};
#define SLICE_BYTES (SLICE_PAGES * PAGE_SIZE)

static struct slab_cache vspace_cache = SLAB_CACHE_INIT("vspace", struct vspace);
static struct slab_cache mapping_cache = SLAB_CACHE_INIT("mapping", struct mapping);

/* ---- The tree of mappings ---- */

static struct mapping *mapping_of(struct tree_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct mapping, node);
}

static int mapping_compare(const struct tree_node *node, const void *key)
{
    uint64_t start = CONTAINER_OF(node, struct mapping, node)->start;
    uint64_t at = *(const uint64_t *)key;

    return start < at ? -1 : start > at;
}

/* Where the mappings go on after this one, or begin. */
static struct list *order_of(struct vspace *vspace, struct mapping *mapping)
{
    return mapping != NULL ? &mapping->order : &vspace->order;
}

static struct mapping *mapping_next(struct vspace *vspace, struct mapping *mapping)
{
    struct list *next = order_of(vspace, mapping)->next;

    return next != &vspace->order ? CONTAINER_OF(next, struct mapping, order) : NULL;
}

/* The last mapping that begins at or before `at`, or NULL. Often it is the one that was asked for
 * last, or comes after that.
 */
static struct mapping *mapping_floor(struct vspace *vspace, uint64_t at)
{
    struct mapping *near = vspace->recent;

    for (unsigned i = 0; near != NULL && i < 2 && near->start <= at; i++) {
        struct mapping *next = mapping_next(vspace, near);
        if (at < near->end || next == NULL || at < next->start)
            return vspace->recent = near;
        near = next;
    }
    return vspace->recent = mapping_of(tree_floor(&vspace->mappings, mapping_compare, &at));
}

/* The mapping that holds `at`, or NULL. */
static struct mapping *mapping_at(struct vspace *vspace, uint64_t at)
{
    struct mapping *mapping = mapping_floor(vspace, at);

    return mapping != NULL && at < mapping->end ? mapping : NULL;
}

/* The first mapping that has something of [at, end), or NULL. */
static struct mapping *mapping_within(struct vspace *vspace, uint64_t at, uint64_t end)
{
    struct mapping *mapping = mapping_floor(vspace, at);

    if (mapping == NULL || mapping->end <= at)
        mapping = mapping_next(vspace, mapping);
    return mapping != NULL && mapping->start < end ? mapping : NULL;
}

/* ---- The life of a mapping ---- */

/* With the Memory's lock, which guards the uses of its capabilities too. `before` may be NULL. */
static void mapping_link(struct mapping *mapping, struct mapping *before)
{
    struct memory *memory = mapping->memory;
    struct vspace *vspace = mapping->vspace;

    tree_insert_after(&vspace->mappings, before != NULL ? &before->node : NULL, &mapping->node);
    list_insert_after(order_of(vspace, before), &mapping->order);
    vspace->recent = mapping;
    list_push_back(&memory->mappings, &mapping->memory_node);
    memory->mapping_count++;
    memory->writer_count += (mapping->limit & PERM_WRITE) != 0;
    if (mapping->capability != NULL)
        list_push_back(&mapping->capability->uses, &mapping->use_node);
    else
        object_get(&memory->object);
}

/* What has to be put when all locks are released. */
static struct memory *mapping_unlink(struct mapping *mapping)
{
    struct memory *memory = mapping->memory;

    tree_remove(&mapping->vspace->mappings, &mapping->node);
    list_remove(&mapping->order);
    mapping->vspace->recent = NULL;
    list_remove(&mapping->memory_node);
    memory->mapping_count--;
    memory->writer_count -= (mapping->limit & PERM_WRITE) != 0;
    if (mapping->capability == NULL)
        return memory;
    list_remove(&mapping->use_node);
    return NULL;
}

/* Cut at `at`, which lies inside: `upper` is what begins there. */
static void mapping_split(struct mapping *lower, uint64_t at, struct mapping *upper_taken)
{
    *upper_taken = *lower;
    upper_taken->start = at;
    upper_taken->first = mapping_page(lower, at);
    lower->end = at;
    mapping_link(upper_taken, lower);
}

static uint64_t mapping_address(const struct mapping *mapping, uint64_t page)
{
    return mapping->start + ((page - mapping->first) << PAGE_SHIFT);
}

void mapping_drop(struct mapping *mapping, uint64_t first, uint64_t end)
{
    vspace_tables_remove(mapping->vspace, mapping_address(mapping, first),
                         mapping_address(mapping, end));
}

void mapping_write_protect(struct mapping *mapping, uint64_t first, uint64_t end)
{
    if ((mapping->perm & PERM_WRITE) != 0)
        vspace_tables_protect(mapping->vspace, mapping_address(mapping, first),
                              mapping_address(mapping, end), mapping->perm & ~(unsigned)PERM_WRITE);
}

/* Take [at, end), within the mapping, away. `spare` is there if that leaves two pieces. */
static struct memory *mapping_cut(struct mapping *mapping, uint64_t at, uint64_t end,
                                  struct mapping **spare) NO_LOCK_ANALYSIS
{
    struct memory *memory = mapping->memory;
    struct memory *put = NULL;
    uint64_t first = mapping_page(mapping, at);
    uint64_t first_after = mapping_page(mapping, end);

    vspace_tables_remove(mapping->vspace, at, end);
    if (at == mapping->start && end == mapping->end) {
        put = mapping_unlink(mapping);
        payer_free(mapping->vspace->payer, &mapping_cache, mapping);
    } else if (at == mapping->start) {
        mapping->first = first_after;
        mapping->start = end; /* its place in the order stays */
    } else {
        if (end != mapping->end) {
            ASSERT(*spare != NULL);
            mapping_split(mapping, end, *spare);
            *spare = NULL;
        }
        mapping->end = at;
    }
    if (memory->anonymous)
        memory_unmapped(memory, first, first_after);
    return put;
}

/* ---- Life ---- */

/* The caller has the reference to the payer. */
static enum status create(struct budget *payer, struct vspace **vspace_out)
{
    struct vspace *vspace;
    struct pte *root;
    enum status status = payer_alloc(payer, &vspace_cache, &vspace);

    if (status != OK)
        return status;
    status = payer_alloc_page(payer, &root);
    if (status != OK) {
        payer_free(payer, &vspace_cache, vspace);
        return status;
    }
    spinlock_init(&vspace->lock, RANK_VSPACE);
    spinlock_init(&vspace->tables_lock, RANK_TABLES);
    tree_init(&vspace->mappings);
    list_init(&vspace->order);
    vspace->references = 1;
    vspace->payer = payer;
    vspace->root = paddr_of_direct(root);
    vspace->end = USER_END;
    vspace->table_count = 1;
    arch_vspace_init(vspace);
    *vspace_out = vspace;
    return OK;
}

enum status vspace_create(struct budget *payer, struct vspace **vspace_out)
{
    if (payer != NULL && !object_try_get(&payer->object))
        return ERR_DEAD;
    enum status status = create(payer, vspace_out);
    if (status != OK && payer != NULL)
        budget_put(payer);
    return status;
}

struct vspace *vspace_get(struct vspace *vspace)
{
    uint32_t before = __atomic_fetch_add(&vspace->references, 1, __ATOMIC_RELAXED);

    ASSERT(before != 0 && before != UINT32_MAX);
    return vspace;
}

bool vspace_try_get(struct vspace *vspace)
{
    uint32_t references = __atomic_load_n(&vspace->references, __ATOMIC_RELAXED);

    while (references != 0) {
        if (__atomic_compare_exchange_n(&vspace->references, &references, references + 1, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

static void vspace_leave(void *argument)
{
    if (cpu_self()->vspace == argument)
        arch_vspace_activate(NULL);
}

/* Whoever revokes meanwhile waits until the mappings are gone from the Memory's list. */
void vspace_put(struct vspace *vspace_taken)
{
    struct vspace *vspace = vspace_taken;
    struct vspace *upper = vspace->upper;
    struct budget *payer = vspace->payer;
    struct work work = { .left = UINT32_MAX };
    uint32_t before = __atomic_fetch_sub(&vspace->references, 1, __ATOMIC_ACQ_REL);

    ASSERT(before != 0);
    if (before != 1)
        return;
    vspace_leave(vspace);
    ipi_call(&vspace->active, vspace_leave, vspace);
    while (vspace_close(vspace, &work) != OK)
        work.left = UINT32_MAX;
    arch_vspace_fini(vspace);
    vspace_roots_release(vspace);
    ASSERT(vspace->page_count == 0 && vspace->table_count == 1);
    payer_free_zeroes(payer, paddr_to_kernel(vspace->root));
    payer_free(payer, &vspace_cache, vspace);
    if (payer != NULL)
        budget_put(payer);
    if (upper != NULL)
        vspace_put(upper);
}

/* ---- Mapping ---- */

bool vspace_area_ok(const struct vspace *vspace, uaddr_t at, uint64_t size_bytes)
{
    return size_bytes != 0 && IS_ALIGNED(at.raw | size_bytes, (uint64_t)PAGE_SIZE) &&
           uaddr_range_ok(at, size_bytes) && at.raw + size_bytes <= vspace->end;
}

/* Rights as the hardware can give them: whoever may write or execute may read. ERR_RANGE for W and
 * X, and for anything else.
 */
static enum status perm_check(unsigned perm, unsigned *perm_out)
{
    if ((perm & ~(unsigned)(RIGHTS | PERM_USER)) != 0 ||
        (perm & (PERM_WRITE | PERM_EXECUTE)) == (PERM_WRITE | PERM_EXECUTE))
        return ERR_RANGE;
    *perm_out = (perm & RIGHTS) == 0 ? 0 : (perm & RIGHTS) | PERM_READ;
    return OK;
}

static bool block_fits(const struct mapping *mapping, uint64_t at, uint64_t pa)
{
    uint64_t start = ALIGN_DOWN(at, ptable_span(1));

    return start >= mapping->start && start + ptable_span(1) <= mapping->end &&
           (pa & (ptable_span(1) - 1)) == at - start;
}

static unsigned perm_of(const struct mapping *mapping)
{
    return mapping->perm | mapping->memory->attributes;
}

/* Put what is there of [at, end) into the page tables, as far as memory for tables goes. */
static void populate(struct vspace *vspace, struct mapping *mapping, uint64_t at, uint64_t end)
    REQUIRES(mapping->memory->lock)
{
    unsigned perm = perm_of(mapping);

    for (uint64_t next; at < end; at = next) {
        next = ptable_step(at, end, 1);
        uint64_t index = mapping_page(mapping, at);
        size_t count = (size_t)((next - at) >> PAGE_SHIFT);
        struct memory_run run = memory_run(mapping->memory, index, count);
        next = at + run.count * PAGE_SIZE;
        if (!run.there)
            continue;
        unsigned block = run.writable ? perm : perm & ~(unsigned)PERM_WRITE;
        if (run.count == PT_ENTRIES && run.block && block_fits(mapping, at, run.pa) &&
            vspace_tables_set(vspace, at, run.pa, block, 1) == OK)
            continue;
        if (vspace_tables_fill(vspace, at, &run, perm) != OK)
            return;
    }
}

static enum status insert(struct vspace *vspace, const struct map_request *request,
                          struct mapping *mapping) NO_LOCK_ANALYSIS
{
    struct memory *memory = request->memory;
    uint64_t at = request->at.raw;

    if (vspace->closed)
        return ERR_DEAD;
    struct mapping *before = mapping_floor(vspace, at);
    const struct mapping *after = mapping_next(vspace, before);
    if ((before != NULL && at < before->end) ||
        (after != NULL && after->start < at + request->size_bytes))
        return ERR_EXISTS;
    mapping->start = at;
    mapping->end = at + request->size_bytes;
    mapping->first = request->offset >> PAGE_SHIFT;
    mapping->vspace = vspace;
    mapping->memory = memory;
    mapping->capability = request->capability;
    mapping->limit = (uint8_t)request->limit;
    mapping->flags = (uint8_t)(request->flags & MAP_SHARED);
    mapping->perm = (uint8_t)request->perm;
    spinlock_acquire(&memory->lock);
    bool taken = memory_takes_mapping(memory, mapping->first,
                                      mapping->first + (request->size_bytes >> PAGE_SHIFT),
                                      (mapping->limit & PERM_WRITE) != 0);
    if (taken) {
        mapping_link(mapping, before);
        if ((request->flags & MAP_POPULATE) != 0 && request->perm != 0)
            populate(vspace, mapping, at, MIN(mapping->end, at + POPULATE_MAX * PAGE_SIZE));
    }
    spinlock_release(&memory->lock);
    return taken ? OK : ERR_LIMIT;
}

static enum status map_locked(struct vspace *vspace, const struct map_request *request)
    REQUIRES(vspace->lock)
{
    struct mapping *mapping;
    enum status status = payer_alloc(vspace->payer, &mapping_cache, &mapping);

    if (status != OK)
        return status;
    status = insert(vspace, request, mapping);
    if (status != OK)
        payer_free(vspace->payer, &mapping_cache, mapping);
    return status;
}

enum status vspace_map(struct vspace *vspace, const struct map_request *request)
{
    struct map_request checked = *request;
    uint64_t size_bytes = request->memory->page_count * PAGE_SIZE;
    enum status status = perm_check(request->perm, &checked.perm);

    if (status != OK)
        return status;
    checked.limit = (request->limit | PERM_READ) & RIGHTS;
    if ((checked.perm & ~checked.limit) != 0)
        return ERR_ACCESS;
    if (!vspace_area_ok(vspace, request->at, request->size_bytes) ||
        !IS_ALIGNED(request->offset, (uint64_t)PAGE_SIZE) || request->offset > size_bytes ||
        request->size_bytes > size_bytes - request->offset)
        return ERR_RANGE;
    spinlock_acquire(&vspace->lock);
    status = map_locked(vspace, &checked);
    spinlock_release(&vspace->lock);
    return status;
}

static enum status map_own(struct vspace *vspace, uaddr_t at, struct memory *memory_taken,
                           unsigned perm)
{
    enum status status = vspace_map(vspace, &(struct map_request){
                                                .memory = memory_taken,
                                                .at = at,
                                                .size_bytes = memory_taken->page_count * PAGE_SIZE,
                                                .perm = perm,
                                                .limit = RIGHTS,
                                            });

    memory_put(memory_taken);
    return status;
}

enum status vspace_reserve(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm)
{
    struct memory *memory;
    enum status status = memory_create_anonymous(vspace->payer, size_bytes, &memory);

    return status == OK ? map_own(vspace, at, memory, perm) : status;
}

enum status vspace_map_physical(struct vspace *vspace, uaddr_t at, paddr_t pa, size_t count,
                                unsigned perm)
{
    struct memory *memory;
    unsigned attributes = perm & (PERM_DEVICE | PERM_WRITE_COMBINE);
    enum status status = count <= BIT64(48) >> PAGE_SHIFT ? OK : ERR_RANGE;

    if (status == OK)
        status = memory_create_physical(vspace->payer, pa, (uint64_t)count * PAGE_SIZE, attributes,
                                        &memory);
    return status == OK ? map_own(vspace, at, memory, perm & ~attributes) : status;
}

/* ---- Unmapping ---- */

/* Where a slice of [at, end) may end: what comes before `next` costs nothing. */
static uint64_t slice_end(uint64_t next, uint64_t end, struct work *work)
{
    work_spend(work);
    if (next == end)
        return end;
    work_spend_many(work, SLICE_WORK);
    return MIN(end, ALIGN_DOWN(next, ptable_span(1)) + SLICE_BYTES);
}

/* What is in no page table costs nothing to unmap, unless its pages are freed by that. */
static uint64_t cut_end(struct memory *memory, const struct mapping *mapping, uint64_t at,
                        uint64_t end, struct work *work) REQUIRES(memory->lock)
{
    uint64_t next = vspace_tables_next(mapping->vspace, at, end);

    if (memory->anonymous) {
        uint64_t first = mapping_page(mapping, at);
        uint64_t page = memory_next(memory, first, mapping_page(mapping, next));
        next = at + ((page - first) << PAGE_SHIFT);
    }
    return slice_end(next, end, work);
}

/* Take a slice of [at, end), within the mapping, away. */
static enum status cut_slice(struct vspace *vspace, struct mapping *mapping, uint64_t *at,
                             uint64_t end, struct memory **put_out, struct work *work)
    REQUIRES(vspace->lock)
{
    struct memory *memory = mapping->memory;
    struct mapping *spare = NULL;
    enum status status = OK;

    spinlock_acquire(&memory->lock);
    end = cut_end(memory, mapping, *at, end, work);
    if (*at > mapping->start && end < mapping->end)
        status = payer_alloc(vspace->payer, &mapping_cache, &spare);
    if (status == OK) {
        *put_out = mapping_cut(mapping, *at, end, &spare);
        *at = end;
    }
    spinlock_release(&memory->lock);
    return status;
}

enum status vspace_unmap_slice(struct vspace *vspace, uint64_t *at, uint64_t end, struct work *work)
{
    while (*at < end) {
        struct memory *put = NULL;
        enum status status = OK;
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        spinlock_acquire(&vspace->lock);
        struct mapping *mapping = mapping_within(vspace, *at, end);
        if (mapping == NULL) {
            *at = end;
        } else {
            *at = MAX(*at, mapping->start);
            status = cut_slice(vspace, mapping, at, MIN(end, mapping->end), &put, work);
        }
        spinlock_release(&vspace->lock);
        if (put != NULL)
            memory_put(put);
        if (status != OK)
            return status;
    }
    return OK;
}

enum status vspace_close(struct vspace *vspace, struct work *work)
{
    uint64_t at = USER_START;

    spinlock_acquire(&vspace->lock);
    vspace->closed = true;
    spinlock_release(&vspace->lock);
    return vspace_unmap_slice(vspace, &at, USER_END, work);
}

static struct mapping *first_listed(const struct list *list, bool uses)
{
    if (list_empty(list))
        return NULL;
    return uses ? CONTAINER_OF(list->next, struct mapping, use_node)
                : CONTAINER_OF(list->next, struct mapping, memory_node);
}

/* The first mapping on the list, if it is still one of this address space's. */
static struct memory *remove_first(struct vspace *vspace, struct memory *memory, struct list *list,
                                   bool uses, struct work *work)
{
    struct memory *put = NULL;
    struct mapping *none = NULL;

    spinlock_acquire(&vspace->lock);
    spinlock_acquire(&memory->lock);
    struct mapping *mapping = first_listed(list, uses);
    if (mapping != NULL && mapping->vspace == vspace) {
        uint64_t end = cut_end(memory, mapping, mapping->start, mapping->end, work);
        put = mapping_cut(mapping, mapping->start, end, &none);
    }
    spinlock_release(&memory->lock);
    spinlock_release(&vspace->lock);
    return put;
}

enum status mappings_remove(struct memory *memory, struct list *list, bool uses, struct work *work)
{
    for (;;) {
        spinlock_acquire(&memory->lock);
        const struct mapping *mapping = first_listed(list, uses);
        struct vspace *vspace = mapping != NULL ? mapping->vspace : NULL;
        bool gone = vspace != NULL && !vspace_try_get(vspace);
        spinlock_release(&memory->lock);
        if (vspace == NULL)
            return OK;
        if (gone) /* whoever frees it is about to remove the mapping */
            return ERR_WOULD_BLOCK;
        struct memory *put = work->left > 0 ? remove_first(vspace, memory, list, uses, work) : NULL;
        vspace_put(vspace);
        if (put != NULL)
            memory_put(put);
        else if (work->left == 0)
            return ERR_WOULD_BLOCK;
    }
}

/* ---- Protecting ---- */

/* Page tables have no entry that allows nothing. */
static void tables_protect(struct vspace *vspace, uint64_t at, uint64_t end, unsigned perm)
{
    if (perm == 0)
        vspace_tables_remove(vspace, at, end);
    else
        vspace_tables_protect(vspace, at, end, perm);
}

/* From here on `at` does not lie inside a mapping. */
static enum status split_at(struct vspace *vspace, uint64_t at) REQUIRES(vspace->lock)
{
    struct mapping *lower = mapping_at(vspace, at);
    struct mapping *upper;

    if (lower == NULL || lower->start == at)
        return OK;
    enum status status = payer_alloc(vspace->payer, &mapping_cache, &upper);
    if (status != OK)
        return status;
    spinlock_acquire(&lower->memory->lock);
    mapping_split(lower, at, upper);
    spinlock_release(&lower->memory->lock);
    return OK;
}

static enum status protect_slice(struct vspace *vspace, uint64_t *at, uint64_t end, unsigned perm,
                                 struct work *work) REQUIRES(vspace->lock)
{
    struct mapping *mapping = mapping_within(vspace, *at, end);

    if (mapping == NULL) {
        *at = end;
        return OK;
    }
    *at = MAX(*at, mapping->start);
    if ((perm & ~(unsigned)mapping->limit) != 0)
        return ERR_ACCESS;
    end = MIN(end, mapping->end);
    end = slice_end(vspace_tables_next(vspace, *at, end), end, work);
    if (mapping->perm != perm) {
        enum status status = split_at(vspace, *at);
        if (status == OK)
            status = split_at(vspace, end);
        if (status != OK)
            return status;
        mapping = mapping_at(vspace, *at);
        spinlock_acquire(&mapping->memory->lock);
        mapping->perm = (uint8_t)perm;
        tables_protect(vspace, *at, end, perm);
        spinlock_release(&mapping->memory->lock);
    }
    *at = end;
    return OK;
}

enum status vspace_protect_slice(struct vspace *vspace, uint64_t *at, uint64_t end, unsigned perm,
                                 struct work *work)
{
    enum status status = perm_check(perm, &perm);

    while (status == OK && *at < end) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        spinlock_acquire(&vspace->lock);
        status = protect_slice(vspace, at, end, perm, work);
        spinlock_release(&vspace->lock);
    }
    return status;
}

/* ---- Cloning ---- */

/* A mapping in `to` for [at, end) of `mapping`. While the address space of that is locked its
 * capability, dying or not, cannot be gone, and takes this one along.
 */
static enum status clone_mapping(struct vspace *to, const struct mapping *mapping,
                                 struct budget *payer, uint64_t at, uint64_t end) NO_LOCK_ANALYSIS
{
    uint64_t first = mapping_page(mapping, at);
    bool share = (mapping->flags & MAP_SHARED) != 0 || mapping->memory->kind != MEMORY_PAGES;
    struct map_request request = {
        .memory = mapping->memory,
        .capability = mapping->capability,
        .at = uaddr(at),
        .size_bytes = end - at,
        .offset = first << PAGE_SHIFT,
        .perm = mapping->perm,
        .limit = mapping->limit,
        .flags = mapping->flags,
    };

    if (share)
        return map_locked(to, &request);
    /* The same place in a leaf, so that whole leaves can be shared. */
    request.offset = (first % PT_ENTRIES) << PAGE_SHIFT;
    request.capability = NULL;
    enum status status =
        memory_create_anonymous(payer, request.offset + request.size_bytes, &request.memory);
    if (status != OK)
        return status;
    status = map_locked(to, &request);
    memory_put(request.memory);
    return status;
}

/* `to` has a mapping for `at`; what `mapping` shows is shared with that, up to `end`. */
static enum status clone_pages(const struct mapping *to, const struct mapping *mapping,
                               uint64_t *at, uint64_t end, struct work *work)
{
    uint64_t page = mapping_page(mapping, *at);
    uint64_t first = page;
    uint64_t count = (end - *at) >> PAGE_SHIFT;
    enum status status = memory_share(mapping->memory, &page, page + count, to->memory,
                                      (int64_t)(mapping_page(to, *at) - page), work);

    *at += (page - first) << PAGE_SHIFT;
    return status;
}

/* Its capability is being removed: it goes with that, and a copy would only have to follow.
 * Somebody could keep a revocation from its end by making new ones all the time.
 */
static bool is_going(const struct mapping *mapping)
{
    const struct capability *capability = mapping->capability;

    return capability != NULL && READ_ONCE(capability->state) == CAPABILITY_DYING;
}

/* With both locks held. */
static enum status clone_slice(struct vspace *from, struct vspace *to, struct budget *payer,
                               uint64_t *at, uint64_t end, struct work *work)
{
    const struct mapping *mapping = mapping_within(from, *at, end);
    enum status status = OK;

    if (mapping == NULL) {
        *at = end;
        return OK;
    }
    *at = MAX(*at, mapping->start);
    end = MIN(end, mapping->end);
    if (is_going(mapping)) {
        *at = end;
        return OK;
    }
    const struct mapping *copy = mapping_at(to, *at);
    if (copy == NULL) {
        status = clone_mapping(to, mapping, payer, *at, end);
        work_spend(work);
        copy = mapping_at(to, *at);
    }
    if (status != OK)
        return status;
    if (copy->end < end)
        return ERR_EXISTS;
    if (copy->memory == mapping->memory && mapping_page(copy, *at) == mapping_page(mapping, *at))
        *at = end;
    else if (copy->memory == mapping->memory || !copy->memory->anonymous)
        return ERR_EXISTS;
    else
        status = clone_pages(copy, mapping, at, end, work);
    return status;
}

enum status vspace_clone(struct vspace *from, struct vspace *to, struct budget *payer, uint64_t *at,
                         uint64_t end, struct work *work)
{
    enum status status = OK;

    if (from == to)
        return ERR_INVALID;
    if (end > to->end)
        return ERR_RANGE;
    while (status == OK && *at < end) {
        if (work->left == 0)
            return ERR_WOULD_BLOCK;
        spinlock_acquire_both(&from->lock, &to->lock, RANK_VSPACE_2);
        status = clone_slice(from, to, payer, at, end, work);
        spinlock_release_both(&from->lock, &to->lock);
    }
    return status;
}

/* ---- Faults ---- */

/* Whoever reads one page of what is there soon reads the next. */
static void fill_around(struct vspace *vspace, struct mapping *mapping, uint64_t at)
    REQUIRES(mapping->memory->lock)
{
    uint64_t start = ALIGN_DOWN(at, AROUND_PAGES * PAGE_SIZE);
    uint64_t end = start + AROUND_PAGES * PAGE_SIZE;

    populate(vspace, mapping, MAX(start, mapping->start), MIN(end, mapping->end));
}

static enum status resolve(struct vspace *vspace, struct mapping *mapping, uint64_t at, bool write)
    REQUIRES(vspace->lock) REQUIRES(mapping->memory->lock)
{
    uint64_t index = mapping_page(mapping, at);
    struct memory_page page;
    enum status status = memory_page(mapping->memory, index, write, &page);

    if (UNLIKELY(status != OK))
        return status;
    unsigned perm = perm_of(mapping);
    if (!page.writable)
        perm &= ~(unsigned)PERM_WRITE;
    if (page.replaced != NULL)
        memory_forget_replaced(mapping->memory, index, mapping);
    if (page.block && block_fits(mapping, at, page.pa) &&
        vspace_tables_set(vspace, ALIGN_DOWN(at, ptable_span(1)),
                          ALIGN_DOWN(page.pa, ptable_span(1)), perm, 1) == OK)
        return OK;
    status = vspace_tables_set(vspace, at, page.pa, perm, 0);
    if (page.replaced != NULL)
        frame_put(page.replaced);
    else if (!page.made && !write && status == OK)
        fill_around(vspace, mapping, at);
    return status;
}

enum status vspace_fault(struct vspace *vspace, uaddr_t at, unsigned access)
{
    enum status status = ERR_FAULT;

    spinlock_acquire(&vspace->lock);
    struct mapping *mapping = vspace->recent;
    if (mapping == NULL || at.raw < mapping->start || at.raw >= mapping->end)
        mapping = mapping_at(vspace, at.raw);
    if (LIKELY(mapping != NULL && (mapping->perm & access) == access)) {
        spinlock_acquire(&mapping->memory->lock);
        status = resolve(vspace, mapping, ALIGN_DOWN(at.raw, (uint64_t)PAGE_SIZE),
                         (access & PERM_WRITE) != 0);
        spinlock_release(&mapping->memory->lock);
    }
    spinlock_release(&vspace->lock);
    return status;
}

/* Areas in their tree, and the books. */
#include "mm_impl.h"
#include <linux/abi/errno.h>
#include <linux/heap.h>

enum { MAPPING_LOCKS = 64 };

static struct {
    struct rt_lock lock ALIGNED(64);
} mapping_locks[MAPPING_LOCKS];

struct rt_lock *mapping_lock(const struct node *node)
{
    uint64_t number = (uint64_t)(uintptr_t)node / 64;
    return &mapping_locks[(number ^ number / MAPPING_LOCKS) % MAPPING_LOCKS].lock;
}

struct area *area_of(struct tree_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct area, node);
}

static bool area_before(const struct tree_node *a, const struct tree_node *b)
{
    return CONTAINER_OF(a, struct area, node)->start < CONTAINER_OF(b, struct area, node)->start;
}

static int area_compare(const struct tree_node *node, const void *key)
{
    uint64_t start = CONTAINER_OF(node, struct area, node)->start;
    uint64_t at = *(const uint64_t *)key;
    return start < at ? -1 : start > at;
}

struct area *mm_find(struct mm *mm, uint64_t address)
{
    struct area *area = area_of(tree_floor(&mm->areas, area_compare, &address));
    return area != NULL && address < area->end ? area : NULL;
}

struct area *mm_find_above(struct mm *mm, uint64_t address)
{
    struct area *area = mm_find(mm, address);
    return area != NULL ? area : area_of(tree_lower_bound(&mm->areas, area_compare, &address));
}

struct area *area_next(const struct area *area)
{
    return area_of(tree_next(&area->node));
}

static struct area *area_previous(const struct area *area)
{
    return area_of(tree_previous(&area->node));
}

/* ---- The node's list ---- */

static struct node *area_node(const struct area *area)
{
    return area_shows_file(area) ? area->file->node : NULL;
}

static void mapping_link(struct area *area) NO_LOCK_ANALYSIS
{
    struct node *node = area_node(area);
    if (node == NULL)
        return;
    rt_lock(mapping_lock(node));
    list_push_back(&node->mappings, &area->mapping);
    rt_unlock(mapping_lock(node));
}

static void mapping_unlink(struct area *area) NO_LOCK_ANALYSIS
{
    struct node *node = area_node(area);
    if (node == NULL)
        return;
    rt_lock(mapping_lock(node));
    list_remove(&area->mapping);
    rt_unlock(mapping_lock(node));
}

/* Changes of what a truncation looks at. */
static void set_bounds(struct area *area, uint64_t start, uint64_t end) NO_LOCK_ANALYSIS
{
    struct node *node = area_node(area);
    if (node != NULL)
        rt_lock(mapping_lock(node));
    area->offset += start - area->start;
    area->start = start;
    area->end = end;
    if (node != NULL)
        rt_unlock(mapping_lock(node));
}

int area_become_own(struct area *area)
{
    struct rt_lock *lock = mapping_lock(area->file->node);
    rt_lock(lock);
    area->own = true;
    int error = area_show(area, area->start, area->end);
    if (error == 0)
        list_remove(&area->mapping);
    else
        area->own = false;
    rt_unlock(lock);
    return error;
}

/* ---- Life ---- */

struct area *area_create(struct mm *mm, const struct area *like)
{
    struct area *area = heap_alloc(sizeof(*area));
    if (area == NULL)
        return NULL;
    *area = *like;
    area->mm = mm;
    tree_node_init(&area->node);
    list_init(&area->mapping);
    if (area->file != NULL)
        (void)file_get(area->file);
    if (area->memory != NULL)
        (void)memory_get(area->memory);
    return area;
}

static void area_release(struct area *area)
{
    if (area->file != NULL)
        file_put(area->file);
    memory_put(area->memory);
    heap_free(area);
}

void area_insert(struct area *area)
{
    tree_insert(&area->mm->areas, &area->node, area_before);
    area->mm->area_count++;
    area_count_bytes(area, area->end - area->start, true);
    mapping_link(area);
}

void area_free(struct area *area)
{
    if (tree_linked(&area->node)) {
        mapping_unlink(area);
        tree_remove(&area->mm->areas, &area->node);
        area->mm->area_count--;
        area_count_bytes(area, area->end - area->start, false);
    }
    area_release(area);
}

int area_split(struct mm *mm, uint64_t at)
{
    struct area *lower = mm_find(mm, at);
    if (lower == NULL || lower->start == at)
        return 0;
    struct area *upper = area_create(mm, lower);
    if (upper == NULL)
        return -ENOMEM;
    upper->offset += at - lower->start;
    upper->start = at;
    area_count_bytes(upper, upper->end - at, false); /* inserting counts it once more */
    /* In this order: a truncation in between finds every page in one of the two. */
    area_insert(upper);
    set_bounds(lower, lower->start, at);
    return 0;
}

static bool areas_alike(const struct area *a, const struct area *b)
{
    bool row =
        a->file == NULL && a->memory == NULL ? true : a->offset + (a->end - a->start) == b->offset;
    return a->end == b->start && a->protection == b->protection && a->flags == b->flags &&
           a->file == b->file && a->memory == b->memory && row && a->own == b->own &&
           a->copied == b->copied && a->locked == b->locked && a->dont_fork == b->dont_fork &&
           a->wipe_on_fork == b->wipe_on_fork && a->fixed_rights == b->fixed_rights;
}

/* The second goes; the first reaches to its end, before: a truncation in between finds every page
 * in one of the two. */
static void areas_join(struct area *first, struct area *second)
{
    set_bounds(first, first->start, second->end);
    mapping_unlink(second);
    tree_remove(&second->mm->areas, &second->node);
    second->mm->area_count--;
    area_release(second);
}

struct area *area_merge(struct area *area)
{
    struct area *next = area_next(area);
    if (next != NULL && areas_alike(area, next))
        areas_join(area, next);
    struct area *previous = area_previous(area);
    if (previous == NULL || !areas_alike(previous, area))
        return area;
    areas_join(previous, area);
    return previous;
}

/* ---- Books ---- */

void area_count_bytes(const struct area *area, uint64_t size_bytes, bool more)
{
    struct mm *mm = area->mm;
    uint64_t change = more ? size_bytes : -size_bytes;
    mm->total_bytes += change;
    if (area->locked)
        mm->locked_bytes += change;
    if ((area->flags & MAP_GROWSDOWN) != 0)
        mm->stack_bytes += change;
    else if (!area_shared(area) && (area->protection & PROT_WRITE) != 0)
        mm->data_bytes += change;
    if (area->file != NULL && (area->protection & (PROT_EXEC | PROT_WRITE)) == PROT_EXEC)
        mm->executable_bytes += change;
    mm->peak_bytes = MAX(mm->peak_bytes, mm->total_bytes);
}

uint64_t areas_bytes(struct mm *mm, uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;
    for (struct area *area = mm_find_above(mm, start); area != NULL && area->start < end;
         area = area_next(area))
        bytes += MIN(end, area->end) - MAX(start, area->start);
    return bytes;
}

bool areas_cover(struct mm *mm, uint64_t start, uint64_t end)
{
    return areas_bytes(mm, start, end) == end - start;
}

bool space_free(struct mm *mm, uint64_t start, uint64_t end)
{
    const struct area *area = mm_find_above(mm, start);
    return area == NULL || area->start >= end;
}

/* A page stays free below what grows down. */
static uint64_t guarded_start(const struct area *area)
{
    enum { GUARD_BYTES = 256 * MACHINE_PAGE };
    if ((area->flags & MAP_GROWSDOWN) == 0)
        return area->start;
    return area->start > GUARD_BYTES ? area->start - GUARD_BYTES : 0;
}

uint64_t space_find(struct mm *mm, uint64_t size_bytes, uint64_t lowest, uint64_t top)
{
    uint64_t below = top - 1;
    struct area *area = area_of(tree_floor(&mm->areas, area_compare, &below));
    if (area != NULL && area->end > top)
        top = guarded_start(area);
    for (; area != NULL && top >= lowest; area = area_previous(area)) {
        uint64_t end = MAX(area->end, lowest);
        if (end <= top && top - end >= size_bytes)
            return top - size_bytes;
        top = MIN(top, guarded_start(area));
    }
    return top >= lowest && top - lowest >= size_bytes ? top - size_bytes : 0;
}

/* A copy of an address space, and files that get shorter. */
#include "mm_impl.h"
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/node.h>

static uint64_t truncations; /* atomic */

static void copy_words(struct mm *mm, const struct mm *source)
{
    struct tree areas = mm->areas;
    struct memory *anonymous = mm->anonymous;
    *mm = *source;
    mm->references = 1;
    mm->serial = mm_serial_next();
    mm->lock = (struct rt_lock){ 0 };
    mm->areas = areas;
    mm->area_count = 0;
    mm->space = NULL;
    mm->anonymous = anonymous;
    mm->lock_future = false;
    mm->total_bytes = mm->locked_bytes = mm->data_bytes = 0;
    mm->stack_bytes = mm->executable_bytes = 0;
    if (mm->executable != NULL)
        (void)file_get(mm->executable);
}

/* Locks are not inherited. */
static int copy_areas(struct mm *mm, const struct mm *source)
{
    for (struct area *area = area_of(tree_first(&source->areas)); area != NULL;
         area = area_next(area)) {
        struct area *copy = area_create(mm, area);
        if (copy == NULL)
            return -ENOMEM;
        copy->copied = copy->own;
        copy->locked = false;
        area_insert(copy);
    }
    return 0;
}

/* madvise may have said that the child is not to have something. */
static int drop_areas(struct mm *mm)
{
    int error = 0;
    for (struct area *area = area_of(tree_first(&mm->areas)); error == 0 && area != NULL;) {
        struct area *next = area_next(area);
        if (area->dont_fork) {
            error = unmap_locked(mm, area->start, area->end);
        } else if (area->wipe_on_fork) {
            area->copied = false;
            error = area_show(area, area->start, area->end);
        }
        area = next;
    }
    return error;
}

/* A file got shorter while it was copied: the copy may show pages that are gone. It has run nothing
 * yet, so it can begin again with what is there now. */
static int show_files_again(struct mm *mm)
{
    int error = 0;
    for (struct area *area = area_of(tree_first(&mm->areas)); error == 0 && area != NULL;
         area = area_next(area)) {
        if (!area_shows_file(area))
            continue;
        error = guest_space_unmap(mm->space, area->start, area->end - area->start);
        if (error == 0)
            error = area_show_file(area, area->start, area->end, SHOW_RUNS);
    }
    __atomic_store_n(&mm->lazy, true, __ATOMIC_RELAXED);
    return error;
}

static int fork_locked(struct mm *mm, struct mm *source)
{
    uint64_t before = __atomic_load_n(&truncations, __ATOMIC_SEQ_CST);
    copy_words(mm, source);
    int error = guest_space_create(&mm->space);
    if (error == 0)
        error = copy_areas(mm, source);
    if (error == 0)
        error = guest_space_fork_into(source->space, mm->space);
    if (error == 0)
        error = drop_areas(mm);
    if (error == 0 && before != __atomic_load_n(&truncations, __ATOMIC_SEQ_CST))
        error = show_files_again(mm);
    return error;
}

int mm_fork(struct mm *source, struct mm **mm_out)
{
    struct mm *mm = heap_alloc(sizeof(*mm));
    if (mm == NULL)
        return -ENOMEM;
    tree_init(&mm->areas);
    mm->references = 1;
    int error = memory_allocate(GUEST_END, &mm->anonymous);
    if (error == 0) {
        rt_lock(&source->lock);
        error = fork_locked(mm, source);
        rt_unlock(&source->lock);
    }
    if (error != 0)
        mm_put(mm);
    else
        *mm_out = mm;
    return error;
}

/* ---- Truncation ---- */

static void truncate_area(const struct area *area, uint64_t size_bytes)
{
    uint64_t end = area->offset + (area->end - area->start);
    uint64_t from = MAX(page_up(size_bytes), area->offset);
    if (from >= end)
        return;
    uint64_t at = area->start + (from - area->offset);
    if (guest_space_unmap(area->mm->space, at, area->end - at) != 0)
        machine_panic("pages of a file cannot be taken away");
}

/* Areas of all processes that show the file. Whoever maps pages of it meanwhile waits for the lock,
 * and finds the file as it is now; a fork under way looks at the count. */
void mm_truncate(struct node *node, uint64_t size_bytes)
{
    struct rt_lock *lock = mapping_lock(node);
    rt_lock(lock);
    (void)__atomic_add_fetch(&truncations, 1, __ATOMIC_SEQ_CST);
    LIST_FOR_EACH(link, &node->mappings)
    {
        struct area *area = CONTAINER_OF(link, struct area, mapping);
        __atomic_store_n(&area->mm->lazy, true, __ATOMIC_RELAXED);
        truncate_area(area, size_bytes);
    }
    rt_unlock(lock);
}

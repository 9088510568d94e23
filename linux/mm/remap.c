/* mremap(2). */
#include "mm_impl.h"
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/heap.h>
#include <linux/task.h>

struct remap {
    struct mm *mm;
    uint64_t old, old_bytes, new_bytes;
    uint32_t flags;
    uint64_t fixed;
};

static bool all_zero(const uint64_t *words)
{
    for (unsigned i = 0; i < MACHINE_PAGE / sizeof(*words); i++) {
        if (words[i] != 0)
            return false;
    }
    return true;
}

/* Own pages: what is there goes over page by page; pages of zeroes need not be made. The caller is
 * attached to the address space. */
static int copy_pages(uint64_t from, uint64_t to, uint64_t size_bytes)
{
    uint64_t *page = heap_alloc(MACHINE_PAGE);
    const uint32_t *ends = &task_self()->exit_pending;
    int error = page == NULL ? -ENOMEM : 0;
    for (uint64_t done = 0; error == 0 && done < size_bytes; done += MACHINE_PAGE) {
        if (__atomic_load_n(ends, __ATOMIC_RELAXED) != 0)
            error = -EINTR; /* there may be very many */
        else if (guest_copy_in(page, from + done, MACHINE_PAGE) != 0 ||
                 (!all_zero(page) && guest_copy_out(to + done, page, MACHINE_PAGE) != 0))
            error = -ENOMEM;
    }
    heap_free(page);
    return error;
}

/* With both reachable for the time of it. */
static int move_pages(struct mm *mm, const struct area *from, uint64_t old, uint64_t to,
                      uint64_t size_bytes)
{
    struct area *area = mm_find(mm, to);
    int error = guest_space_protect(mm->space, old, size_bytes, MACHINE_READ);
    if (error == 0)
        error = guest_space_protect(mm->space, to, size_bytes, MACHINE_READ | MACHINE_WRITE);
    if (error == 0)
        error = copy_pages(old, to, size_bytes);
    int second = guest_space_protect(mm->space, to, size_bytes, access_of_area(area, false));
    error = error != 0 ? error : second;
    if (error != 0)
        (void)guest_space_protect(mm->space, old, size_bytes, access_of_area(from, false));
    return error;
}

/* The file's offsets stay numbers that lseek has, too. */
static bool offsets_ok(const struct area *like, uint64_t size_bytes)
{
    return like->file == NULL || (like->offset <= INT64_MAX - size_bytes);
}

/* To another place. The old one goes, or (a size of 0, of shared memory) stays. */
static int64_t move(const struct remap *remap, struct area *area)
{
    struct mm *mm = remap->mm;
    uint64_t moved = MIN(remap->old_bytes, remap->new_bytes);
    struct area like = *area;
    like.offset += remap->old - area->start;
    if (area->file == NULL && area->memory == NULL)
        like.offset = 0;
    like.copied = false;
    if (!offsets_ok(&like, remap->new_bytes))
        return -EINVAL;
    bool fixed = (remap->flags & MREMAP_FIXED) != 0;
    int64_t at = map_locked(mm, remap->fixed, remap->new_bytes, &like, fixed ? MAP_FIXED : 0);
    if (at < 0)
        return at;
    area = mm_find(mm, remap->old);
    int error = 0;
    if (area->own)
        error = move_pages(mm, area, remap->old, (uint64_t)at, moved);
    if (error != 0) {
        (void)unmap_locked(mm, (uint64_t)at, (uint64_t)at + remap->new_bytes);
        return error;
    }
    if (remap->old_bytes != 0)
        error = unmap_locked(mm, remap->old, remap->old + remap->old_bytes);
    return error != 0 ? error : at;
}

/* The areas of the range are one to the program: pieces of anonymous memory differ only in where
 * their pages lie. The last of them; NULL: it is no one thing. */
static struct area *last_area(const struct remap *remap, struct area *area)
{
    uint64_t end = remap->old + remap->old_bytes;
    while (area->end < end) {
        struct area *next = area_next(area);
        if (next == NULL || next->start != area->end || !area->own || !next->own ||
            area->file != NULL || next->file != NULL || next->protection != area->protection ||
            next->flags != area->flags)
            return NULL;
        area = next;
    }
    return area;
}

/* It may get longer where it is: `area` is its end. */
static bool can_grow(const struct remap *remap, const struct area *area)
{
    uint64_t end = remap->old + remap->old_bytes;
    uint64_t more = remap->new_bytes - remap->old_bytes;
    return (remap->flags & MREMAP_FIXED) == 0 && remap->old_bytes != 0 && area->end == end &&
           range_ok(end, more) && space_free(remap->mm, end, end + more) &&
           (area->memory == NULL ||
            area->offset + (end - area->start) + more <= area->memory->size_bytes);
}

static int64_t grow(const struct remap *remap, const struct area *area)
{
    struct area like = *area;
    uint64_t end = area->end;
    like.copied = false;
    if (area->file != NULL || area->memory != NULL)
        like.offset += end - area->start;
    if (!offsets_ok(&like, remap->new_bytes - remap->old_bytes))
        return -EINVAL;
    int64_t at = map_locked(remap->mm, end, remap->new_bytes - remap->old_bytes, &like, MAP_FIXED);
    return at < 0 ? at : (int64_t)remap->old;
}

static int64_t resize(const struct remap *remap)
{
    struct mm *mm = remap->mm;
    uint64_t end = remap->old + remap->old_bytes;
    struct area *area = mm_find(mm, remap->old);
    bool duplicate = remap->old_bytes == 0;
    struct area *last = area == NULL ? NULL : last_area(remap, area);
    if (last == NULL)
        return -EFAULT;
    if (duplicate && !area_shared(area))
        return -EINVAL;
    bool fixed = (remap->flags & MREMAP_FIXED) != 0;
    if (remap->new_bytes <= remap->old_bytes && !fixed) {
        int error = 0;
        if (remap->new_bytes < remap->old_bytes)
            error = unmap_locked(mm, remap->old + remap->new_bytes, end);
        return error != 0 ? error : (int64_t)remap->old;
    }
    if (can_grow(remap, last))
        return grow(remap, last);
    if ((remap->flags & MREMAP_MAYMOVE) == 0)
        return -ENOMEM;
    return move(remap, area);
}

static int check(struct remap *remap)
{
    if ((remap->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) != 0 ||
        ((remap->flags & MREMAP_FIXED) != 0 && (remap->flags & MREMAP_MAYMOVE) == 0) ||
        remap->old % MACHINE_PAGE != 0 || remap->new_bytes == 0)
        return -EINVAL;
    if (remap->old_bytes > GUEST_END || remap->new_bytes > GUEST_END)
        return remap->new_bytes > GUEST_END ? -ENOMEM : -EINVAL;
    remap->old_bytes = page_up(remap->old_bytes);
    remap->new_bytes = page_up(remap->new_bytes);
    if (remap->old > GUEST_END || remap->old_bytes > GUEST_END - remap->old)
        return -EFAULT;
    if ((remap->flags & MREMAP_FIXED) == 0)
        return 0;
    if (!range_ok(remap->fixed, remap->new_bytes) ||
        (remap->fixed < remap->old + remap->old_bytes &&
         remap->old < remap->fixed + remap->new_bytes))
        return -EINVAL;
    return 0;
}

int64_t linux_mremap(uaddr_t old, uint64_t old_bytes, uint64_t new_bytes, uint32_t flags,
                     uaddr_t fixed)
{
    struct remap remap = {
        .mm = task_self()->mm,
        .old = old,
        .old_bytes = old_bytes,
        .new_bytes = new_bytes,
        .flags = flags,
        .fixed = (flags & MREMAP_FIXED) != 0 ? fixed : 0,
    };
    int error = check(&remap);
    if (error != 0)
        return error;
    rt_lock(&remap.mm->lock);
    int64_t at = resize(&remap);
    rt_unlock(&remap.mm->lock);
    return at;
}

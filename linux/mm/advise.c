/* madvise(2), msync(2), mincore(2), and locking in memory, where nothing is ever taken away. */
#include "mm_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/task.h>

/* ---- madvise ---- */

/* Pages of its own become zero again, or the file's; those of others stay. */
static int give_back(struct area *area, uint64_t start, uint64_t end)
{
    struct mm *mm = area->mm;
    if (!area->own || area->locked)
        return area->locked ? -EINVAL : 0;
    if (area->file == NULL && !area->copied) {
        mm_clear(mm, start, end);
        return 0;
    }
    int error = area_split(mm, start);
    if (error == 0)
        error = area_split(mm, end);
    if (error != 0)
        return error;
    area = mm_find(mm, start);
    struct area like = *area;
    bool file = area->file != NULL;
    if (file)
        (void)file_get(like.file);
    like.copied = false;
    like.own = !file;
    int64_t at = map_locked(mm, start, end - start, &like, MAP_FIXED);
    if (file)
        file_put(like.file);
    return at < 0 ? (int)at : 0;
}

static int set_fork_flag(struct area *area, int advice)
{
    if (advice == MADV_DONTFORK || advice == MADV_DOFORK)
        area->dont_fork = advice == MADV_DONTFORK;
    else if (!area->own || area->file != NULL)
        return -EINVAL;
    else
        area->wipe_on_fork = advice == MADV_WIPEONFORK;
    return 0;
}

static int fork_advice(struct mm *mm, uint64_t start, uint64_t end, int advice)
{
    int error = area_split(mm, start);
    if (error == 0)
        error = area_split(mm, end);
    for (struct area *area = mm_find_above(mm, start);
         error == 0 && area != NULL && area->start < end; area = area_next(area))
        error = set_fork_flag(area, advice);
    return error;
}

static int give_back_range(struct mm *mm, uint64_t start, uint64_t end)
{
    int error = 0;
    for (uint64_t at = start; error == 0 && at < end;) {
        struct area *area = mm_find_above(mm, at);
        if (area == NULL || area->start >= end)
            break;
        at = MAX(at, area->start);
        uint64_t stop = MIN(end, area->end);
        error = give_back(area, at, stop);
        at = stop;
    }
    return error;
}

/* What only says what is likely changes nothing here. */
static bool is_hint(int advice)
{
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_COLLAPSE:
        return true;
    default:
        return false;
    }
}

static bool is_known(int advice)
{
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
        return true;
    default:
        return is_hint(advice);
    }
}

static int advise_locked(struct mm *mm, uint64_t start, uint64_t end, int advice)
{
    bool covered = areas_cover(mm, start, end);
    int error = 0;
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_FREE: /* at once */
        error = give_back_range(mm, start, end);
        break;
    case MADV_DONTFORK:
    case MADV_DOFORK:
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
        error = fork_advice(mm, start, end, advice);
        break;
    default: /* a hint */
        break;
    }
    return error == 0 && !covered ? -ENOMEM : error;
}

int64_t linux_madvise(uaddr_t address, uint64_t size_bytes, int advice)
{
    struct mm *mm = task_self()->mm;
    if (address % MACHINE_PAGE != 0 || size_bytes > GUEST_END)
        return -EINVAL;
    if (!is_known(advice))
        return -EINVAL;
    if (size_bytes == 0)
        return 0;
    if (!range_ok(address, page_up(size_bytes)))
        return -ENOMEM;
    rt_lock(&mm->lock);
    int error = advise_locked(mm, address, address + page_up(size_bytes), advice);
    rt_unlock(&mm->lock);
    return error;
}

/* ---- msync, mincore ---- */

/* 0 if all of it is mapped, else -ENOMEM; for calls that look at no more. */
static int check_covered(uint64_t address, uint64_t size_bytes)
{
    struct mm *mm = task_self()->mm;
    if (size_bytes == 0)
        return 0;
    if (size_bytes > GUEST_END || !range_ok(address, page_up(size_bytes)))
        return -ENOMEM;
    rt_lock(&mm->lock);
    bool all = areas_cover(mm, address, address + page_up(size_bytes));
    rt_unlock(&mm->lock);
    return all ? 0 : -ENOMEM;
}

/* A mapping shows the file's own pages, so there is nothing to write back. */
int64_t linux_msync(uaddr_t address, uint64_t size_bytes, int flags)
{
    uint32_t bits = (uint32_t)flags;
    if (address % MACHINE_PAGE != 0 || (bits & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) != 0 ||
        (bits & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    return check_covered(address, size_bytes);
}

int64_t linux_mincore(uaddr_t address, uint64_t size_bytes, uaddr_t vector)
{
    unsigned char ones[256];
    if (address % MACHINE_PAGE != 0)
        return -EINVAL;
    int error = check_covered(address, size_bytes);
    memset(ones, 1, sizeof(ones));
    uint64_t pages = error == 0 ? page_up(size_bytes) / MACHINE_PAGE : 0;
    while (error == 0 && pages > 0) {
        if (__atomic_load_n(&task_self()->exit_pending, __ATOMIC_RELAXED) != 0)
            return -EINTR; /* there may be very many */
        uint64_t part = MIN(pages, (uint64_t)sizeof(ones));
        error = copy_out(vector, ones, part);
        vector += part;
        pages -= part;
    }
    return error;
}

/* ---- Locking ---- */

static int may_lock(const struct mm *mm, uint64_t size_bytes)
{
    uint64_t limit = resource_limit(RLIMIT_MEMLOCK);
    if (capable(CAP_IPC_LOCK))
        return 0;
    if (limit == 0)
        return -EPERM;
    return size_bytes > limit || mm->locked_bytes > limit - size_bytes ? -ENOMEM : 0;
}

static void set_locked(struct area *area, bool locked)
{
    uint64_t size_bytes = area->end - area->start;
    area_count_bytes(area, size_bytes, false);
    area->locked = locked;
    area_count_bytes(area, size_bytes, true);
}

static int lock_range(struct mm *mm, uint64_t start, uint64_t end, bool locked)
{
    int error = areas_cover(mm, start, end) ? 0 : -ENOMEM;
    if (error == 0 && locked)
        error = may_lock(mm, end - start);
    if (error == 0)
        error = area_split(mm, start);
    if (error == 0)
        error = area_split(mm, end);
    for (struct area *area = mm_find_above(mm, start);
         error == 0 && area != NULL && area->start < end; area = area_next(area))
        set_locked(area, locked);
    return error;
}

static int64_t lock_call(uint64_t address, uint64_t size_bytes, bool locked)
{
    struct mm *mm = task_self()->mm;
    uint64_t start = page_down(address);
    uint64_t end;
    if (__builtin_add_overflow(address, size_bytes, &end))
        return -EINVAL;
    if (size_bytes == 0)
        return 0;
    if (end > GUEST_END)
        return -ENOMEM;
    rt_lock(&mm->lock);
    int error = lock_range(mm, start, page_up(end), locked);
    rt_unlock(&mm->lock);
    return error;
}

int64_t linux_mlock(uaddr_t address, uint64_t size_bytes)
{
    return lock_call(address, size_bytes, true);
}

int64_t linux_mlock2(uaddr_t address, uint64_t size_bytes, uint32_t flags)
{
    return (flags & ~MLOCK_ONFAULT) != 0 ? -EINVAL : lock_call(address, size_bytes, true);
}

int64_t linux_munlock(uaddr_t address, uint64_t size_bytes)
{
    return lock_call(address, size_bytes, false);
}

static int64_t lock_all(bool current, bool future, bool locked)
{
    struct mm *mm = task_self()->mm;
    rt_lock(&mm->lock);
    int error = locked && current ? may_lock(mm, mm->total_bytes - mm->locked_bytes) : 0;
    if (error == 0)
        mm->lock_future = future;
    for (struct area *area = mm_find_above(mm, 0); error == 0 && current && area != NULL;
         area = area_next(area))
        set_locked(area, locked);
    rt_unlock(&mm->lock);
    return error;
}

int64_t linux_mlockall(uint32_t flags)
{
    if (flags == 0 || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) != 0 ||
        flags == MCL_ONFAULT)
        return -EINVAL;
    if (resource_limit(RLIMIT_MEMLOCK) == 0 && !capable(CAP_IPC_LOCK))
        return -EPERM;
    return lock_all((flags & MCL_CURRENT) != 0, (flags & MCL_FUTURE) != 0, true);
}

int64_t linux_munlockall(void)
{
    return lock_all(true, false, false);
}

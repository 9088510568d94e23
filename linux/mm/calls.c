/* mmap(2), munmap(2), mprotect(2), brk(2). */
#include "mm_impl.h"
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/task.h>

int64_t linux_mmap(uaddr_t address, uint64_t size_bytes, uint32_t protection, uint32_t flags,
                   int fd, uint64_t offset)
{
    struct mm *mm = task_self()->mm;
    struct mm_request request = {
        .address = address,
        .size_bytes = size_bytes,
        .protection = protection,
        .flags = flags,
    };
    if ((flags & MAP_HUGETLB) != 0)
        return -ENOMEM; /* there is no pool of huge pages */
    if ((flags & MAP_ANONYMOUS) != 0)
        return mm_map(mm, &request);
    request.offset = offset;
    request.file = fd_get(fd);
    if (request.file == NULL)
        return -EBADF;
    int64_t at = mm_map(mm, &request);
    file_put(request.file);
    return at;
}

int64_t linux_munmap(uaddr_t address, uint64_t size_bytes)
{
    return mm_unmap(task_self()->mm, address, size_bytes);
}

int64_t linux_mprotect(uaddr_t address, uint64_t size_bytes, uint32_t protection)
{
    return mm_protect(task_self()->mm, address, size_bytes, protection);
}

static int set_brk(struct mm *mm, uint64_t brk)
{
    const struct area like = { .protection = PROT_READ | PROT_WRITE,
                               .flags = MAP_PRIVATE,
                               .own = true };
    uint64_t old = page_up(mm->brk);
    uint64_t new = page_up(brk);
    if (brk < mm->brk_start || brk > mm->mmap_top ||
        brk - mm->brk_start > resource_limit(RLIMIT_DATA))
        return -ENOMEM;
    int64_t error = 0;
    if (new > old)
        error = space_free(mm, old, new + MACHINE_PAGE)
                    ? map_locked(mm, old, new - old, &like, MAP_FIXED)
                    : -ENOMEM;
    else if (new < old)
        error = unmap_locked(mm, new, old);
    if (error < 0)
        return (int)error;
    mm->brk = brk;
    return 0;
}

/* The break as it is then: where that is not what was asked, nothing has changed. */
int64_t linux_brk(uaddr_t brk)
{
    struct mm *mm = task_self()->mm;
    rt_lock(&mm->lock);
    (void)set_brk(mm, brk);
    int64_t now = (int64_t)mm->brk;
    rt_unlock(&mm->lock);
    return now;
}

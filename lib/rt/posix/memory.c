/* Private memory for malloc and for stacks. There is nothing else to map: files do not exist, and
 * Memory objects are mapped with rt/space.h.
 */
#include <base/compiler.h>
#include <errno.h>
#include <rt/space.h>
#include <rt/syscall.h>
#include <sys/mman.h>

#include "posix.h"

static bool access_of(int protection, uint32_t *access_out)
{
    *access_out = ((protection & PROT_READ) != 0 ? ACCESS_READ : 0) |
                  ((protection & PROT_WRITE) != 0 ? ACCESS_READ | ACCESS_WRITE : 0);
    return (protection & ~(PROT_READ | PROT_WRITE)) == 0; /* no code is made at run time */
}

/* Sums that overflow become 0, which nothing accepts. */
static uint64_t whole_pages(size_t size_bytes)
{
    return ALIGN_UP((uint64_t)size_bytes, SPACE_PAGE);
}

long posix_mmap(uintptr_t at, size_t size_bytes, int protection, int flags, int descriptor)
{
    uint32_t access;
    void *start;
    if (at != 0 && (flags & MAP_FIXED) != 0)
        return -ENOSYS;
    if ((flags & MAP_ANONYMOUS) == 0)
        return descriptor < 0 ? -EBADF : -ENOSYS;
    if (!access_of(protection, &access))
        return -EACCES;
    enum status status = space_reserve(whole_pages(size_bytes), &start);
    if (status != OK)
        return posix_errno(status);
    if (access != 0)
        status = space_allow(start, whole_pages(size_bytes), access);
    if (status != OK)
        (void)space_release(start, whole_pages(size_bytes));
    return status == OK ? (long)(uintptr_t)start : posix_errno(status);
}

long posix_munmap(uintptr_t at, size_t size_bytes)
{
    return posix_errno(space_release((void *)at, whole_pages(size_bytes)));
}

long posix_mprotect(uintptr_t at, size_t size_bytes, int protection)
{
    uint32_t access;
    if (!access_of(protection, &access))
        return -EACCES;
    return posix_errno(space_allow((void *)at, whole_pages(size_bytes), access));
}

/* MADV_FREE allows to give the pages back, and asks for nothing. */
long posix_memory_advise(uintptr_t at, size_t size_bytes, int advice)
{
    if (advice == MADV_FREE)
        return 0;
    if (advice != MADV_DONTNEED)
        return -EINVAL;
    return posix_errno(space_clear((void *)at, whole_pages(size_bytes)));
}

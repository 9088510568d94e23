/* Copies to and from user space. */
#include <arch/uaccess.h>
#include <kernel/uaccess.h>

enum status copy_from_user(void *to, uaddr_t from, size_t size_bytes)
{
    if (!uaddr_range_ok(from, size_bytes))
        return ERR_FAULT;
    return arch_copy_from_user(to, from, size_bytes) == 0 ? OK : ERR_FAULT;
}

enum status copy_to_user(uaddr_t to, const void *from, size_t size_bytes)
{
    if (!uaddr_range_ok(to, size_bytes))
        return ERR_FAULT;
    return arch_copy_to_user(to, from, size_bytes) == 0 ? OK : ERR_FAULT;
}

/* What the creator gave, by the names of the start-up block. */
#include <linux/abi/errno.h>
#include <rt/ipc.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "native_impl.h"

uint64_t machine_given(const char *name)
{
    return rt_handle(name);
}

int machine_given_memory(const char *name, uint64_t size_bytes, struct memory **memory_out)
{
    uint64_t handle = rt_handle(name);
    if (handle == 0)
        return -ENOENT;
    return memory_adopt(handle, size_bytes, memory_out);
}

void machine_signal(uint64_t notification, uint64_t bits)
{
    (void)notification_signal(notification, bits);
}

uint64_t machine_wait_signal(uint64_t notification, uint64_t deadline_ns)
{
    uint64_t bits = 0;
    enum status status = notification_wait(notification, UINT64_MAX, deadline_ns, &bits);
    if (status != OK && status != ERR_TIMED_OUT && status != ERR_CANCELLED)
        machine_panic("linux: the creator is gone");
    return bits;
}

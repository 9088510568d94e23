#include <rt/address.h>
#include <rt/startup.h>
#include <rt/syscall.h>

enum status rt_address_wait(uint32_t *address, uint32_t expected, uint64_t deadline_ns)
{
    return address_wait(rt_process(), (uint64_t)(uintptr_t)address, expected, deadline_ns);
}

void rt_address_wake(uint32_t *address, uint32_t count)
{
    uint64_t woken;
    (void)address_wake(rt_process(), (uint64_t)(uintptr_t)address, count, &woken);
}

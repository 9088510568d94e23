#include <base/compiler.h>
#include <rt/address.h>
#include <rt/clock.h>
#include <rt/syscall.h>

enum status rt_address_wait(uint32_t *address, uint32_t expected, uint64_t deadline_ns)
{
    if (READ_ONCE(*address) != expected)
        return ERR_WOULD_BLOCK;
    thread_yield(0);
    return deadline_ns != DEADLINE_NEVER && clock_now_ns() >= deadline_ns ? ERR_TIMED_OUT : OK;
}

void rt_address_wake(uint32_t *address, uint32_t count)
{
    (void)address;
    (void)count;
}

#pragma once

#include <stdint.h>

#define VDSO_NAME(name) __vdso_##name
enum { VDSO_CLOCK_GETTIME = 228, VDSO_CLOCK_GETRES = 229 };

/* The fence keeps the reading after what came before it. */
static inline uint64_t vdso_counter(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline int64_t vdso_call(uint64_t number, uint64_t first, uint64_t second)
{
    int64_t result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second)
                     : "rcx", "r11", "memory");
    return result;
}

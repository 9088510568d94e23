#pragma once

#include <stdint.h>

#define VDSO_NAME(name) __kernel_##name
enum { VDSO_CLOCK_GETTIME = 113, VDSO_CLOCK_GETRES = 114 };

/* The barrier keeps the reading after what came before it. */
static inline uint64_t vdso_counter(void)
{
    uint64_t count;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count) : : "memory");
    return count;
}

static inline int64_t vdso_call(uint64_t number, uint64_t first, uint64_t second)
{
    register uint64_t x8 __asm__("x8") = number;
    register uint64_t x0 __asm__("x0") = first;
    register uint64_t x1 __asm__("x1") = second;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
    return (int64_t)x0;
}

/* The few instructions that user programs need. */
#pragma once

#include <stdint.h>

/* The kernel's counter. The fence keeps the reading after what came before it. */
static inline uint64_t rt_cpu_counter(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void rt_cpu_relax(void)
{
    __asm__ volatile("pause");
}

static inline void rt_cpu_set_thread_pointer(uint64_t pointer)
{
    __asm__ volatile("wrfsbase %0" : : "r"(pointer) : "memory");
}

/* End here, loudly. */
static inline __attribute__((noreturn)) void rt_cpu_trap(void)
{
    __builtin_trap();
}

/* The few instructions that user programs need. */
#pragma once

#include <stdint.h>

/* The kernel's counter. The barrier keeps the reading after what came before it. */
static inline uint64_t rt_cpu_counter(void)
{
    uint64_t count;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count) : : "memory");
    return count;
}

static inline void rt_cpu_relax(void)
{
    __asm__ volatile("yield");
}

static inline void rt_cpu_set_thread_pointer(uint64_t pointer)
{
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(pointer) : "memory");
}

/* End here, loudly. */
static inline __attribute__((noreturn)) void rt_cpu_trap(void)
{
    __builtin_trap();
}

/* The few instructions that user programs need. */
#pragma once

#include <stdbool.h>
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

/* A random word from the CPU, where the System object says that it has a source; false if it has
 * none to give at the moment. The register is RNDR.
 */
static inline bool rt_cpu_random(uint64_t *word_out)
{
    for (unsigned i = 0; i < 10; i++) {
        uint64_t word;
        uint64_t good;
        __asm__ volatile("mrs %0, s3_3_c2_c4_0\n\tcset %1, ne" : "=r"(word), "=r"(good) : : "cc");
        if (good != 0) {
            *word_out = word;
            return true;
        }
    }
    return false;
}

/* End here, loudly. */
static inline __attribute__((noreturn)) void rt_cpu_trap(void)
{
    __builtin_trap();
}

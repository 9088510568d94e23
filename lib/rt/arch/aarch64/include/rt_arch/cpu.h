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

/* The last steps of a thread, whose stack belongs to another as soon as *word is 0: clear it, make
 * the system call `wake` for it, and `end`.
 */
static inline __attribute__((noreturn)) void rt_cpu_leave(volatile int *word, uint64_t process,
                                                          uint64_t wake, uint64_t end)
{
    register uint64_t number __asm__("x8") = wake;
    register uint64_t first __asm__("x0") = process;
    register volatile int *second __asm__("x1") = word;
    register uint64_t third __asm__("x2") = INT32_MAX;
    register uint64_t last __asm__("x19") = end;
    __asm__ volatile("stlr wzr, [x1]\n\t"
                     "svc #0\n\t"
                     "mov x8, x19\n\t"
                     "svc #0\n\t"
                     "udf #0"
                     :
                     : "r"(number), "r"(first), "r"(second), "r"(third), "r"(last)
                     : "memory");
    __builtin_unreachable();
}

/* Go on in `function`, which does not return, on another stack. */
static inline __attribute__((noreturn)) void rt_cpu_switch_stack(void *stack,
                                                                 void (*function)(void))
{
    __asm__ volatile("mov sp, %0\n\t"
                     "mov x29, xzr\n\t"
                     "mov x30, xzr\n\t"
                     "blr %1\n\t"
                     "udf #0"
                     :
                     : "r"(stack), "r"(function)
                     : "memory");
    __builtin_unreachable();
}

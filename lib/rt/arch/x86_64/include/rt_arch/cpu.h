/* The few instructions that user programs need. */
#pragma once

#include <stdbool.h>
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

/* A random word from the CPU, where the System object says that it has a source; false if it has
 * none to give at the moment.
 */
static inline bool rt_cpu_random(uint64_t *word_out)
{
    for (unsigned i = 0; i < 10; i++) {
        uint64_t word;
        bool good;
        __asm__ volatile("rdrand %0" : "=r"(word), "=@ccc"(good));
        if (good) {
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
    __asm__ volatile("movl $0, (%%rsi)\n\t"
                     "syscall\n\t"
                     "mov %%rbx, %%rax\n\t"
                     "syscall\n\t"
                     "ud2"
                     :
                     : "a"(wake), "D"(process), "S"(word), "d"(INT32_MAX), "b"(end)
                     : "memory");
    __builtin_unreachable();
}

/* Go on in `function`, which does not return, on another stack. */
static inline __attribute__((noreturn)) void rt_cpu_switch_stack(void *stack,
                                                                 void (*function)(void))
{
    __asm__ volatile("mov %0, %%rsp\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "call *%1\n\t"
                     "ud2"
                     :
                     : "r"(stack), "r"(function)
                     : "memory");
    __builtin_unreachable();
}

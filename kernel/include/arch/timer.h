/* The clock and the one-shot timer of each CPU. */
#pragma once

#include <stdint.h>

/* Nanoseconds since boot, monotonic, the same on every CPU. */
uint64_t arch_clock_ns(void);
/* How that is computed from the counter that user mode can read: (counter - base) * ns_per_count,
 * which is 32.32 fixed point.
 */
void arch_clock_scale(uint64_t *base_out, uint64_t *ns_per_count_out);
/* Interrupt this CPU (trap_timer) at `deadline_ns` or shortly after; UINT64_MAX: not at all. A
 * deadline in the past interrupts as soon as interrupts are open.
 */
void arch_timer_set(uint64_t deadline_ns);
/* A free-running counter for benchmarks: cycles, or instructions under -icount. */
uint64_t arch_cycle_count(void);

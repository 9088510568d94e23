/* A CPU of the simulation is a structure and nothing else: arch_cpu_set_self says which one the
 * process plays from now on.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;

struct arch_cpu {
    uint64_t timer_ns;    /* as set by arch_timer_set */
    uint32_t ipi_pending; /* arch_ipi_send was called for it */
};

extern struct cpu *host_cpu;

static inline struct cpu *arch_cpu_self(void)
{
    return host_cpu;
}

static inline void arch_relax(void) {}

/* The turn of this CPU is over; with its next one it serves what interrupts it. */
void host_idle(void);

static inline void arch_idle(void)
{
    host_idle();
}

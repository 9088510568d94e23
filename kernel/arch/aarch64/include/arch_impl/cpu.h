/* Per-CPU state and the smallest pieces. TPIDR_EL1 holds this CPU's structure; SP_EL0 and
 * TPIDRRO_EL0 are scratch registers of the entry code while the kernel runs.
 */
#pragma once

#include <arch_impl/sysreg.h>

struct thread;

struct arch_cpu {
    void *overflow_stack_top;    /* [C] where an exception goes whose stack cannot take it */
    struct thread *vector_owner; /* [O] whose vector state the registers hold, or NULL */
    bool vector_on;              /* [O] the unit is on: current uses it since it was switched to */
    uint8_t gic_interface;       /* [C] GICv2: this CPU's bit in target lists */
    void *gic_redistributor;     /* [C] GICv3 */
    uint64_t asid_word;          /* [A] asid.h: what runs here, 0 after a new generation */
    uint32_t cycle_last;         /* [O] the 32-bit instruction counter as last read */
    uint64_t cycle_high;         /* [O] what it has wrapped by */
};

static inline struct cpu *arch_cpu_self(void)
{
    return (struct cpu *)SYSREG_READ(tpidr_el1);
}

/* Index + 1 of the CPU that stops all others, or 0. */
extern uint32_t arch_stop_requested;
void arch_stop_here(void);

/* A CPU that spins with interrupts masked hears of a panic here. */
static inline void arch_relax(void)
{
    __asm__ volatile("yield" : : : "memory");
    if (UNLIKELY(READ_ONCE(arch_stop_requested) != 0))
        arch_stop_here();
}

/* WFI ends on a pending interrupt although it is masked, so one that arrives before the WFI is not
 * lost; the ISB makes the CPU take it before the mask closes again. SError stays open to be seen.
 */
static inline void arch_idle(void)
{
    __asm__ volatile("dsb sy\n\t"
                     "wfi\n\t"
                     "msr daifclr, #6\n\t" /* A and I */
                     "isb\n\t"
                     "msr daifset, #6"
                     :
                     :
                     : "memory");
}

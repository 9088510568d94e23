/* No vector state in the registers, and no single step. */
#pragma once

#include <arch_impl/sysreg.h>

static ALWAYS_INLINE void arch_thread_switch_quickly(struct cpu *cpu, struct thread *previous,
                                                     struct thread *next)
{
    if (UNLIKELY(cpu->arch.vector_on || previous->guest.arch.step || next->guest.arch.step)) {
        arch_thread_switch(previous, next);
        return;
    }
    DSB(ish); /* as in arch_thread_switch */
    previous->arch.tpidr = SYSREG_READ(tpidr_el0);
    SYSREG_WRITE(tpidr_el0, next->arch.tpidr);
}

static ALWAYS_INLINE void arch_vspace_activate_quickly(struct cpu *cpu, struct vspace *vspace)
{
    (void)cpu;
    arch_vspace_activate(vspace);
}

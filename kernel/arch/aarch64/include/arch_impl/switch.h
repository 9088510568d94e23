/* No vector state in the registers. Only inside of a guest a thread takes single steps. */
#pragma once

#include <arch_impl/sysreg.h>

static ALWAYS_INLINE void arch_thread_switch_quickly(struct cpu *cpu, struct thread *previous,
                                                     struct thread *next)
{
    DEBUG_ASSERT(!previous->guest.arch.step && !next->guest.arch.step);
    if (UNLIKELY(cpu->arch.vector_on)) {
        arch_thread_switch(previous, next);
        return;
    }
    DSB(ish); /* as in arch_thread_switch */
    previous->arch.tpidr = SYSREG_READ(tpidr_el0);
    SYSREG_WRITE(tpidr_el0, next->arch.tpidr);
}

/* In use here already, and with an ASID of the generation that is loaded. That one goes on while
 * its word is there: a new generation takes it away first. */
static ALWAYS_INLINE void arch_vspace_activate_quickly(struct cpu *cpu, struct vspace *vspace)
{
    uint64_t bits = READ_ONCE(vspace->active.word[cpu->index / 64]);
    uint64_t old = __atomic_load_n(&cpu->arch.asid_word, __ATOMIC_RELAXED);
    uint64_t wanted = __atomic_load_n(&vspace->arch.asid_word, __ATOMIC_ACQUIRE);

    if (UNLIKELY((bits >> cpu->index % 64 & 1) == 0 || old == 0 ||
                 (old ^ wanted) >> GENERATION_SHIFT != 0 ||
                 !__atomic_compare_exchange_n(&cpu->arch.asid_word, &old, wanted, false,
                                              __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))) {
        arch_vspace_activate(vspace);
        return;
    }
    DSB(ish); /* as in load_root */
    SYSREG_WRITE(ttbr0_el1, vspace->root.raw | wanted << TTBR_ASID_SHIFT);
    isb();
    cpu->vspace = vspace;
}

/* The exit begins with an empty stack. */
static ALWAYS_INLINE void arch_exit_quickly(void)
{
    __asm__ volatile("b user_exit" : : : "memory");
    __builtin_unreachable();
}

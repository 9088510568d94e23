/* Nothing that a common case could leave out. */
#pragma once

static ALWAYS_INLINE void arch_thread_switch_quickly(struct cpu *cpu, struct thread *previous,
                                                     struct thread *next)
{
    (void)cpu;
    arch_thread_switch(previous, next);
}

static ALWAYS_INLINE void arch_exit_quickly(void) {}

static ALWAYS_INLINE void arch_vspace_activate_quickly(struct cpu *cpu, struct vspace *vspace)
{
    (void)cpu;
    arch_vspace_activate(vspace);
}

/* No selector loaded by the user. A thread with vector state, or any without FSGSBASE, is
 * `extended`. */
#pragma once

PRESERVES_MOST void x86_thread_switch_slowly(struct thread *previous, struct thread *next);

static ALWAYS_INLINE void arch_thread_switch_quickly(struct cpu *cpu, struct thread *previous,
                                                     struct thread *next)
{
    uint32_t ds, es, fs, gs;
    __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    DEBUG_ASSERT(!cpu->arch.vector_on);
    if (UNLIKELY((ds | es | fs | gs) != 0)) {
        x86_thread_switch_slowly(previous, next);
        return;
    }
    uint64_t fs_base, gs_base;
    __asm__ volatile("rdfsbase %0\n\t"
                     "wrfsbase %2\n\t"
                     "swapgs\n\t"
                     "rdgsbase %1\n\t"
                     "wrgsbase %3\n\t"
                     "swapgs"
                     : "=&r"(fs_base), "=&r"(gs_base)
                     : "r"(next->arch.fs_base), "r"(next->arch.gs_base)
                     : "memory");
    previous->arch.fs_base = fs_base;
    previous->arch.gs_base = gs_base;
    cpu->arch.tss.rsp[0] = (uint64_t)(uintptr_t)(&next->frame + 1);
}

/* Without process context identifiers, and known to be in use here already: a process's, which has
 * none above it. */
static ALWAYS_INLINE void arch_vspace_activate_quickly(struct cpu *cpu, struct vspace *vspace)
{
    const struct arch_cpu *arch = &cpu->arch;
    if (UNLIKELY((READ_ONCE(vspace->active.word[arch->quick_word]) & arch->quick_bit) == 0)) {
        arch_vspace_activate(vspace);
        return;
    }
    __asm__ volatile("mov %0, %%cr3" : : "r"(vspace->root.raw) : "memory");
    cpu->vspace = vspace;
}

/* The exit begins with an empty stack. */
static ALWAYS_INLINE void arch_exit_quickly(void)
{
    __asm__ volatile("jmp x86_exit_to_user" : : : "memory");
    __builtin_unreachable();
}

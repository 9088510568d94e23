/* With FSGSBASE, no vector state on either side, and no selector loaded by the user. */
#pragma once

PRESERVES_MOST void x86_thread_switch_slowly(struct thread *previous, struct thread *next);

static ALWAYS_INLINE void arch_thread_switch_quickly(struct cpu *cpu, struct thread *previous,
                                                     struct thread *next)
{
    uint32_t ds, es, fs, gs;
    __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    if (UNLIKELY((ds | es | fs | gs) != 0 || cpu->arch.vector_on ||
                 next->arch.vector_area != NULL || !x86_features.fsgsbase)) {
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
    cpu->arch.frame = &next->frame;
    cpu->arch.tss.rsp[0] = (uint64_t)(uintptr_t)(&next->frame + 1);
}

/* Without process context identifiers, and known to be in use here already. */
static ALWAYS_INLINE void arch_vspace_activate_quickly(struct cpu *cpu, struct vspace *vspace)
{
    uint64_t active = __atomic_load_n(&vspace->active.word[cpu->index / 64], __ATOMIC_RELAXED);
    if (UNLIKELY(x86_features.pcid || vspace->upper != NULL ||
                 (active & BIT64(cpu->index % 64)) == 0)) {
        arch_vspace_activate(vspace);
        return;
    }
    __asm__ volatile("mov %0, %%cr3" : : "r"(vspace->root.raw) : "memory");
    cpu->vspace = vspace;
    cpu->inside = false;
    cpu->arch.loaded = &vspace->arch.pcid;
}

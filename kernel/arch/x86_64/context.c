/* From one thread to another: segment bases, vector state, and where entry code stores registers.
 */
#include "regs.h"
#include "x86.h"
#include <arch/switch.h>
#include <kernel/thread.h>

extern const char x86_stack_start[];

void arch_thread_init(struct thread *thread)
{
    thread->arch = (struct arch_thread){ 0 };
    thread->extended = !x86_features.fsgsbase;
}

size_t arch_thread_extra_bytes(void)
{
    return x86_vector_bytes();
}

void arch_thread_fini(struct thread *thread)
{
    x86_vector_free(thread->arch.vector_area);
    thread->arch.vector_area = NULL;
}

/* ---- Segment bases ----
 *
 * With FSGSBASE user code changes them as it likes, and they are read back. Without, it can only
 * load null or flat selectors, which change nothing that is kept. While the kernel runs, the user's
 * GS base is the one that swapgs would bring.
 */
static uint64_t read_user_gs_base(void)
{
    uint64_t base;
    __asm__ volatile("swapgs; rdgsbase %0; swapgs" : "=r"(base) : : "memory");
    return base;
}

void x86_bases_save(struct arch_thread *arch)
{
    if (!x86_features.fsgsbase)
        return;
    __asm__ volatile("rdfsbase %0" : "=r"(arch->fs_base));
    arch->gs_base = read_user_gs_base();
}

void x86_bases_load(const struct arch_thread *arch)
{
    if (!x86_features.fsgsbase) {
        wrmsr(MSR_FS_BASE, arch->fs_base);
        wrmsr(MSR_KERNEL_GS_BASE, arch->gs_base);
        return;
    }
    __asm__ volatile("wrfsbase %0\n\t"
                     "swapgs; wrgsbase %1; swapgs"
                     :
                     : "r"(arch->fs_base), "r"(arch->gs_base)
                     : "memory");
}

/* User code may have loaded selectors: they are not the next thread's business. Loading one changes
 * the base, GS's included, so this goes before x86_bases_load.
 */
void x86_selectors_reset(struct cpu *cpu)
{
    uint32_t ds, es, fs, gs;
    __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    if (LIKELY((ds | es | fs | gs) == 0))
        return;
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    wrmsr(MSR_GS_BASE, (uint64_t)(uintptr_t)cpu);
}

/* ---- The switch ---- */

static void vector_switch(struct cpu *cpu, struct thread *previous, struct thread *next)
{
    if (cpu->arch.vector_on && previous != NULL)
        x86_vector_save(previous);
    if (next != NULL && next->arch.vector_area != NULL)
        x86_vector_load(next);
    else if (cpu->arch.vector_on)
        x86_vector_close();
}

void arch_thread_switch(struct thread *previous, struct thread *next)
{
    struct cpu *cpu = cpu_self();
    if (previous != NULL)
        x86_bases_save(&previous->arch);
    vector_switch(cpu, previous, next);
    if (next == NULL)
        return;
    x86_selectors_reset(cpu);
    x86_bases_load(&next->arch);
    cpu->arch.tss.rsp[0] = (uint64_t)(uintptr_t)(&next->frame + 1);
}

PRESERVES_MOST void x86_thread_switch_slowly(struct thread *previous, struct thread *next)
{
    arch_thread_switch(previous, next);
}

/* ---- Coroutine stacks ---- */

/* What arch_stack_swap pops: six registers, then the address of x86_stack_start, which finds `main`
 * in r12 and its argument in r13.
 */
void *arch_stack_prepare(void *stack_top, void (*main)(void *argument), void *argument)
{
    uint64_t *sp = (uint64_t *)stack_top - 9;
    sp[0] = 0;                             /* r15 */
    sp[1] = 0;                             /* r14 */
    sp[2] = (uint64_t)(uintptr_t)argument; /* r13 */
    sp[3] = (uint64_t)(uintptr_t)main;     /* r12 */
    sp[4] = 0;                             /* rbx */
    sp[5] = 0;                             /* rbp: a backtrace ends here */
    sp[6] = (uint64_t)(uintptr_t)x86_stack_start;
    sp[7] = 0;
    sp[8] = 0;
    return sp;
}

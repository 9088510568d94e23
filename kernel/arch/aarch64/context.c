/* What a thread has beside its frame: thread pointer, vector state, and how kernel stacks begin.
 *
 * The vector unit is off for a thread until its first vector instruction since it was switched to.
 * That instruction traps, the registers are loaded (unless they still hold the thread's state), and
 * the unit stays on until the CPU goes to another thread, when they are saved. A thread that does
 * not use them pays nothing. What is left in the registers after a switch cannot be seen: the next
 * thread that turns the unit on gets all of them loaded with its own.
 */
#include "context_impl.h"

#include <arch/context.h>
#include <arch_impl/sysreg.h>
#include <kernel/panic.h>
#include <kernel/slab.h>
#include <kernel/thread.h>

#define CPACR_FP_ON (UINT64_C(3) << 20) /* FPEN; ZEN and SMEN stay 0: SVE and SME trap */

void vector_state_save(struct vector_state *state);
void vector_state_load(const struct vector_state *state);
void stack_begin(void);

static struct slab_cache vector_cache = SLAB_CACHE_INIT("vector", struct vector_state);

static void vector_set(struct cpu *cpu, bool on)
{
    SYSREG_WRITE(cpacr_el1, on ? CPACR_FP_ON : 0);
    isb();
    cpu->arch.vector_on = on;
}

void arch_thread_init(struct thread *thread)
{
    thread->arch = (struct arch_thread){ .vector = NULL, .vector_cpu = NULL, .tpidr = 0 };
}

size_t arch_thread_extra_bytes(void)
{
    return sizeof(struct vector_state);
}

/* A CPU's vector_owner may go on naming the dead thread: vector_cpu of whoever gets its memory does
 * not name that CPU.
 */
void arch_thread_fini(struct thread *thread)
{
    if (thread->arch.vector != NULL)
        slab_free(&vector_cache, thread->arch.vector);
    thread->arch.vector = NULL;
}

bool vector_first_use(struct thread *thread)
{
    struct cpu *cpu = cpu_self();
    struct arch_thread *arch = &thread->arch;
    if (arch->vector == NULL) {
        arch->vector = slab_alloc(&vector_cache);
        if (arch->vector == NULL)
            return false;
    }
    vector_set(cpu, true);
    if (cpu->arch.vector_owner != thread || arch->vector_cpu != cpu) {
        vector_state_load(arch->vector);
        cpu->arch.vector_owner = thread;
        arch->vector_cpu = cpu;
    }
    return true;
}

void arch_thread_switch(struct thread *previous, struct thread *next)
{
    struct cpu *cpu = cpu_self();
    if (previous != NULL) {
        /* User mode may clean caches by address. Its own DSB completes that only on the CPU that it
         * runs on, which may be another by then.
         */
        DSB(ish);
        previous->arch.tpidr = SYSREG_READ(tpidr_el0);
        if (cpu->arch.vector_on) {
            vector_state_save(previous->arch.vector);
            vector_set(cpu, false);
        }
    }
    bool steps = next != NULL && next->guest.arch.step;
    if (UNLIKELY(steps || (previous != NULL && previous->guest.arch.step)))
        guest_set_step(steps);
    if (next != NULL)
        SYSREG_WRITE(tpidr_el0, next->arch.tpidr);
}

/* What arch_stack_swap takes from a stack: x19 to x28, x29, x30. */
void *arch_stack_prepare(void *stack_top, void (*main)(void *argument), void *argument)
{
    uint64_t *saved = (uint64_t *)stack_top - 12;
    for (unsigned i = 0; i < 12; i++)
        saved[i] = 0;
    saved[0] = (uint64_t)(uintptr_t)main;
    saved[1] = (uint64_t)(uintptr_t)argument;
    saved[11] = (uint64_t)(uintptr_t)stack_begin;
    return saved;
}

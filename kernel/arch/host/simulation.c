/* CPUs that take turns in one process. Each is a context with a stack of its own that leaves the
 * processor in two places only, in user mode and in the idle loop; between them the kernel runs
 * without interruption, as it does on a machine where nobody competes for its locks.
 */
#include <arch/cpu.h>
#include <arch/simulation.h>
#include <arch/timer.h>
#include <kernel/cpu.h>
#include <kernel/grace.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/trap.h>
#include <ucontext.h>

enum { STACK_BYTES = 256 * 1024 };

struct fiber {
    ucontext_t context;
    bool started;
    char stack[STACK_BYTES];
};

static struct fiber fibers[SIMULATION_CPU_COUNT];
static ucontext_t test_context; /* whoever gave the turn */
static void (*turn_event)(void *context);
static void *turn_context;

static void take_interrupts(void)
{
    struct cpu *cpu = cpu_self();

    if (cpu->arch.ipi_pending != 0) {
        cpu->arch.ipi_pending = 0;
        trap_ipi();
    }
    if (arch_clock_ns() >= cpu->arch.timer_ns) {
        cpu->arch.timer_ns = DEADLINE_NEVER;
        trap_timer();
    }
}

static void end_turn(void)
{
    struct fiber *fiber = &fibers[cpu_self()->index];

    if (swapcontext(&fiber->context, &test_context) != 0)
        panic("swapcontext");
}

void host_idle(void)
{
    end_turn();
    take_interrupts();
}

static void cpu_main(void)
{
    for (;;) {
        if (__atomic_load_n(&cpu_self()->need_resched, __ATOMIC_ACQUIRE) != 0)
            (void)sched_next();
        end_turn();
        take_interrupts();
        if (turn_event != NULL)
            turn_event(turn_context);
    }
}

static void fiber_start(struct fiber *fiber)
{
    if (getcontext(&fiber->context) != 0)
        panic("getcontext");
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = sizeof(fiber->stack);
    makecontext(&fiber->context, cpu_main, 0);
    fiber->started = true;
}

void simulation_cpu_run(uint32_t cpu_index, void (*event)(void *context), void *context)
{
    struct cpu *self = cpu_self();
    struct fiber *fiber = &fibers[cpu_index];

    if (!fiber->started)
        fiber_start(fiber);
    turn_event = event;
    turn_context = context;
    arch_cpu_set_self(cpu_get(cpu_index));
    if (swapcontext(&test_context, &fiber->context) != 0)
        panic("swapcontext");
    arch_cpu_set_self(self);
}

bool simulation_cpu_pending(uint32_t cpu_index)
{
    const struct cpu *cpu = cpu_get(cpu_index);

    return !fibers[cpu_index].started || cpu->arch.ipi_pending != 0 || cpu->need_resched != 0 ||
           arch_clock_ns() >= cpu->arch.timer_ns;
}

void simulation_grace_settle(void)
{
    struct cpu *self = cpu_self();
    uint64_t ticket = grace_request();

    while (!grace_done(ticket)) {
        for (uint32_t i = 0; i < cpu_count; i++) {
            arch_cpu_set_self(cpu_get(i));
            grace_interrupt();
        }
        arch_cpu_set_self(self);
    }
    grace_enable(false);
}

/* ---- Two CPUs in the kernel at once ---- */

static void (*interleaved)(void);
static uint64_t interleave_in;
static uint32_t interleave_cpu;

bool simulation_interleave(uint64_t nth, uint32_t cpu_index, void (*event)(void))
{
    bool done = interleaved == NULL;

    interleaved = event;
    interleave_in = nth;
    interleave_cpu = cpu_index;
    return done;
}

void simulation_lock_point(void)
{
    struct cpu *self = cpu_self();
    void (*event)(void) = interleaved;

    if (event == NULL || self->lock_depth > 0 || --interleave_in > 0)
        return;
    interleaved = NULL;
    arch_cpu_set_self(cpu_get(interleave_cpu));
    event();
    arch_cpu_set_self(self);
}

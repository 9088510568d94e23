/* A guest's registers: into the frame, and out of it. */
#include "context_impl.h"

#include <arch_impl/sysreg.h>
#include <kernel/guest.h>
#include <kernel/syscall.h>

#define MDSCR_SS    BIT64(0)
#define PSTATE_STEP BIT64(21)

/* The other half of PSTATE.SS: without this bit it means nothing. */
void guest_set_step(bool on)
{
    uint64_t mdscr = SYSREG_READ(mdscr_el1) & ~MDSCR_SS;

    SYSREG_WRITE(mdscr_el1, mdscr | (on ? MDSCR_SS : 0));
    isb();
}

static void step_end(struct thread *current)
{
    if (UNLIKELY(current->guest.arch.step))
        guest_set_step(false);
    current->guest.arch.step = false;
}

static inline enum status load(struct thread *current, const struct guest_state *state)
{
    const struct guest_registers *from = &state->registers;
    struct trap_frame *frame = &current->frame;
    struct arch_guest *sandbox = &current->guest.arch;
    uint64_t pc = READ_ONCE(from->pc);

    if (pc >= GUEST_END)
        return ERR_RANGE;
    sandbox->pc = frame->pc;
    sandbox->sp = frame->sp;
    sandbox->tpidr = SYSREG_READ(tpidr_el0);
    frame->pc = pc;
    frame->pstate = PSTATE_USER | (READ_ONCE(from->pstate) & GUEST_FLAGS);
    SYSREG_WRITE(tpidr_el0, READ_ONCE(from->tpidr));
    sandbox->step = (frame->pstate & PSTATE_STEP) != 0;
    if (UNLIKELY(sandbox->step))
        guest_set_step(true);
    return OK;
}

enum status arch_guest_load(struct thread *current, const struct guest_state *state)
{
    return load(current, state);
}

/* Other registers than pc and pstate go from the page straight into the CPU, unless somebody else
 * is to run first: then the frame is completed. Not inside: a result, or an error, and no other
 * register has anything.
 */
const struct guest_registers *guest_enter_call(struct thread *current);

const struct guest_registers *guest_enter_call(struct thread *current)
{
    struct trap_frame *frame = &current->frame;
    struct cpu *cpu = cpu_self();

    cpu->syscalls++;
    if (!guest_enter_again(current) || load(current, current->guest.state) != OK)
        sys_guest_enter(current);
    else
        guest_is_in(current);
    if (UNLIKELY(!current->guest.inside)) {
        uint64_t status = frame->x[0];
        uint64_t value = frame->x[1];
        arch_frame_init(frame, uaddr(frame->pc), uaddr(frame->sp), 0);
        arch_frame_syscall_return(frame, status, value);
        return NULL;
    }
    const struct guest_registers *from = &current->guest.state->registers;
    if (LIKELY(__atomic_load_n(&cpu->need_resched, __ATOMIC_RELAXED) == 0))
        return from;
    for (unsigned i = 0; i < ARRAY_LEN(frame->x); i++)
        frame->x[i] = READ_ONCE(from->x[i]);
    frame->sp = READ_ONCE(from->sp);
    return NULL;
}

/* From vectors.S: the registers are in the state page. Returns its argument. */
struct thread *guest_leave(struct thread *current);

struct thread *guest_leave(struct thread *current)
{
    struct guest_state *state = current->guest.state;

    state->registers.tpidr = SYSREG_READ(tpidr_el0);
    SYSREG_WRITE(tpidr_el0, current->guest.arch.tpidr);
    step_end(current);
    state->reason = GUEST_REASON_SYSCALL;
    guest_is_out(current);
    return current;
}

/* By an interrupt or another exception: the frame is complete. */
void arch_guest_save(struct thread *current, struct guest_state *state, uint64_t status,
                     uint64_t value)
{
    struct guest_registers *to = &state->registers;
    struct trap_frame *frame = &current->frame;
    const struct arch_guest *sandbox = &current->guest.arch;

    for (unsigned i = 0; i < ARRAY_LEN(frame->x); i++)
        to->x[i] = frame->x[i];
    to->sp = frame->sp;
    to->pc = frame->pc;
    to->pstate = frame->pstate;
    to->tpidr = SYSREG_READ(tpidr_el0);
    SYSREG_WRITE(tpidr_el0, sandbox->tpidr);
    step_end(current);
    arch_frame_init(frame, uaddr(sandbox->pc), uaddr(sandbox->sp), 0);
    arch_frame_syscall_return(frame, status, value);
}

/* Nothing on the way here has changed them. */
void arch_guest_describe(const struct thread *current, struct guest_fault *fault_out)
{
    (void)current;
    fault_out->error = SYSREG_READ(esr_el1);
    fault_out->code = fault_out->error >> 26 & 0x3f;
}

/* ---- A thread's own, while it is on no CPU ---- */

bool arch_thread_pointer_ok(uint64_t value)
{
    (void)value;
    return true;
}

void arch_thread_set_pointer(struct thread *thread, uint64_t value)
{
    thread->arch.tpidr = value;
}

void arch_thread_registers_read(const struct thread *thread, struct guest_registers *registers)
{
    const struct trap_frame *frame = &thread->frame;

    for (unsigned i = 0; i < ARRAY_LEN(frame->x); i++)
        registers->x[i] = frame->x[i];
    registers->sp = frame->sp;
    registers->pc = frame->pc;
    registers->pstate = frame->pstate;
    registers->tpidr = thread->arch.tpidr;
}

enum status arch_thread_registers_write(struct thread *thread,
                                        const struct guest_registers *registers)
{
    struct trap_frame *frame = &thread->frame;

    if (registers->pc >= USER_END)
        return ERR_RANGE;
    for (unsigned i = 0; i < ARRAY_LEN(frame->x); i++)
        frame->x[i] = registers->x[i];
    frame->sp = registers->sp;
    frame->pc = registers->pc;
    frame->pstate = PSTATE_USER | (registers->pstate & GUEST_FLAGS);
    thread->arch.tpidr = registers->tpidr;
    return OK;
}

/* A guest's registers: into the frame, and out of it. */
#include "regs.h"
#include "x86.h"
#include <kernel/guest.h>
#include <kernel/syscall.h>

static bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static bool selectors_are_null(void)
{
    uint32_t ds, es, fs, gs;
    __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    return (ds | es | fs | gs) == 0;
}

/* Nobody changes bases but by a selector, and the structure knows them. */
static NOINLINE void bases_swap_slow(struct thread *current, uint64_t fs_base, uint64_t gs_base,
                                     uint64_t *fs_out, uint64_t *gs_out)
{
    struct arch_thread *arch = &current->arch;

    *fs_out = arch->fs_base;
    *gs_out = arch->gs_base;
    arch->fs_base = fs_base;
    arch->gs_base = gs_base;
    x86_selectors_reset(cpu_self());
    x86_bases_load(arch);
}

/* Loading a selector changes its base, so that goes between reading and writing. */
static inline void bases_swap(struct thread *current, uint64_t fs_base, uint64_t gs_base,
                              uint64_t *fs_out, uint64_t *gs_out)
{
    uint64_t fs_before, gs_before;

    if (UNLIKELY(!x86_features.fsgsbase)) {
        bases_swap_slow(current, fs_base, gs_base, fs_out, gs_out);
        return;
    }
    __asm__ volatile("rdfsbase %0; swapgs; rdgsbase %1; swapgs"
                     : "=r"(fs_before), "=r"(gs_before)
                     :
                     : "memory");
    *fs_out = fs_before;
    *gs_out = gs_before;
    if (UNLIKELY(!selectors_are_null()))
        x86_selectors_reset(cpu_self());
    __asm__ volatile("wrfsbase %0; swapgs; wrgsbase %1; swapgs"
                     :
                     : "r"(fs_base), "r"(gs_base)
                     : "memory");
}

static void general_load(struct trap_frame *frame, const struct guest_registers *from)
{
    frame->r15 = READ_ONCE(from->r15);
    frame->r14 = READ_ONCE(from->r14);
    frame->r13 = READ_ONCE(from->r13);
    frame->r12 = READ_ONCE(from->r12);
    frame->r11 = READ_ONCE(from->r11);
    frame->r10 = READ_ONCE(from->r10);
    frame->r9 = READ_ONCE(from->r9);
    frame->r8 = READ_ONCE(from->r8);
    frame->rbp = READ_ONCE(from->rbp);
    frame->rdi = READ_ONCE(from->rdi);
    frame->rsi = READ_ONCE(from->rsi);
    frame->rdx = READ_ONCE(from->rdx);
    frame->rcx = READ_ONCE(from->rcx);
    frame->rbx = READ_ONCE(from->rbx);
    frame->rax = READ_ONCE(from->rax);
    frame->rsp = READ_ONCE(from->rsp);
}

/* Any value is good in a register that a guest could have set itself. The others are checked where
 * they are kept: the page may change between two looks.
 */
static inline enum status load(struct thread *current, const struct guest_state *state)
{
    struct trap_frame *frame = &current->frame;
    struct arch_guest *sandbox = &current->guest.arch;
    uint64_t ip = READ_ONCE(state->registers.rip);
    uint64_t flags =
        (READ_ONCE(state->registers.rflags) & GUEST_FLAGS) | X86_FLAGS_FIXED | X86_FLAGS_INTERRUPTS;
    uint64_t fs_base = READ_ONCE(state->registers.fs_base);
    uint64_t gs_base = READ_ONCE(state->registers.gs_base);

    if (ip >= GUEST_END || !is_canonical(fs_base) || !is_canonical(gs_base))
        return ERR_RANGE;
    sandbox->ip = frame->rip;
    sandbox->sp = frame->rsp;
    bases_swap(current, fs_base, gs_base, &sandbox->fs_base, &sandbox->gs_base);
    frame->rip = ip;
    frame->rflags = flags;
    /* sysret leaves rip and the flags in rcx and r11. */
    bool by_sysret =
        READ_ONCE(state->registers.rcx) == ip && READ_ONCE(state->registers.r11) == flags;
    frame->vector = by_sysret ? TRAP_VECTOR_SYSCALL : TRAP_VECTOR_NONE;
    return OK;
}

enum status arch_guest_load(struct thread *current, const struct guest_state *state)
{
    return load(current, state);
}

/* Other values than ip and flags go from the page straight into the registers, unless somebody else
 * is to run first, or sysret cannot do it: then the frame is completed. Not inside: a result, or an
 * error, and no other register has anything.
 */
const struct guest_registers *x86_guest_enter(struct thread *current)
{
    struct trap_frame *frame = &current->frame;
    struct cpu *cpu = cpu_self();

    cpu->syscalls++;
    if (!guest_enter_again(current) || load(current, current->guest.state) != OK)
        sys_guest_enter(current);
    else
        guest_is_in(current);
    if (UNLIKELY(!current->guest.inside)) {
        uint64_t status = frame->rax;
        uint64_t value = frame->rdx;
        arch_frame_init(frame, uaddr(frame->rip), uaddr(frame->rsp), 0);
        arch_frame_syscall_return(frame, status, value);
        return NULL;
    }
    const struct guest_registers *from = &current->guest.state->registers;
    if (LIKELY(frame->vector == TRAP_VECTOR_SYSCALL && (frame->rflags & X86_FLAGS_TRAP) == 0 &&
               __atomic_load_n(&cpu->need_resched, __ATOMIC_RELAXED) == 0))
        return from;
    general_load(frame, from);
    return NULL;
}

static void registers_save(struct guest_registers *to, const struct trap_frame *frame)
{
    to->r15 = frame->r15;
    to->r14 = frame->r14;
    to->r13 = frame->r13;
    to->r12 = frame->r12;
    to->r11 = frame->r11;
    to->r10 = frame->r10;
    to->r9 = frame->r9;
    to->r8 = frame->r8;
    to->rbp = frame->rbp;
    to->rdi = frame->rdi;
    to->rsi = frame->rsi;
    to->rdx = frame->rdx;
    to->rcx = frame->rcx;
    to->rbx = frame->rbx;
    to->rax = frame->rax;
    to->rip = frame->rip;
    to->rflags = frame->rflags;
    to->rsp = frame->rsp;
}

struct thread *x86_guest_leave(struct thread *current)
{
    const struct arch_guest *sandbox = &current->guest.arch;
    struct guest_state *state = current->guest.state;
    struct guest_registers *to = &state->registers;

    bases_swap(current, sandbox->fs_base, sandbox->gs_base, &to->fs_base, &to->gs_base);
    state->reason = GUEST_REASON_SYSCALL;
    guest_is_out(current);
    return current;
}

/* By an interrupt or exception: the frame is complete. */
void arch_guest_save(struct thread *current, struct guest_state *state, uint64_t status,
                     uint64_t value)
{
    struct trap_frame *frame = &current->frame;
    const struct arch_guest *sandbox = &current->guest.arch;

    bases_swap(current, sandbox->fs_base, sandbox->gs_base, &state->registers.fs_base,
               &state->registers.gs_base);
    registers_save(&state->registers, frame);
    arch_frame_init(frame, uaddr(sandbox->ip), uaddr(sandbox->sp), 0);
    frame->vector = TRAP_VECTOR_SYSCALL;
    arch_frame_syscall_return(frame, status, value);
}

void arch_guest_describe(const struct thread *current, struct guest_fault *fault_out)
{
    fault_out->code = current->frame.vector;
    fault_out->error = current->frame.error;
}

/* ---- A thread's own, while it is on no CPU ---- */

bool arch_thread_pointer_ok(uint64_t value)
{
    return is_canonical(value);
}

void arch_thread_set_pointer(struct thread *thread, uint64_t value)
{
    thread->arch.fs_base = value;
}

void arch_thread_registers_read(const struct thread *thread, struct guest_registers *registers)
{
    registers_save(registers, &thread->frame);
    /* The system call instruction has put these there, and entry does not store them. */
    if (thread->frame.vector == TRAP_VECTOR_SYSCALL) {
        registers->rcx = registers->rip;
        registers->r11 = registers->rflags;
    }
    registers->fs_base = thread->arch.fs_base;
    registers->gs_base = thread->arch.gs_base;
}

/* By iretq, which loads all of them; code and stack segment are those that it began with. */
enum status arch_thread_registers_write(struct thread *thread,
                                        const struct guest_registers *registers)
{
    struct trap_frame *frame = &thread->frame;

    if (registers->rip >= USER_END || !is_canonical(registers->fs_base) ||
        !is_canonical(registers->gs_base))
        return ERR_RANGE;
    general_load(frame, registers);
    frame->rip = registers->rip;
    frame->rflags = (registers->rflags & GUEST_FLAGS) | X86_FLAGS_FIXED | X86_FLAGS_INTERRUPTS;
    frame->vector = TRAP_VECTOR_NONE;
    thread->arch.fs_base = registers->fs_base;
    thread->arch.gs_base = registers->gs_base;
    return OK;
}

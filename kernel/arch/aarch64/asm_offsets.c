/* Offsets for assembly. Compiled to text, never linked. */
#include <abi_syscalls.h>
#include <guest.h>
#include <kernel/cpu.h>
#include <kernel/thread.h>
#include <limine.h>
#include <stddef.h>

void asm_offsets(void);

static_assert(offsetof(struct thread, frame) == 0, "a thread's address is its frame's");
static_assert(sizeof(struct trap_frame) % 16 == 0, "user mode enters with SP_EL1 at the frame");
static_assert(sizeof(struct kernel_registers) % 16 == 0, "SP stays aligned");
static_assert(offsetof(struct cpu, arch) == 0, "assembly reaches arch_cpu through the CPU");

static_assert(offsetof(struct guest_state, registers) == 0 &&
                  offsetof(struct guest_registers, x) == offsetof(struct trap_frame, x) &&
                  offsetof(struct guest_registers, sp) == offsetof(struct trap_frame, sp) &&
                  offsetof(struct guest_registers, pc) == offsetof(struct trap_frame, pc) &&
                  offsetof(struct guest_registers, pstate) == offsetof(struct trap_frame, pstate),
              "one set of offsets for both");
static_assert(PSTATE_USER == 0, "a zero register goes into SPSR_EL1");
static_assert(offsetof(struct arch_guest, sp) == offsetof(struct arch_guest, pc) + 8, "a pair");

void asm_offsets(void)
{
    DEFINE(CPU_OVERFLOW_TOP, offsetof(struct arch_cpu, overflow_stack_top));
    DEFINE(CPU_NEED_RESCHED, offsetof(struct cpu, need_resched));
    DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
    DEFINE(CPU_STACK_TOP, offsetof(struct cpu, stack_top));
    DEFINE(FRAME_LR, offsetof(struct trap_frame, x[30]));
    DEFINE(FRAME_SP, offsetof(struct trap_frame, sp));
    DEFINE(FRAME_PC, offsetof(struct trap_frame, pc));
    DEFINE(FRAME_FIXED_BITS, PSTATE_FIXED_BITS);
    DEFINE(REGISTERS_SIZE, sizeof(struct kernel_registers));
    DEFINE(REGISTERS_LR, offsetof(struct kernel_registers, x[30]));
    DEFINE(REGISTERS_SP, offsetof(struct kernel_registers, sp));
    DEFINE(REGISTERS_PC, offsetof(struct kernel_registers, pc));
    DEFINE(REGISTERS_SYNDROME, offsetof(struct kernel_registers, syndrome));
    DEFINE(FAULT_ROOM, KERNEL_FAULT_ROOM);
    DEFINE(OVERFLOW_SIZE, OVERFLOW_STACK_SIZE);
    DEFINE(VECTOR_FPCR, offsetof(struct vector_state, fpcr));
    DEFINE(THREAD_INSIDE, offsetof(struct thread, guest.inside));
    DEFINE(THREAD_GUEST_STATE, offsetof(struct thread, guest.state));
    DEFINE(THREAD_SANDBOX_PC, offsetof(struct thread, guest.arch.pc));
    DEFINE(GUEST_REASON_SYSCALL, GUEST_REASON_SYSCALL);
    DEFINE(SYSCALL_guest_enter, SYSCALL_guest_enter);
    DEFINE(GUEST_REPLIES, GUEST_REPLIES);
    DEFINE(STATE_REPLY_SET, offsetof(struct guest_state, reply_set));
    DEFINE(STATE_REPLY, offsetof(struct guest_state, reply));
    DEFINE(SMP_INFO_ARGUMENT, offsetof(struct limine_smp_info, extra_argument));
}

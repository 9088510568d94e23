/* Numbers that assembly needs. */
#include "regs.h"
#include "x86.h"
#include <abi_syscalls.h>
#include <guest.h>
#include <kernel/thread.h>
#include <limine.h>

void asm_offsets(void);

void asm_offsets(void)
{
    DEFINE(CPU_SCRATCH, offsetof(struct cpu, arch.scratch));
    DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
    DEFINE(CPU_NEED_RESCHED, offsetof(struct cpu, need_resched));
    DEFINE(CPU_STACK_TOP, offsetof(struct cpu, stack_top));

    DEFINE(FRAME_R15, offsetof(struct trap_frame, r15));
    DEFINE(FRAME_R14, offsetof(struct trap_frame, r14));
    DEFINE(FRAME_R13, offsetof(struct trap_frame, r13));
    DEFINE(FRAME_R12, offsetof(struct trap_frame, r12));
    DEFINE(FRAME_R11, offsetof(struct trap_frame, r11));
    DEFINE(FRAME_R10, offsetof(struct trap_frame, r10));
    DEFINE(FRAME_R9, offsetof(struct trap_frame, r9));
    DEFINE(FRAME_R8, offsetof(struct trap_frame, r8));
    DEFINE(FRAME_RBP, offsetof(struct trap_frame, rbp));
    DEFINE(FRAME_RDI, offsetof(struct trap_frame, rdi));
    DEFINE(FRAME_RSI, offsetof(struct trap_frame, rsi));
    DEFINE(FRAME_RDX, offsetof(struct trap_frame, rdx));
    DEFINE(FRAME_RCX, offsetof(struct trap_frame, rcx));
    DEFINE(FRAME_RBX, offsetof(struct trap_frame, rbx));
    DEFINE(FRAME_RAX, offsetof(struct trap_frame, rax));
    DEFINE(FRAME_VECTOR, offsetof(struct trap_frame, vector));
    DEFINE(FRAME_ERROR, offsetof(struct trap_frame, error));
    DEFINE(FRAME_RIP, offsetof(struct trap_frame, rip));
    DEFINE(FRAME_CS, offsetof(struct trap_frame, cs));
    DEFINE(FRAME_RFLAGS, offsetof(struct trap_frame, rflags));
    DEFINE(FRAME_RSP, offsetof(struct trap_frame, rsp));
    DEFINE(FRAME_SIZE, sizeof(struct trap_frame));

    DEFINE(THREAD_INSIDE, offsetof(struct thread, guest.inside));
    DEFINE(THREAD_GUEST_STATE, offsetof(struct thread, guest.state));
    DEFINE(THREAD_SANDBOX_IP, offsetof(struct thread, guest.arch.ip));
    DEFINE(THREAD_SANDBOX_SP, offsetof(struct thread, guest.arch.sp));
    DEFINE(GUEST_REASON_SYSCALL, GUEST_REASON_SYSCALL);
    DEFINE(SYSCALL_guest_enter, SYSCALL_guest_enter);
    DEFINE(GUEST_REPLIES, GUEST_REPLIES);
    DEFINE(STATE_REPLY_SET, offsetof(struct guest_state, reply_set));
    DEFINE(STATE_REPLY, offsetof(struct guest_state, reply));
    DEFINE(STATE_RAX, offsetof(struct guest_state, registers.rax));
    DEFINE(STATE_RBX, offsetof(struct guest_state, registers.rbx));
    DEFINE(STATE_RCX, offsetof(struct guest_state, registers.rcx));
    DEFINE(STATE_RDX, offsetof(struct guest_state, registers.rdx));
    DEFINE(STATE_RSI, offsetof(struct guest_state, registers.rsi));
    DEFINE(STATE_RDI, offsetof(struct guest_state, registers.rdi));
    DEFINE(STATE_RBP, offsetof(struct guest_state, registers.rbp));
    DEFINE(STATE_RSP, offsetof(struct guest_state, registers.rsp));
    DEFINE(STATE_R8, offsetof(struct guest_state, registers.r8));
    DEFINE(STATE_R9, offsetof(struct guest_state, registers.r9));
    DEFINE(STATE_R10, offsetof(struct guest_state, registers.r10));
    DEFINE(STATE_R11, offsetof(struct guest_state, registers.r11));
    DEFINE(STATE_R12, offsetof(struct guest_state, registers.r12));
    DEFINE(STATE_R13, offsetof(struct guest_state, registers.r13));
    DEFINE(STATE_R14, offsetof(struct guest_state, registers.r14));
    DEFINE(STATE_R15, offsetof(struct guest_state, registers.r15));
    DEFINE(STATE_RIP, offsetof(struct guest_state, registers.rip));
    DEFINE(STATE_RFLAGS, offsetof(struct guest_state, registers.rflags));

    DEFINE(LIMINE_SMP_ARGUMENT, offsetof(struct limine_smp_info, extra_argument));
    DEFINE(VECTOR_SYSCALL, TRAP_VECTOR_SYSCALL);
}
_Static_assert(offsetof(struct thread, frame) == 0, "entry code takes the one for the other");
_Static_assert(offsetof(struct cpu, arch.self) == 0, "gs:0 is the CPU");

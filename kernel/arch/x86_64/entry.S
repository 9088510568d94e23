/* Ways into the kernel and out of it.
 *
 * GS base is the user's while user code runs, and the struct cpu while the kernel does; swapgs
 * exchanges it with the other one, and happens exactly once on each way in from user mode and out
 * to it. Interrupts stay masked all the way. A user's registers go straight into its thread's
 * frame: TSS.rsp[0] is the end of that frame and cpu.current its start.
 *
 * NMI, double fault and machine check may hit between any two instructions, so they believe
 * nothing: each has its own stack, with the struct cpu written at its top, and none of them ever
 * returns.
 */
#include <asm_offsets.h>

#define MSR_EFER      0xc0000080
#define MSR_GS_BASE   0xc0000101
#define EFER_NXE      0x800
#define RFLAGS_TRAP   0x100
#define RFLAGS_SANDBOX 0x202
#define BOOT_STACK    16384
#define USER_BITS     47

.macro FUNCTION name
    .section .text.\name, "ax", @progbits
    .balign 16
    .globl \name
    .type \name, @function
\name:
.endm

.macro END name
    .size \name, . - \name
.endm

/* The order of struct trap_frame. */
.macro PUSH_REGISTERS
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
.endm

/* And the two words below what the hardware pushed. */
.macro POP_REGISTERS
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
.endm

/* An interrupt leaves AC and DF as the interrupted code had them. */
.macro KERNEL_FLAGS
    cld
    cmpb $0, x86_smap(%rip)
    je .Lno_smap\@
    clac
.Lno_smap\@:
.endm

/* ---- Power-on ---- */

FUNCTION kernel_entry
    cli
    cld
    lea boot_stack_top(%rip), %rsp
    xor %ebp, %ebp
    call kernel_main
    ud2
END kernel_entry

/* A CPU arrives from the loader with its struct limine_smp_info in rdi; extra_argument is its
 * struct cpu. The tables need no-execute; the stack exists only in them.
 */
FUNCTION x86_secondary_entry
    cli
    cld
    mov LIMINE_SMP_ARGUMENT(%rdi), %rbx
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_NXE, %eax
    wrmsr
    mov x86_kernel_root(%rip), %rax
    mov %rax, %cr3
    mov CPU_STACK_TOP(%rbx), %rsp
    xor %ebp, %ebp
    mov %rbx, %rdi
    call x86_secondary_main
    ud2
END x86_secondary_entry

/* ---- System calls ---- */

FUNCTION x86_syscall_entry
    swapgs
    mov %rsp, %gs:CPU_SCRATCH
    mov %gs:CPU_CURRENT, %rsp
    cmpb $0, THREAD_INSIDE(%rsp)
    jne x86_guest_syscall
    cmp $SYSCALL_guest_enter, %rax
    je x86_guest_enter_call
    mov %rax, FRAME_RAX(%rsp)
    mov %rbx, FRAME_RBX(%rsp)
    mov %rdx, FRAME_RDX(%rsp)
    mov %rsi, FRAME_RSI(%rsp)
    mov %rdi, FRAME_RDI(%rsp)
    mov %rbp, FRAME_RBP(%rsp)
    mov %r8, FRAME_R8(%rsp)
    mov %r9, FRAME_R9(%rsp)
    mov %r10, FRAME_R10(%rsp)
    mov %r12, FRAME_R12(%rsp)
    mov %r13, FRAME_R13(%rsp)
    mov %r14, FRAME_R14(%rsp)
    mov %r15, FRAME_R15(%rsp)
    mov %rcx, FRAME_RIP(%rsp)
    mov %r11, FRAME_RFLAGS(%rsp)
    movq $VECTOR_SYSCALL, FRAME_VECTOR(%rsp)
    mov %gs:CPU_SCRATCH, %rcx
    mov %rcx, FRAME_RSP(%rsp)
    mov %rsp, %rdi
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call trap_syscall
    /* falls through */
    .globl x86_exit_to_user
x86_exit_to_user:
    cmpl $0, %gs:CPU_NEED_RESCHED
    jne .Lchoose
    mov %gs:CPU_CURRENT, %rax
.Lchosen:
    cmpl $VECTOR_SYSCALL, FRAME_VECTOR(%rax)
    jne x86_return_by_iret
    /* sysret would fault in kernel mode on a non-canonical address, and trace from elsewhere. */
    mov FRAME_RIP(%rax), %rcx
    mov FRAME_RFLAGS(%rax), %r11
    bt $USER_BITS, %rcx
    jc x86_return_by_iret
    test $RFLAGS_TRAP, %r11d
    jnz x86_return_by_iret
    mov FRAME_RBX(%rax), %rbx
    mov FRAME_RDX(%rax), %rdx
    mov FRAME_RSI(%rax), %rsi
    mov FRAME_RDI(%rax), %rdi
    mov FRAME_RBP(%rax), %rbp
    mov FRAME_R8(%rax), %r8
    mov FRAME_R9(%rax), %r9
    mov FRAME_R10(%rax), %r10
    mov FRAME_R12(%rax), %r12
    mov FRAME_R13(%rax), %r13
    mov FRAME_R14(%rax), %r14
    mov FRAME_R15(%rax), %r15
    mov FRAME_RSP(%rax), %rsp
    mov FRAME_RAX(%rax), %rax
    swapgs
    sysretq
.Lchoose:
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call sched_next
    jmp .Lchosen
END x86_syscall_entry

/* From a guest: a constant reply, or every register straight into the state page, and back to the
 * sandbox with nothing in the others. Nothing on this way wants another thread; who does sends an
 * interrupt, which comes right after.
 */
FUNCTION x86_guest_syscall
    mov THREAD_GUEST_STATE(%rsp), %rsp
    cmp $GUEST_REPLIES, %rax
    jae .Lleave
    bt %rax, STATE_REPLY_SET(%rsp)
    jnc .Lleave
    test $RFLAGS_TRAP, %r11d
    jnz .Lleave
    mov STATE_REPLY(%rsp, %rax, 8), %rax
    mov %gs:CPU_SCRATCH, %rsp
    swapgs
    sysretq
.Lleave:
    mov %rax, STATE_RAX(%rsp)
    mov %rbx, STATE_RBX(%rsp)
    mov %rcx, STATE_RCX(%rsp)
    mov %rdx, STATE_RDX(%rsp)
    mov %rsi, STATE_RSI(%rsp)
    mov %rdi, STATE_RDI(%rsp)
    mov %rbp, STATE_RBP(%rsp)
    mov %r8, STATE_R8(%rsp)
    mov %r9, STATE_R9(%rsp)
    mov %r10, STATE_R10(%rsp)
    mov %r11, STATE_R11(%rsp)
    mov %r12, STATE_R12(%rsp)
    mov %r13, STATE_R13(%rsp)
    mov %r14, STATE_R14(%rsp)
    mov %r15, STATE_R15(%rsp)
    mov %rcx, STATE_RIP(%rsp)
    mov %r11, STATE_RFLAGS(%rsp)
    mov %gs:CPU_SCRATCH, %rcx
    mov %rcx, STATE_RSP(%rsp)
    mov %gs:CPU_CURRENT, %rdi
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call x86_guest_leave
    mov THREAD_SANDBOX_IP(%rax), %rcx
    mov THREAD_SANDBOX_SP(%rax), %rsp
    mov $RFLAGS_SANDBOX, %r11d
    mov $GUEST_REASON_SYSCALL, %edx
    xor %eax, %eax
    xor %ebx, %ebx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    swapgs
    sysretq
END x86_guest_syscall

/* guest_enter, which saves nothing of the caller but where it goes on. ip and flags of the guest
 * are in the frame, checked; every other register may hold what the page says.
 */
FUNCTION x86_guest_enter_call
    mov %rcx, FRAME_RIP(%rsp)
    mov %rdi, FRAME_RDI(%rsp)
    mov %rsi, FRAME_RSI(%rsp)
    mov %rdx, FRAME_RDX(%rsp)
    mov %gs:CPU_SCRATCH, %rcx
    mov %rcx, FRAME_RSP(%rsp)
    mov %rsp, %rdi
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call x86_guest_enter
    test %rax, %rax
    jz x86_exit_to_user
    mov %gs:CPU_CURRENT, %rdx
    mov FRAME_RIP(%rdx), %rcx
    mov FRAME_RFLAGS(%rdx), %r11
    mov STATE_RBX(%rax), %rbx
    mov STATE_RDX(%rax), %rdx
    mov STATE_RSI(%rax), %rsi
    mov STATE_RDI(%rax), %rdi
    mov STATE_RBP(%rax), %rbp
    mov STATE_R8(%rax), %r8
    mov STATE_R9(%rax), %r9
    mov STATE_R10(%rax), %r10
    mov STATE_R12(%rax), %r12
    mov STATE_R13(%rax), %r13
    mov STATE_R14(%rax), %r14
    mov STATE_R15(%rax), %r15
    mov STATE_RSP(%rax), %rsp
    mov STATE_RAX(%rax), %rax
    swapgs
    sysretq
END x86_guest_enter_call

/* iretq reads its words where they lie in the frame. */
FUNCTION x86_return_by_iret
    mov FRAME_RIP(%rax), %rcx
    shr $USER_BITS, %rcx
    jnz .Lnot_canonical
.Lreturn:
    mov %rax, %rsp
    POP_REGISTERS
    swapgs
    iretq
.Lnot_canonical:
    /* The first address past user space: the thread faults there, and the kernel does not. */
    movabs $0x00007ffffffff000, %rcx
    mov %rcx, FRAME_RIP(%rax)
    jmp .Lreturn
END x86_return_by_iret

/* ---- Interrupts and exceptions ---- */

/* One stub for each vector, 16 bytes apart: afterwards the stack has the error code, or 0, and the
 * vector.
 */
FUNCTION x86_vector_stubs
.set vector, 0
.rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || \
          vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp x86_entry_fatal
    .else
    jmp x86_entry_common
    .endif
    .set vector, vector + 1
.endr
END x86_vector_stubs

FUNCTION x86_entry_common
    testb $3, FRAME_CS - FRAME_VECTOR(%rsp)
    jz .Lfrom_kernel
    swapgs
    PUSH_REGISTERS
    KERNEL_FLAGS
    mov %rsp, %rdi
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    call x86_trap_user
    jmp x86_exit_to_user
.Lfrom_kernel:
    PUSH_REGISTERS
    KERNEL_FLAGS
    mov %rsp, %rdi
    call x86_trap_kernel
    POP_REGISTERS
    iretq
END x86_entry_common

FUNCTION x86_entry_fatal
    PUSH_REGISTERS
    KERNEL_FLAGS
    mov FRAME_SIZE(%rsp), %rax
    mov %rax, %rdx
    shr $32, %rdx
    mov $MSR_GS_BASE, %ecx
    wrmsr
    mov %rsp, %rdi
    call x86_trap_fatal
    ud2
END x86_entry_fatal

/* ---- Kernel stacks ---- */

/* void arch_stack_swap(void **save_sp_out, void *load_sp) */
FUNCTION arch_stack_swap
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
END arch_stack_swap

/* Where the first swap to a prepared stack goes: main in r12, its argument in r13. */
FUNCTION x86_stack_start
    mov %r13, %rdi
    call *%r12
    ud2
END x86_stack_start

FUNCTION arch_enter_scheduler
    mov %gs:CPU_STACK_TOP, %rsp
    xor %ebp, %ebp
    jmp x86_exit_to_user
END arch_enter_scheduler

    .section .bss.boot_stack, "aw", @nobits
    .balign 4096
    .skip BOOT_STACK
boot_stack_top:

    .section .note.GNU-stack, "", @progbits

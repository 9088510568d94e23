/* User code that means no good, for hostile_test.c. Mapped at any address; rdi is the address of a
 * page that may be written, the stack is there. It survives by calling thread_exit.
 */
#ifdef CONFIG_TESTS
#define SYSCALL_EXIT  0
#define SYSCALL_YIELD 1

.macro SNIPPET name
    .globl hostile_\name
hostile_\name:
.endm

.macro YIELD
    mov %rdi, %r12
    mov $SYSCALL_YIELD, %eax
    xor %edi, %edi
    syscall
    mov %r12, %rdi
.endm

.macro EXIT
    mov $SYSCALL_EXIT, %eax
    syscall
    ud2
.endm

.macro SET_FLAGS bits
    pushfq
    orq $\bits, (%rsp)
    popfq
.endm

    .section .user_flat, "a", @progbits
    .balign 4096
    .globl hostile_code_start
hostile_code_start:

/* Single-step into a system call: the kernel must not trap, the thread must. */
SNIPPET trap_flag
    mov $SYSCALL_YIELD, %eax
    xor %edi, %edi
    mov $0x302, %ecx
    push %rcx
    popfq
    syscall
    EXIT

SNIPPET trap_flag_fault
    SET_FLAGS 0x100
    nop
    EXIT

SNIPPET nested_task_flag
    SET_FLAGS 0x4000
    YIELD
    mov (%rdi), %eax
    EXIT

/* Alignment checks would be SMAP's switch in the kernel: a system call, a fault that is resolved,
 * and a wait in which interrupts come.
 */
SNIPPET alignment_flag
    SET_FLAGS 0x40000
    YIELD
    movl $1, (%rdi)
    mov $20000000, %ecx
1:  dec %ecx
    jnz 1b
    pushfq
    testl $0x40000, (%rsp)
    jz 2f
    EXIT
2:  ud2

SNIPPET direction_flag
    std
    YIELD
    movl $1, (%rdi)
    mov $20000000, %ecx
1:  dec %ecx
    jnz 1b
    pushfq
    testl $0x400, (%rsp)
    jz 2f
    EXIT
2:  ud2

/* popf does not fault, it ignores. */
SNIPPET io_privilege
    SET_FLAGS 0x3000
    mov $0x80, %dx
    out %al, %dx
    EXIT

SNIPPET interrupts_off
    cli
    EXIT

SNIPPET port_in
    mov $0x3f8, %dx
    in %dx, %al
    EXIT

SNIPPET int3
    int3
    EXIT

SNIPPET int1
    .byte 0xf1
    EXIT

SNIPPET int_nmi
    int $2
    EXIT

SNIPPET int_double_fault
    int $8
    EXIT

SNIPPET int_page_fault
    int $14
    EXIT

SNIPPET int_machine_check
    int $18
    EXIT

SNIPPET int_80
    int $0x80
    EXIT

SNIPPET int_timer
    int $0xf0
    EXIT

SNIPPET int_ipi
    int $0xf1
    EXIT

SNIPPET divide
    xor %ecx, %ecx
    div %ecx
    EXIT

SNIPPET sysenter
    sysenter
    EXIT

SNIPPET sysret
    mov $0x1000, %ecx
    sysretq
    EXIT

SNIPPET swapgs
    swapgs
    EXIT

SNIPPET iret_to_kernel
    pushq $0x10
    pushq %rsp
    pushq $0x202
    pushq $0x08
    lea 1f(%rip), %rax
    pushq %rax
1:  iretq
    EXIT

SNIPPET far_return_to_kernel
    pushq $0x08
    lea 1f(%rip), %rax
    pushq %rax
1:  lretq
    EXIT

SNIPPET load_task_register
    mov $0x28, %eax
    ltr %ax
    EXIT

SNIPPET load_kernel_selector
    mov $0x10, %eax
    mov %eax, %ds
    EXIT

SNIPPET read_msr
    mov $0xc0000080, %ecx
    rdmsr
    EXIT

SNIPPET read_performance
    xor %ecx, %ecx
    rdpmc
    EXIT

SNIPPET write_xcr0
    xor %ecx, %ecx
    mov $1, %eax
    xor %edx, %edx
    xsetbv
    EXIT

SNIPPET debug_register
    xor %eax, %eax
    mov %rax, %dr7
    EXIT

SNIPPET store_gdt
    sgdt (%rdi)
    EXIT

SNIPPET jump_to_kernel
    mov $0xffffffff80000000, %rax
    jmp *%rax

SNIPPET jump_non_canonical
    mov $0x800000000000, %rax
    jmp *%rax

SNIPPET read_kernel
    mov $0xffffffff80000000, %rax
    mov (%rax), %rax
    EXIT

/* The stack pointer is nobody's business until it is used. */
SNIPPET stack_in_kernel
    mov $0xffffffff80000000, %rsp
    YIELD
    mov $20000000, %ecx
1:  dec %ecx
    jnz 1b
    int3

SNIPPET stack_non_canonical
    mov $0x1234567890abcdef, %rax
    mov %rax, %rsp
    YIELD
    push %rax
    EXIT

/* GS base where the kernel's would be, in exceptions as in system calls; and it is still there
 * afterwards.
 */
SNIPPET gs_base_of_kernel
    mov $0xffffffff80000000, %rax
    wrgsbase %rax
    wrfsbase %rax
    YIELD
    movl $1, (%rdi)
    mov $20000000, %ecx
1:  dec %ecx
    jnz 1b
    rdgsbase %rcx
    rdfsbase %rdx
    cmp %rax, %rdx
    mov $0xffffffff80000000, %rbx
    cmp %rbx, %rcx
    jne 2f
    cmp %rbx, %rdx
    jne 2f
    EXIT
2:  ud2

SNIPPET load_selectors
    mov $0x1b, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    YIELD
    movl $1, (%rdi)
    EXIT

/* Runs after load_selectors on the same CPU. */
SNIPPET find_selectors
    mov %ds, %eax
    mov %es, %ecx
    or %ecx, %eax
    mov %fs, %ecx
    or %ecx, %eax
    mov %gs, %ecx
    or %ecx, %eax
    jnz 1f
    EXIT
1:  ud2

/* Bases of another thread must not be visible either. */
SNIPPET find_bases
    rdfsbase %rax
    rdgsbase %rcx
    or %rcx, %rax
    jnz 1f
    EXIT
1:  ud2

    .globl hostile_code_end
hostile_code_end:

/* At the very end of user space: syscall would return to USER_END. */
    .balign 4096
    .globl hostile_last_page
hostile_last_page:
    .skip 4096 - 7
    mov $SYSCALL_YIELD, %eax
    syscall
    .globl hostile_last_page_end
hostile_last_page_end:
    .section .note.GNU-stack, "", @progbits
#endif

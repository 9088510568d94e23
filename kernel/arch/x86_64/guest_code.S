/* What the tests' guests do. rdi: argument, rsi: second, rbx: counter, rax: number. */
#ifdef CONFIG_TESTS
.macro SNIPPET name
    .balign 16
    .globl guest_code_\name
guest_code_\name:
.endm

    .section .user_flat, "a", @progbits
    .balign 4096
    .globl guest_code_start
guest_code_start:

SNIPPET call
1:  syscall
    jmp 1b

SNIPPET spin
1:  inc %rbx
    jmp 1b

SNIPPET load
    mov (%rdi), %rdi
    syscall

SNIPPET store
    mov %rsi, (%rdi)
    syscall

SNIPPET undefined
    ud2

SNIPPET step
    nop
    nop
    syscall

SNIPPET jump
    jmp *%rdi

SNIPPET reply
1:  mov %rsi, %rax
    syscall
    dec %rbx
    jnz 1b
    mov %rax, %rdi
    mov $500, %eax
    syscall

/* Vector registers hold the argument from here to everywhere. */
SNIPPET vector
    mov %rdi, %r12
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movq %rdi, %xmm\n
    .endr
1:  mov $3000, %ecx
2:  dec %ecx
    jnz 2b
    xor %edi, %edi
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movq %xmm\n, %rax
    xor %r12, %rax
    or %rax, %rdi
    .endr
    add %rdi, %rbx
    mov $500, %eax
    syscall
    jmp 1b

/* Ways into the kernel, and what is the kernel's alone. */
SNIPPET trap_0
    int $0x80
SNIPPET trap_1
    sysenter
SNIPPET trap_2
    hlt
SNIPPET trap_3
    cli
SNIPPET trap_4
    in $0x60, %al
SNIPPET trap_5
    mov %rax, %cr3
SNIPPET trap_6
    wrmsr
SNIPPET trap_7
    swapgs
SNIPPET trap_8
    sysretq
SNIPPET trap_9
    int3
SNIPPET trap_10
    int $14
SNIPPET trap_11
    invlpg (%rdi)
SNIPPET trap_12
    pushq $0x10
    pushq %rsp
    pushq $0x3202
    pushq $0x08
    lea 1f(%rip), %rax
    pushq %rax
1:  iretq
SNIPPET trap_13
    xor %ecx, %ecx
    div %ecx
SNIPPET trap_14
    mov %rax, %dr7
SNIPPET trap_15
    int $0xf1

/* Flags and selectors that the sandbox and the next guest must not see. */
SNIPPET upset
    mov $0x1b, %eax
    mov %eax, %ds
    mov %eax, %es
    pushfq
    orq $0x244400, (%rsp)
    popfq
    mov $500, %eax
    syscall

    .globl guest_code_end
guest_code_end:
    .section .note.GNU-stack, "", @progbits
#endif

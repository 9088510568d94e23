/* The entry of a service: the start-up block is in rdi, the stack is 16-aligned. */
    .section .text.start, "ax"
    .global _start
    .hidden _DYNAMIC, __ehdr_start, rt_relocate, rt_start
_start:
    xor %ebp, %ebp
    mov %rdi, %rbx
    lea __ehdr_start(%rip), %rdi
    lea _DYNAMIC(%rip), %rsi
    call rt_relocate
    mov %rbx, %rdi
    call rt_start
    ud2

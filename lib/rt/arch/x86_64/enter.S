/* NORETURN void rt_enter(uint64_t entry, uint64_t stack_top, uint64_t argument) */
    .text
    .global rt_enter
rt_enter:
    mov %rdi, %rax
    mov %rsi, %rsp
    mov %rdx, %rdi
    xor %ebp, %ebp
    jmp *%rax

/* The system call instruction. */
/* enum status syscall_raw(uint64_t number, const uint64_t argument[6], uint64_t *value_out) */
    .text
    .global syscall_raw
syscall_raw:
    push %rdx
    mov %rdi, %rax
    mov %rsi, %r11
    mov 0(%r11), %rdi
    mov 8(%r11), %rsi
    mov 16(%r11), %rdx
    mov 24(%r11), %r10
    mov 32(%r11), %r8
    mov 40(%r11), %r9
    syscall
    pop %rcx
    test %rcx, %rcx
    jz 1f
    mov %rdx, (%rcx)
1:  ret

/* uint64_t sandbox_enter_and_look(uint64_t guest): all but rax, rdx, rsp, and rcx and r11, which
 * the way back uses.
 */
    .text
    .global sandbox_enter_and_look
sandbox_enter_and_look:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    xor %esi, %esi
    xor %edx, %edx
    mov $32, %eax
    syscall
    mov %rbx, %rax
    .irp r, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15
    or %\r, %rax
    .endr
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* void sandbox_turns(uint64_t guest, uint64_t times): enter, in six instructions a turn. */
    .global sandbox_turns
sandbox_turns:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    push %rsi
1:  mov 8(%rsp), %rdi
    xor %esi, %esi
    mov $32, %eax
    syscall
    decq (%rsp)
    jnz 1b
    pop %rsi
    pop %rdi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* enum status ipc_raw(uint64_t number, uint64_t endpoint, uint64_t reply, uint64_t deadline_ns,
 *                     struct ipc_message *message)
 *
 * All eight words go into registers, and come back: the kernel passes on those that info counts.
 */
    .text
    .global ipc_raw
ipc_raw:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %r8
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %r10
    mov %rcx, %rdx
    mov %r8, %r11
    mov 0(%r11), %rsi
    mov 16(%r11), %r8
    mov 24(%r11), %r9
    mov 32(%r11), %rbx
    mov 40(%r11), %rbp
    mov 48(%r11), %r12
    mov 56(%r11), %r13
    mov 64(%r11), %r14
    mov 72(%r11), %r15
    syscall
    pop %rcx
    test %rax, %rax
    jnz 1f
    mov %rsi, 0(%rcx)
    mov %rdx, 8(%rcx)
    mov %r8, 16(%rcx)
    mov %r9, 24(%rcx)
    mov %rbx, 32(%rcx)
    mov %rbp, 40(%rcx)
    mov %r12, 48(%rcx)
    mov %r13, 56(%rcx)
    mov %r14, 64(%rcx)
    mov %r15, 72(%rcx)
1:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* Register patterns and faults for the kernel's tests. */
    .text

/* uint64_t guest_check_registers(uint64_t seed): rdi = seed. Every register but rsp holds seed + n;
 * half of the time a system call (an unknown number) happens in between, which may change rax, rdx,
 * rcx and r11 only.
 */
    .global guest_check_registers
guest_check_registers:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    mov %rdi, %rax
    lea 1(%rax), %rbx
    lea 2(%rax), %rcx
    lea 3(%rax), %rdx
    lea 4(%rax), %rsi
    lea 5(%rax), %rdi
    lea 6(%rax), %rbp
    lea 7(%rax), %r8
    lea 8(%rax), %r9
    lea 9(%rax), %r10
    lea 10(%rax), %r11
    lea 11(%rax), %r12
    lea 12(%rax), %r13
    lea 13(%rax), %r14
    lea 14(%rax), %r15
    testb $1, (%rsp)
    jz 1f
    mov $-1, %rax
    syscall
    mov (%rsp), %rax
    lea 2(%rax), %rcx
    lea 3(%rax), %rdx
    lea 10(%rax), %r11
    jmp 3f
1:  movq $2000, -8(%rsp)
2:  decq -8(%rsp)
    jnz 2b
3:  cmp %rax, (%rsp)
    jne bad
    sub %rax, %rbx
    sub %rax, %rcx
    sub %rax, %rdx
    sub %rax, %rsi
    sub %rax, %rdi
    sub %rax, %rbp
    sub %rax, %r8
    sub %rax, %r9
    sub %rax, %r10
    sub %rax, %r11
    sub %rax, %r12
    sub %rax, %r13
    sub %rax, %r14
    sub %rax, %r15
    xor %eax, %eax
    cmp $1, %rbx
    jne bad
    cmp $2, %rcx
    jne bad
    cmp $3, %rdx
    jne bad
    cmp $4, %rsi
    jne bad
    cmp $5, %rdi
    jne bad
    cmp $6, %rbp
    jne bad
    cmp $7, %r8
    jne bad
    cmp $8, %r9
    jne bad
    cmp $9, %r10
    jne bad
    cmp $10, %r11
    jne bad
    cmp $11, %r12
    jne bad
    cmp $12, %r13
    jne bad
    cmp $13, %r14
    jne bad
    cmp $14, %r15
    jne bad
    jmp out
bad:
    mov $1, %eax
out:
    pop %rdi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* uint64_t guest_check_vector(uint64_t seed, uint64_t spins): xmm0-15 hold seed + n. */
    .global guest_check_vector
guest_check_vector:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    lea \n(%rdi), %rax
    movq %rax, %xmm\n
    .endr
1:  dec %rsi
    jg 1b
    xor %edx, %edx
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    lea \n(%rdi), %rcx
    movq %xmm\n, %rax
    xor %rcx, %rax
    or %rax, %rdx
    .endr
    xor %eax, %eax
    test %rdx, %rdx
    setnz %al
    ret

    .global guest_read_vector
guest_read_vector:
    xor %eax, %eax
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movq %xmm\n, %rcx
    or %rcx, %rax
    movhlps %xmm\n, %xmm\n
    movq %xmm\n, %rcx
    or %rcx, %rax
    .endr
    ret

/* void guest_fault(uint64_t kind) */
    .global guest_fault
guest_fault:
    lea table(%rip), %rax
    movslq (%rax, %rdi, 4), %rdi
    add %rdi, %rax
    jmp *%rax
undefined:
    ud2
    ret
privileged:
    cli
    ret
breakpoint:
    int3
    ret
halt:
    hlt
    ret
system_state:
    xor %eax, %eax
    mov %rax, %cr0
    ret
bad_stack:
    mov $0xffff800000000000, %rsp
    push %rax
    ret
non_canonical:
    mov $0x800000000000, %rax
    jmp *%rax
    .balign 4
table:
    .long undefined - table
    .long privileged - table
    .long breakpoint - table
    .long halt - table
    .long system_state - table
    .long bad_stack - table
    .long non_canonical - table

/* void guest_calls(uint64_t number, uint64_t times): four instructions a turn, call included. */
    .global guest_calls
guest_calls:
    push %rbx
    push %rbp
    mov %rsi, %rbx
    mov %rdi, %rbp
    xor %edi, %edi
    xor %esi, %esi
1:  mov %rbp, %rax
    syscall
    dec %rbx
    jnz 1b
    pop %rbp
    pop %rbx
    ret

/* uint64_t guest_ipc_loop(uint64_t number, uint64_t endpoint, uint64_t reply, uint64_t info,
 *                         uint64_t times): word 0 is `reply`; six instructions a
 * turn, call included.
 */
    .global guest_ipc_loop
guest_ipc_loop:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %r8
    push %rcx
    push %rdi
    mov %rsi, %rdi
    mov %rdx, %r10
    mov %rdx, %r8
1:  mov 0(%rsp), %rax
    mov 8(%rsp), %rsi
    mov $-1, %rdx
    syscall
    decq 16(%rsp)
    jnz 1b
    add $24, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

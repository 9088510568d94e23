/* Entering a guest, and copies that may fault (lib/rt/include/rt/guest.h). */
    .text

/* enum status guest_enter(uint64_t guest, uint64_t state, uint64_t offset, uint64_t *reason_out) */
    .global guest_enter
guest_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rcx
    mov $32, %eax
    syscall
    pop %rsi
    mov %rdx, (%rsi)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* size_t guest_copy_bytes(void *to, const void *from, size_t size_bytes): bytes not copied. Words
 * of r8 bytes: first 8, then 1. A fault among the long ones begins again with short ones, so that
 * every byte up to the bad one is copied.
 */
    .global guest_copy_bytes
guest_copy_bytes:
    mov %rdx, %rcx
    shr $3, %rcx
    and $7, %edx
    mov $8, %r8d
    .global guest_copy_start
guest_copy_start:
    rep movsq
    mov %rdx, %rcx
.Lbytes:
    mov $1, %r8d
    rep movsb
    .global guest_copy_end
guest_copy_end:
    xor %eax, %eax
    ret
    .global guest_copy_recover
guest_copy_recover:
    mov %rcx, %rax
    cmp $1, %r8d
    je 1f
    lea (%rdx, %rcx, 8), %rcx
    jmp .Lbytes
1:  ret

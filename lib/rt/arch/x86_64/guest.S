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

/* Between guest_copy_start and guest_copy_end a fault goes on at guest_copy_recover.
 *
 * size_t guest_copy_bytes(void *to, const void *from, size_t size_bytes): bytes not copied. Words
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
    xor %eax, %eax
    ret

/* int guest_word_load(const uint32_t *word, uint32_t *value_out): 0, or 1 if it faulted
 * (r8 is 0). */
    .global guest_word_load
guest_word_load:
    xor %r8d, %r8d
    mov (%rdi), %eax
    mov %eax, (%rsi)
    xor %eax, %eax
    ret

/* int guest_word_exchange(uint32_t *word, uint32_t expected, uint32_t desired, uint32_t *old_out):
 * the same. */
    .global guest_word_exchange
guest_word_exchange:
    xor %r8d, %r8d
    mov %esi, %eax
    lock cmpxchg %edx, (%rdi)
    mov %eax, (%rcx)
    xor %eax, %eax
    ret

    .global guest_copy_end
guest_copy_end:
    .global guest_copy_recover
guest_copy_recover:
    test %r8d, %r8d
    jz 2f
    mov %rcx, %rax
    cmp $1, %r8d
    je 1f
    lea (%rdx, %rcx, 8), %rcx
    jmp .Lbytes
1:  ret
2:  mov $1, %eax
    ret

/* Entering a guest, and copies that may fault (lib/rt/include/rt/guest.h). */
    .text

/* enum status guest_enter(uint64_t guest, uint64_t state, uint64_t offset, uint64_t *reason_out) */
    .global guest_enter
guest_enter:
    stp x29, x30, [sp, #-112]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    str x3, [sp, #96]
    mov x8, #32
    svc #0
    ldr x2, [sp, #96]
    str x1, [x2]
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #112
    ret

/* Between guest_copy_start and guest_copy_end a fault goes on at guest_copy_recover.
 *
 * size_t guest_copy_bytes(void *to, const void *from, size_t size_bytes): bytes not copied. x3 is
 * not 1 among the long steps, of 64 and of 8 bytes. A fault there begins again with short ones,
 * from the start of the step, so that every byte up to the bad one is copied.
 */
    .global guest_copy_bytes
guest_copy_bytes:
    mov x3, #8
    .global guest_copy_start
guest_copy_start:
    cmp x2, #64
    b.lo .Lwords
1:  ldp x4, x5, [x1]
    ldp x6, x7, [x1, #16]
    ldp x8, x9, [x1, #32]
    ldp x10, x11, [x1, #48]
    stp x4, x5, [x0]
    stp x6, x7, [x0, #16]
    stp x8, x9, [x0, #32]
    stp x10, x11, [x0, #48]
    add x1, x1, #64
    add x0, x0, #64
    sub x2, x2, #64
    cmp x2, #64
    b.hs 1b
.Lwords:
    cmp x2, #8
    b.lo .Lbytes
    ldr x4, [x1]
    str x4, [x0]
    add x1, x1, #8
    add x0, x0, #8
    sub x2, x2, #8
    b .Lwords
.Lbytes:
    mov x3, #1
    cbz x2, .Ldone
1:  ldrb w4, [x1]
    strb w4, [x0]
    add x1, x1, #1
    add x0, x0, #1
    subs x2, x2, #1
    b.ne 1b
.Ldone:
    mov x0, x2
    ret

/* int guest_word_load(const uint32_t *word, uint32_t *value_out): 0, or 1 if it faulted
 * (x3 is 0). */
    .global guest_word_load
guest_word_load:
    mov x3, #0
    ldar w4, [x0]
    str w4, [x1]
    mov w0, #0
    ret

/* int guest_word_exchange(uint32_t *word, uint32_t expected, uint32_t desired, uint32_t *old_out):
 * the same. */
    .global guest_word_exchange
guest_word_exchange:
    mov x5, x3
    mov x3, #0
1:  ldaxr w4, [x0]
    cmp w4, w1
    b.ne 2f
    stlxr w6, w2, [x0]
    cbnz w6, 1b
    dmb ish
    b 3f
2:  clrex
3:  str w4, [x5]
    mov w0, #0
    ret

    .global guest_copy_end
guest_copy_end:
    .global guest_copy_recover
guest_copy_recover:
    cbz x3, 1f
    cmp x3, #1
    b.ne .Lbytes
    b .Ldone
1:  mov w0, #1
    ret

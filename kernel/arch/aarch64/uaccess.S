/* Copies between the kernel and user memory, by the unprivileged loads and stores: the MMU checks
 * them as if user mode made them, PAN or not, so there is no window to open and close.
 *
 * x2 counts what is left and is lowered only after a step is complete. A fault in a wide step falls
 * back to single bytes, so that the result is exact; a fault in a byte ends the copy.
 */

    .macro guarded fixup, instruction:vararg
9999: \instruction
    .pushsection .extable, "a"
    .balign 4
    .long   9999b - .
    .long   \fixup - .
    .popsection
    .endm

    .text
    .global arch_copy_from_user
    .type arch_copy_from_user, %function
arch_copy_from_user:
    subs    x3, x2, #32
    b.lo    2f
1:  guarded 4f, ldtr x4, [x1]
    guarded 4f, ldtr x5, [x1, #8]
    guarded 4f, ldtr x6, [x1, #16]
    guarded 4f, ldtr x7, [x1, #24]
    add     x1, x1, #32
    stp     x4, x5, [x0]
    stp     x6, x7, [x0, #16]
    add     x0, x0, #32
    mov     x2, x3
    subs    x3, x3, #32
    b.hs    1b
2:  subs    x3, x2, #8
    b.lo    4f
3:  guarded 4f, ldtr x4, [x1]
    add     x1, x1, #8
    str     x4, [x0], #8
    mov     x2, x3
    subs    x3, x3, #8
    b.hs    3b
4:  cbz     x2, 6f
5:  guarded 6f, ldtrb w4, [x1]
    add     x1, x1, #1
    strb    w4, [x0], #1
    subs    x2, x2, #1
    b.ne    5b
6:  mov     x0, x2
    ret
    .size arch_copy_from_user, . - arch_copy_from_user

    .global arch_copy_to_user
    .type arch_copy_to_user, %function
arch_copy_to_user:
    subs    x3, x2, #32
    b.lo    2f
1:  ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    guarded 4f, sttr x4, [x0]
    guarded 4f, sttr x5, [x0, #8]
    guarded 4f, sttr x6, [x0, #16]
    guarded 4f, sttr x7, [x0, #24]
    add     x1, x1, #32
    add     x0, x0, #32
    mov     x2, x3
    subs    x3, x3, #32
    b.hs    1b
2:  subs    x3, x2, #8
    b.lo    4f
3:  ldr     x4, [x1]
    guarded 4f, sttr x4, [x0]
    add     x1, x1, #8
    add     x0, x0, #8
    mov     x2, x3
    subs    x3, x3, #8
    b.hs    3b
4:  cbz     x2, 6f
5:  ldrb    w4, [x1]
    guarded 6f, sttrb w4, [x0]
    add     x1, x1, #1
    add     x0, x0, #1
    subs    x2, x2, #1
    b.ne    5b
6:  mov     x0, x2
    ret
    .size arch_copy_to_user, . - arch_copy_to_user

/* bool semihosting_exit(uint64_t code) - true never comes back; false: nobody listens and the HLT
 * was an undefined instruction. SYS_EXIT_EXTENDED with ADP_Stopped_ApplicationExit.
 */
    .global semihosting_exit
    .type semihosting_exit, %function
semihosting_exit:
    stp     x29, x30, [sp, #-32]!
    mov     x29, sp
    mov     x1, #0x26
    movk    x1, #2, lsl #16
    stp     x1, x0, [sp, #16]
    add     x1, sp, #16
    mov     w0, #0x20
    guarded 1f, hlt #0xf000
1:  mov     w0, #0
    ldp     x29, x30, [sp], #32
    ret
    .size semihosting_exit, . - semihosting_exit

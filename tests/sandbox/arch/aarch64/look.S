/* uint64_t sandbox_enter_and_look(uint64_t guest): all but x0 and x1. */
    .text
    .global sandbox_enter_and_look
sandbox_enter_and_look:
    stp x29, x30, [sp, #-96]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    mov x1, #0
    mov x2, #0
    mov x8, #32
    svc #0
    mov x0, x2
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    orr x0, x0, x\n
    .endr
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret

/* void sandbox_turns(uint64_t guest, uint64_t times): enter, in eight instructions a turn. */
    .global sandbox_turns
sandbox_turns:
    stp x29, x30, [sp, #-112]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp x0, x1, [sp, #96]
1:  ldr x0, [sp, #96]
    mov x1, #0
    mov x8, #32
    svc #0
    ldr x1, [sp, #104]
    sub x1, x1, #1
    str x1, [sp, #104]
    cbnz x1, 1b
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #112
    ret

/* Kernel stacks: change from one to another (struct in context.c: x19 to x30, lowest address
 * first).
 */

    .text
    .global arch_stack_swap
    .type arch_stack_swap, %function
arch_stack_swap:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    mov     x9, sp
    str     x9, [x0]
    mov     sp, x1
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret
    .size arch_stack_swap, . - arch_stack_swap

/* The first return on a fresh stack comes here, with main in x19 and its argument in x20. */
    .global stack_begin
    .type stack_begin, %function
stack_begin:
    mov     x0, x20
    mov     x29, xzr
    mov     x30, xzr
    blr     x19
    brk     #0                      /* main must not return */
    .size stack_begin, . - stack_begin

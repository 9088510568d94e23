/* Where a handler returns to. Debuggers and unwinders know the two instructions. */
    .section .sigreturn, "ax"
    .global __kernel_rt_sigreturn
    .type __kernel_rt_sigreturn, %function
__kernel_rt_sigreturn:
    mov x8, #139
    svc #0
    .size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn
    .section .note.GNU-stack, "", %progbits

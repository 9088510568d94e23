/* What the tests' guests do. x0: argument, x1: second, x19: counter, x8: number. */
#ifdef CONFIG_TESTS
    .arch_extension fp
    .arch_extension simd
    .macro snippet name
    .balign 16
    .global guest_code_\name
guest_code_\name:
    .endm

    .section .user_flat, "a"
    .balign 4096
    .global guest_code_start
guest_code_start:

    snippet call
1:  svc #0
    b 1b

    snippet spin
1:  add x19, x19, #1
    b 1b

    snippet load
    ldr x0, [x0]
    svc #0

    snippet store
    str x1, [x0]
    svc #0

    snippet undefined
    .inst 0

    snippet step
    nop
    nop
    svc #0

    snippet jump
    br x0

    snippet reply
1:  mov x8, x1
    svc #0
    subs x19, x19, #1
    b.ne 1b
    mov x8, #500
    svc #0

/* Vector registers hold the argument from here to everywhere. */
    snippet vector
    mov x12, x0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    dup v\n\().2d, x0
    .endr
1:  mov x2, #3000
2:  subs x2, x2, #1
    b.ne 2b
    mov x0, #0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    mov x3, v\n\().d[1]
    eor x3, x3, x12
    orr x0, x0, x3
    .endr
    add x19, x19, x0
    mov x8, #500
    svc #0
    b 1b

/* Ways into the kernel, and what is the kernel's alone. */
    snippet trap_0
    hvc #0
    snippet trap_1
    smc #0
    snippet trap_2
    msr daifclr, #2
    snippet trap_3
    mrs x0, sctlr_el1
    snippet trap_4
    msr ttbr0_el1, x0
    snippet trap_5
    eret
    snippet trap_6
    tlbi vmalle1
    snippet trap_7
    brk #1
    snippet trap_8
    msr spsel, #1
    snippet trap_9
    mrs x0, tpidr_el1
    snippet trap_10
    msr daifset, #2
    snippet trap_11
    hlt #1
    snippet trap_12
    at s1e1r, x0
    snippet trap_13
    msr mdscr_el1, x0
    snippet trap_14
    dc isw, x0
    snippet trap_15
    msr vbar_el1, x0

/* Flags that the sandbox and the next guest must not see. */
    snippet upset
    mov x0, #0xf0000000
    msr nzcv, x0
    mov x8, #500
    svc #0

    .global guest_code_end
guest_code_end:
#endif

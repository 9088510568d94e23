/* Register patterns and faults for the kernel's tests. */
    .text

/* uint64_t guest_check_registers(uint64_t seed): x0 = seed. Every register holds seed + n; half of
 * the time a system call (an unknown number) happens in between, which may change x0 and x1 only.
 */
    .global guest_check_registers
guest_check_registers:
    stp x29, x30, [sp, #-112]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    str x0, [sp, #96]
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    add x\n, x0, #\n
    .endr
    tbz x0, #0, 1f
    svc #0
    ldr x0, [sp, #96]
    add x1, x0, #1
    b 3f
1:  mov x0, #2000
2:  sub x0, x0, #1
    cbnz x0, 2b
    ldr x0, [sp, #96]
3:
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
    sub x\n, x\n, x0
    cmp x\n, #\n
    b.ne 4f
    .endr
    mov x0, #0
    b 5f
4:  mov x0, #1
5:  ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #112
    ret

/* uint64_t guest_check_vector(uint64_t seed, uint64_t spins): both halves of v0-v31; v8-v15 keep
 * their low halves for the caller.
 */
    .global guest_check_vector
guest_check_vector:
    stp d8, d9, [sp, #-64]!
    stp d10, d11, [sp, #16]
    stp d12, d13, [sp, #32]
    stp d14, d15, [sp, #48]
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    add x2, x0, #\n
    dup v\n\().2d, x2
    .endr
1:  subs x1, x1, #1
    b.gt 1b
    mov x3, #0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    add x2, x0, #\n
    mov x4, v\n\().d[0]
    eor x4, x4, x2
    orr x3, x3, x4
    mov x4, v\n\().d[1]
    eor x4, x4, x2
    orr x3, x3, x4
    .endr
    cmp x3, #0
    cset x0, ne
    ldp d10, d11, [sp, #16]
    ldp d12, d13, [sp, #32]
    ldp d14, d15, [sp, #48]
    ldp d8, d9, [sp], #64
    ret

    .global guest_read_vector
guest_read_vector:
    mov x0, #0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    mov x1, v\n\().d[0]
    orr x0, x0, x1
    mov x1, v\n\().d[1]
    orr x0, x0, x1
    .endr
    ret

/* void guest_fault(uint64_t kind) */
    .global guest_fault
guest_fault:
    adr x1, table
    ldrsw x0, [x1, x0, lsl #2]
    add x1, x1, x0
    br x1
undefined:
    udf #0
    ret
privileged:
    msr daifset, #2
    ret
breakpoint:
    brk #0
    ret
halt:
    wfi
    ret
system_state:
    msr ttbr0_el1, xzr
    ret
bad_stack:
    mov x0, #0xffff000000000000
    mov sp, x0
    str x0, [sp, #-16]!
    ret
non_canonical:
    mov x0, #0x1000000000000
    br x0
    .balign 4
table:
    .word undefined - table
    .word privileged - table
    .word breakpoint - table
    .word halt - table
    .word system_state - table
    .word bad_stack - table
    .word non_canonical - table

/* void guest_calls(uint64_t number, uint64_t times): four instructions a turn, call included. */
    .global guest_calls
guest_calls:
    mov x8, x0
    mov x9, x1
1:  mov x0, #0
    svc #0
    subs x9, x9, #1
    b.ne 1b
    ret

/* uint64_t guest_ipc_loop(uint64_t number, uint64_t endpoint, uint64_t reply, uint64_t info,
 *                         uint64_t times): word 0 is `reply`; seven instructions a
 * turn, call included.
 */
    .global guest_ipc_loop
guest_ipc_loop:
    mov x13, x0
    mov x14, x1
    mov x15, x3
    mov x16, x4
    mov x3, x2
    mov x4, x2
1:  mov x8, x13
    mov x0, x14
    mov x1, x15
    mov x2, #-1
    svc #0
    subs x16, x16, #1
    b.ne 1b
    ret

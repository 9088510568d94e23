/* enum status ipc_raw(uint64_t number, uint64_t endpoint, uint64_t reply, uint64_t deadline_ns,
 *                     struct ipc_message *message)
 *
 * All eight words go into registers, and come back: the kernel passes on those that info counts.
 */
    .text
    .global ipc_raw
ipc_raw:
    mov x13, x4
    mov x8, x0
    mov x0, x1
    mov x14, x2
    mov x2, x3
    mov x3, x14
    ldr x1, [x13]
    ldp x4, x5, [x13, #16]
    ldp x6, x7, [x13, #32]
    ldp x9, x10, [x13, #48]
    ldp x11, x12, [x13, #64]
    svc #0
    cbnz x0, 1f
    stp x1, x2, [x13]
    stp x4, x5, [x13, #16]
    stp x6, x7, [x13, #32]
    stp x9, x10, [x13, #48]
    stp x11, x12, [x13, #64]
1:  ret

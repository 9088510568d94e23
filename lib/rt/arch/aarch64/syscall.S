/* The system call instruction. */
/* enum status syscall_raw(uint64_t number, const uint64_t argument[6], uint64_t *value_out) */
    .text
    .global syscall_raw
syscall_raw:
    mov x9, x2
    mov x8, x0
    mov x10, x1
    ldp x0, x1, [x10]
    ldp x2, x3, [x10, #16]
    ldp x4, x5, [x10, #32]
    svc #0
    cbz x9, 1f
    str x1, [x9]
1:  ret

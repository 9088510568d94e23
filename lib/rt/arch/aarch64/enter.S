/* NORETURN void rt_enter(uint64_t entry, uint64_t stack_top, uint64_t argument) */
    .text
    .global rt_enter
rt_enter:
    mov x9, x0
    mov sp, x1
    mov x0, x2
    mov x29, xzr
    mov x30, xzr
    br x9

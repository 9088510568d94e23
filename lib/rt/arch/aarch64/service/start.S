/* The entry of a service: the start-up block is in x0, the stack is 16-aligned. */
    .section .text.start, "ax"
    .global _start
    .hidden _DYNAMIC, __ehdr_start, rt_relocate, rt_start
_start:
    mov x29, xzr
    mov x30, xzr
    mov x19, x0
    adrp x0, __ehdr_start
    add x0, x0, :lo12:__ehdr_start
    adrp x1, _DYNAMIC
    add x1, x1, :lo12:_DYNAMIC
    bl rt_relocate
    mov x0, x19
    bl rt_start
    udf #0

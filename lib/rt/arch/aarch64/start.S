/* The entry of a flat program.
 *
 * The kernel enters _start with the argument in x0 and a 16-aligned stack pointer.
 */
    .section .text.start, "ax"
    .global _start
_start:
    mov x29, xzr
    mov x30, xzr
    bl main
    bl thread_exit

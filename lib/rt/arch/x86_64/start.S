/* The entry of a flat program.
 *
 * The kernel enters _start with the argument in rdi and a 16-aligned stack pointer.
 */
    .section .text.start, "ax"
    .global _start
_start:
    xor %ebp, %ebp
    call main
    call thread_exit

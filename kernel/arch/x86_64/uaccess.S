/* Copies that may fault on their user side. An instruction that may is listed in .extable with the
 * place where to go on; registers are then as the fault left them.
 *
 * Eight bytes at a time, then the rest: a software CPU spends as long on a byte as on a word.
 */
.macro MAY_FAULT at, fixup
    .pushsection .extable, "a", @progbits
    .quad \at, \fixup
    .popsection
.endm

    .section .text.x86_copy_user, "ax", @progbits
    .balign 16
    .globl arch_copy_from_user
    .globl arch_copy_to_user
    .type arch_copy_from_user, @function
    .type arch_copy_to_user, @function
/* size_t (void *to, const void *from, size_t size_bytes): bytes not copied. One of the two is the
 * user's.
 */
arch_copy_from_user:
arch_copy_to_user:
    mov %rdx, %rcx
    shr $3, %rcx
    and $7, %edx
    cmpb $0, x86_smap(%rip)
    je .Lwords
    stac
.Lwords:
    rep movsq
    mov %edx, %ecx
.Lbytes:
    rep movsb
.Lbytes_done:
    mov %rcx, %rax
.Lout:
    cmpb $0, x86_smap(%rip)
    je .Lreturn
    clac
.Lreturn:
    ret
.Lwords_fixup:
    lea (%rdx, %rcx, 8), %rax
    jmp .Lout
    MAY_FAULT .Lwords, .Lwords_fixup
    MAY_FAULT .Lbytes, .Lbytes_done
    .size arch_copy_from_user, . - arch_copy_from_user
    .size arch_copy_to_user, . - arch_copy_to_user

    .section .note.GNU-stack, "", @progbits

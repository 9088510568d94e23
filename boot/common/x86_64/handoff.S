/* The way into the kernel's address space, and the way in for CPUs that start in real mode.
 *
 * This code is copied to a page of its own below 1 MiB, which both address spaces map at the same
 * address, so it is position independent. The page's end holds the data, at fixed offsets that
 * handoff.h names too.
 */
#include "handoff.h"

#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define EFER_NXE 0x800
#define CR0_PE   0x1

.section .text.handoff, "ax"
.global handoff_start, handoff_enter, handoff_end

/* A start-up interrupt begins here: CS = page / 16, IP = 0. The CPU has one job: to reach 64-bit
 * mode on the kernel's page tables, then to wait.
 */
.code16
handoff_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx
    lgdtl HANDOFF_GDTR_LOW
    movl %cr0, %eax
    orl $CR0_PE, %eax
    movl %eax, %cr0
    ljmpl *HANDOFF_FAR_32

.code32
.global handoff_protected
handoff_protected:
    movw $HANDOFF_DATA_32, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl HANDOFF_CR4(%ebx), %eax
    movl %eax, %cr4
    movl HANDOFF_ROOT(%ebx), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    orl HANDOFF_NXE(%ebx), %eax
    wrmsr
    movl HANDOFF_CR0(%ebx), %eax
    movl %eax, %cr0
    ljmpl *HANDOFF_FAR_64(%ebx)

/* rbx: the page. From here on everything is reached through the direct map. */
.code64
.global handoff_long
handoff_long:
    movl %ebx, %ebx
    movq HANDOFF_AP_STACK(%rbx), %rsp
    movq HANDOFF_AP_INFO(%rbx), %r12
    call handoff_segments
    xorl %ebp, %ebp
    movq HANDOFF_AP_SETUP(%rbx), %rax
    call *%rax
    movl $1, %eax
    xchgl %eax, HANDOFF_AP_READY(%rbx)

    /* Wait for an address. r12: the CPU's limine_smp_info in the direct map. */
1:  pause
    movq HANDOFF_INFO_GOTO(%r12), %rax
    testq %rax, %rax
    jz 1b
    movq %r12, %rdi
    jmp handoff_jump

/* void handoff_enter(page): the boot CPU, on the old page tables. */
handoff_enter:
    movq %rdi, %rbx
    movq HANDOFF_ROOT(%rbx), %rax
    movq %rax, %cr3
    movq HANDOFF_STACK(%rbx), %rsp
    call handoff_segments
    movq HANDOFF_ENTRY(%rbx), %rax
    xorl %edi, %edi

/* Jump to rax with rdi as it is, everything else zero, and 0 for a return address. */
handoff_jump:
    pushq $0
    pushq %rax
    pushq $2
    popfq
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    ret

/* Load the protocol's GDT and selectors. */
handoff_segments:
    lgdt HANDOFF_GDTR_HIGH(%rbx)
    movl $HANDOFF_DATA_64, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    popq %rcx
    pushq $HANDOFF_CODE_64
    pushq %rcx
    lretq
handoff_end:

#ifdef __ELF__
.section .note.GNU-stack, "", @progbits
#endif

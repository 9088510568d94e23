/* The way into the kernel's address space, and the way in for CPUs that PSCI starts with their MMU
 * off.
 *
 * This code is copied to a page of its own, which the kernel's tables map at its physical address,
 * and cleaned out of the caches: it runs with the MMU off for a moment. Position independent; the
 * page's end holds the data, at the offsets of handoff.h.
 */
#include "el2.inc"

.section .text.handoff, "ax"
.global handoff_start, handoff_cpu, handoff_enter, handoff_end

.balign 8
handoff_start:

/* handoff_enter(page): the boot CPU, at EL1 or EL2, in the loader's address space. */
handoff_enter:
    msr daifset, #15
    mov x20, x0
    ldr x21, [x20, #HANDOFF_STACK]
    ldr x19, [x20, #HANDOFF_ENTRY]
    ldr x22, [x20, #HANDOFF_HHDM]
    ldr x23, [x20, #HANDOFF_MAIR]
    ldr x24, [x20, #HANDOFF_TCR]
    ldr x25, [x20, #HANDOFF_TTBR0]
    ldr x26, [x20, #HANDOFF_TTBR1]
    el2_leave
    bl handoff_translate
    msr spsel, #0
    mov sp, x21
    mov x0, xzr
    b handoff_jump

/* x0: the CPU's limine_smp_info, physical. EL1 or EL2, MMU off. */
handoff_cpu:
    msr daifset, #15
    mov x19, x0
    adr x20, handoff_start
    ldr x21, [x19, #HANDOFF_INFO_STACK]
    ldr x22, [x20, #HANDOFF_HHDM]
    ldr x23, [x20, #HANDOFF_MAIR]
    ldr x24, [x20, #HANDOFF_TCR]
    ldr x25, [x20, #HANDOFF_TTBR0]
    ldr x26, [x20, #HANDOFF_TTBR1]
    el2_leave
    bl handoff_translate
    msr spsel, #0
    mov sp, x21

    /* Say that the stack is taken, and wait for an address. The exclusive load arms the event. */
    add x0, x19, x22
    add x1, x0, #HANDOFF_INFO_STACK
    stlr xzr, [x1]
    add x1, x0, #HANDOFF_INFO_GOTO
    sevl
1:  wfe
    ldaxr x19, [x1]
    cbz x19, 1b
    clrex

/* Jump to x19 with x0 as it is and everything else zero. */
handoff_jump:
    mov x1, #SPSR_EL1T
    msr spsr_el1, x1
    msr elr_el1, x19
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    mov x5, xzr
    mov x6, xzr
    mov x7, xzr
    mov x8, xzr
    mov x9, xzr
    mov x10, xzr
    mov x11, xzr
    mov x12, xzr
    mov x13, xzr
    mov x14, xzr
    mov x15, xzr
    mov x16, xzr
    mov x17, xzr
    mov x18, xzr
    mov x19, xzr
    mov x20, xzr
    mov x21, xzr
    mov x22, xzr
    mov x23, xzr
    mov x24, xzr
    mov x25, xzr
    mov x26, xzr
    mov x27, xzr
    mov x28, xzr
    mov x29, xzr
    mov x30, xzr
    isb
    eret

/* Change translation: x23 MAIR, x24 TCR, x25 TTBR0, x26 TTBR1. Off in between, so that nothing is
 * looked up with half of the new values. Uses x0.
 */
handoff_translate:
    ldr x0, =SCTLR_EL1_OFF
    dsb sy
    msr sctlr_el1, x0
    isb
    msr mair_el1, x23
    msr tcr_el1, x24
    msr ttbr0_el1, x25
    msr ttbr1_el1, x26
    isb
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x0, =SCTLR_EL1_ENTRY
    msr sctlr_el1, x0
    isb
    ret
.ltorg
handoff_end:

#ifdef __ELF__
.section .note.GNU-stack, "", %progbits
#endif

/* Where the loader hands over: the boot CPU at kernel_entry, the others at secondary_entry. Both
 * arrive at EL1 with the loader's tables and with SP_EL0 selected (SPSel = 0), which would make the
 * first exception use the wrong vectors; so the stack pointer comes first.
 */
#include <asm_offsets.h>

    .section .text.entry, "ax"

    .macro exception_setup scratch
    msr     daifset, #0xf
    msr     spsel, #1
    msr     cpacr_el1, xzr          /* no vector instructions until a thread uses one */
    msr     tpidrro_el0, xzr
    adrp    \scratch, vectors
    add     \scratch, \scratch, :lo12:vectors
    msr     vbar_el1, \scratch
    .endm

    .global kernel_entry
    .type kernel_entry, %function
kernel_entry:
    exception_setup x0
    msr     tpidr_el1, xzr          /* the vectors know: no CPU structure yet */
    isb
    adrp    x0, boot_stack_top
    add     x0, x0, :lo12:boot_stack_top
    mov     sp, x0
    mov     x29, xzr
    mov     x30, xzr
    bl      kernel_main
1:  wfi
    b       1b
    .size kernel_entry, . - kernel_entry

/* x0: struct limine_smp_info, in the loader's memory. The stack is mapped in the kernel's tables
 * only, so everything up to the switch happens in registers.
 */
    .global secondary_entry
    .type secondary_entry, %function
secondary_entry:
    dmb     ishld                   /* the loader's look at goto_address comes first */
    ldr     x19, [x0, #SMP_INFO_ARGUMENT]   /* struct cpu */
    exception_setup x1
    msr     tpidr_el1, x19
    isb
    adrp    x20, mmu_tables
    add     x20, x20, :lo12:mmu_tables
    mov     x0, x20
    bl      mmu_setup
    mov     x0, x20
    bl      mmu_switch_kernel_root
    ldr     x1, [x20, #8]                   /* mmu_tables.empty_root */
    msr     ttbr0_el1, x1
    isb
    ldr     x1, [x19, #CPU_STACK_TOP]
    mov     sp, x1
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x19
    b       cpu_secondary_main
    .size secondary_entry, . - secondary_entry

/* The layout of struct mmu_tables (mmu.c): kernel root, empty root, identity root, trampoline's
 * physical address, MAIR, TCR.
 *
 * mmu_setup(x0: struct mmu_tables): attributes and geometry, and the identity tables in TTBR0. The
 * loader's attributes (the low half of MAIR) stay. Uses no stack, changes x1 to x3.
 */
    .global mmu_setup
    .type mmu_setup, %function
mmu_setup:
    mrs     x1, mair_el1
    ldr     x2, [x0, #32]
    mov     w1, w1
    orr     x1, x1, x2
    msr     mair_el1, x1
    ldr     x2, [x0, #40]
    msr     tcr_el1, x2
    ldr     x3, [x0, #16]
    msr     ttbr0_el1, x3
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    ret
    .size mmu_setup, . - mmu_setup

/* mmu_switch_kernel_root(x0: struct mmu_tables): replace the tables that map the running code,
 * without a moment in which two different translations of one address could meet in the TLB: run
 * from the identity map while TTBR1 leads to an empty table. TTBR0 must hold the identity tables.
 * Uses no stack, changes x1 to x4.
 */
    .global mmu_switch_kernel_root
    .type mmu_switch_kernel_root, %function
mmu_switch_kernel_root:
    ldp     x1, x2, [x0]
    ldr     x3, [x0, #24]
    adr     x4, 1f
    br      x3
1:  ret
    .size mmu_switch_kernel_root, . - mmu_switch_kernel_root

    .balign 64
    .global mmu_trampoline
    .type mmu_trampoline, %function
mmu_trampoline:
    msr     ttbr1_el1, x2
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    msr     ttbr1_el1, x1
    isb
    br      x4
    .size mmu_trampoline, . - mmu_trampoline

/* Stacks of the boot CPU until it has better ones. */
    .section .bss.boot_stack, "aw", %nobits
    .balign 4096
    .space 32768
    .global boot_stack_top
boot_stack_top:
    .space OVERFLOW_SIZE
    .global boot_overflow_stack_top
boot_overflow_stack_top:

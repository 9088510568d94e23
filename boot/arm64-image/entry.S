/* aarch64 without UEFI: the header and entry of an arm64 Image (Linux's
 * Documentation/arm64/booting). Anywhere in memory, at EL1 or EL2, MMU off, x0 = device tree. From
 * here to C at EL1 with caches on.
 */
#include "../common/aarch64/el2.inc"

#define R_AARCH64_RELATIVE 1027

/* Two kinds of 1 GiB blocks: write-back memory, and device memory that is never executed. */
#define BLOCK_NORMAL 0x701
#define BLOCK_DEVICE 0x405
#define BLOCK_NEVER_EXECUTE (3 << 53)
#define BLOCK_SHIFT  30

#define MAIR_VALUE   0x00ff /* index 0 write-back, 1 device */
#define TCR_VALUE    (25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23) /* 39 bits, no TTBR1 */

.section .text.entry, "ax"
.global image_start
image_start:
    b image_entry
    .long 0
    .quad 0                      /* offset from a 2 MiB boundary */
    .quad image_size             /* from the linker script */
    .quad 0xa                    /* little endian, 4 KiB pages, anywhere */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

image_entry:
    msr daifset, #15
    mov x19, x0
    el2_leave
    ldr x0, =SCTLR_EL1_OFF
    msr sctlr_el1, x0
    isb

    /* The file does not contain what is zero. */
    adrp x20, bss_start
    add x20, x20, :lo12:bss_start
    adrp x21, bss_end
    add x21, x21, :lo12:bss_end
1:  stp xzr, xzr, [x20], #16
    cmp x20, x21
    b.lo 1b

    /* Linked at 0: add where we are to every pointer that the linker recorded. */
    adrp x22, image_start
    adrp x0, rela_start
    add x0, x0, :lo12:rela_start
    adrp x1, rela_end
    add x1, x1, :lo12:rela_end
2:  cmp x0, x1
    b.hs 4f
    ldp x2, x3, [x0], #16
    ldr x4, [x0], #8
    cmp w3, #R_AARCH64_RELATIVE
    b.ne 3f
    add x4, x4, x22
    str x4, [x2, x22]
    b 2b
3:  wfi
    b 3b

    /* One table: below the Image's own gigabyte are devices, from there on is memory. */
4:  adrp x0, image_table
    add x0, x0, :lo12:image_table
    mov x1, xzr
    lsr x2, x22, #BLOCK_SHIFT
    mov x3, #BLOCK_DEVICE
    movk x3, #(BLOCK_NEVER_EXECUTE >> 48), lsl #48
    mov x4, #BLOCK_NORMAL
5:  cmp x1, x2
    csel x5, x3, x4, lo
    orr x5, x5, x1, lsl #BLOCK_SHIFT
    str x5, [x0, x1, lsl #3]
    add x1, x1, #1
    cmp x1, #512
    b.lo 5b

    /* All that was written above went past the caches: what they hold of it is stale. */
    mrs x1, ctr_el0
    ubfx x1, x1, #16, #4
    mov x2, #4
    lsl x2, x2, x1
    mov x3, x22
    dsb sy
6:  dc ivac, x3
    add x3, x3, x2
    cmp x3, x21
    b.lo 6b
    dsb sy

    mrs x1, id_aa64mmfr0_el1
    and x1, x1, #15
    mov x2, #5
    cmp x1, x2
    csel x1, x1, x2, lo
    ldr x2, =TCR_VALUE
    orr x2, x2, x1, lsl #32
    msr tcr_el1, x2
    mov x1, #MAIR_VALUE
    msr mair_el1, x1
    msr ttbr0_el1, x0
    isb
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x0, =(SCTLR_EL1_OFF | 0x1005)
    msr sctlr_el1, x0
    isb

    adrp x0, image_stack_end
    add x0, x0, :lo12:image_stack_end
    mov sp, x0
    mov x29, xzr
    mov x30, xzr
    mov x0, x19
    bl start
7:  wfi
    b 7b
.ltorg

.section .bss.entry, "aw", %nobits
.balign 4096
image_table:
    .skip 4096
    .skip 32768
image_stack_end:

.section .note.GNU-stack, "", %progbits

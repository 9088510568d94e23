/* x86_64 without UEFI: one file that a PVH monitor (QEMU -kernel) and a Multiboot2 loader (GRUB)
 * both start in 32-bit protected mode. From here to 64-bit mode, with the first 4 GiB identity
 * mapped.
 */

#define MULTIBOOT2_MAGIC        0xe85250d6
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289
#define XEN_PHYS32_ENTRY        18

#define CR0_PG    0x80000000
#define CR4_PAE   0x20
#define MSR_EFER  0xc0000080
#define EFER_LME  0x100
#define MEMORY_PATTERN 0x5aa5c33c
#define PTE_TABLE 0x3
#define PTE_LARGE 0x83

/* Tells a PVH monitor where to start (Xen's public/elfnote.h: type 18). */
.section .note.pvh, "a", @note
.balign 4
    .long 4, 8, XEN_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

/* Multiboot2, section 3.1: within the first 32 KiB of the file. */
.section .multiboot2, "a"
.balign 8
multiboot2_header:
    .long MULTIBOOT2_MAGIC, 0, multiboot2_end - multiboot2_header
    .long -(MULTIBOOT2_MAGIC + 0 + (multiboot2_end - multiboot2_header))
    /* information we cannot do without: memory map */
    .balign 8
    .short 1, 0
    .long 12, 6
    /* a screen, if there is one */
    .balign 8
    .short 5, 1
    .long 20, 1024, 768, 32
    /* modules on page boundaries */
    .balign 8
    .short 6, 0
    .long 8
    /* our own entry, so that the two protocols are told apart */
    .balign 8
    .short 3, 0
    .long 12, multiboot2_entry
    .balign 8
    .short 0, 0
    .long 8
multiboot2_end:

.section .text.entry, "ax"
.code32
.global pvh_entry, multiboot2_entry

/* ebx: the start info. */
pvh_entry:
    xorl %edi, %edi
    jmp enter_long

/* eax: the loader's magic number; ebx: the boot information. */
multiboot2_entry:
    movl %eax, %edi

/* edi, ebx: arguments of start(); ebx is kept in esi. */
enter_long:
    cli
    cld
    movl $boot_stack_end, %esp
    movl %ebx, %esi /* cpuid writes ebx */

    /* A monitor may have put the file where there is no memory. What is tried is zero otherwise. */
    movl $MEMORY_PATTERN, loader_end - 4
    cmpl $MEMORY_PATTERN, loader_end - 4
    jne no_memory
    movl $0, loader_end - 4

    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc no_long_mode

    /* Four tables of 2 MiB pages. */
    movl $boot_directories, %eax
    movl $PTE_LARGE, %ecx
1:  movl %ecx, (%eax)
    addl $8, %eax
    addl $0x200000, %ecx
    jnc 1b

    movl $boot_pointers, %eax
    movl $boot_directories + PTE_TABLE, %ecx
    movl $4, %edx
2:  movl %ecx, (%eax)
    addl $8, %eax
    addl $4096, %ecx
    decl %edx
    jnz 2b
    movl $boot_pointers + PTE_TABLE, boot_root

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $boot_root, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PG, %eax
    movl %eax, %cr0
    lgdtl boot_gdtr
    ljmpl $8, $long_mode

/* Say why on the serial port, which the monitor or firmware left usable. Without a stack. */
no_memory:
    movl $no_memory_text, %esi
    jmp say
no_long_mode:
    movl $no_long_mode_text, %esi
say:
    movw $0x3f8, %dx
3:  lodsb
    testb %al, %al
    jz 4f
    outb %al, %dx
    jmp 3b
4:  hlt
    jmp 4b

.code64
long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl $boot_stack_end, %esp
    xorl %ebp, %ebp
    movl %edi, %edi
    movl %esi, %esi
    call start
5:  hlt
    jmp 5b

.section .rodata.entry, "a"
no_long_mode_text:
    .asciz "\r\nthemelios-boot: this CPU has no 64-bit mode\r\n"
no_memory_text:
    .asciz "\r\nthemelios-boot: not enough memory for the loader\r\n"
.balign 8
boot_gdt:
    .quad 0, 0x00209b0000000000, 0x0000930000000000
boot_gdtr:
    .short boot_gdtr - boot_gdt - 1
    .long boot_gdt

.section .bss.entry, "aw", @nobits
.balign 4096
boot_root:
    .skip 4096
boot_pointers:
    .skip 4096
boot_directories:
    .skip 4 * 4096
    .skip 32768
boot_stack_end:

.section .note.GNU-stack, "", @progbits

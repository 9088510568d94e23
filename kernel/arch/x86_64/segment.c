/* Descriptor tables: segments and the task state segment per CPU, one interrupt table for all. */
#include "regs.h"
#include "segment_impl.h"
#include "x86.h"
#include <kernel/kmap.h>
#include <kernel/thread.h>

extern const char x86_vector_stubs[];

/* syscall loads CS and SS from STAR[47:32] and that + 8; sysret CS from STAR[63:48] + 16 and SS
 * from that
 * + 8, both with privilege 3 (AMD64 APM vol. 3).
 */
_Static_assert(SELECTOR_KERNEL_DATA == SELECTOR_KERNEL_CODE + 8, "syscall");
_Static_assert(SELECTOR_USER_DATA == ((SELECTOR_KERNEL_DATA + 8) | 3), "sysret");
_Static_assert(SELECTOR_USER_CODE == ((SELECTOR_KERNEL_DATA + 16) | 3), "sysret");
_Static_assert(sizeof(struct tss) == 104, "the hardware's layout");
_Static_assert(offsetof(struct tss, ist) == 36, "the hardware's layout");

static struct idt_gate idt[256] ALIGNED(16);

/* The boot CPU needs its stacks before there is memory to allocate. */
static uint8_t boot_ist_stack[IST_COUNT - 1][IST_STACK_BYTES] ALIGNED(16);

uint64_t x86_segment_code(unsigned privilege)
{
    return SEGMENT_CODE_64 | (uint64_t)privilege << 45;
}

uint64_t x86_segment_data(unsigned privilege)
{
    return SEGMENT_DATA | (uint64_t)privilege << 45;
}

void x86_segment_tss(uint64_t slot[2], uint64_t base, uint32_t limit)
{
    slot[0] = SEGMENT_TSS_64 | (limit & 0xffff) | (base & 0xffffff) << 16 |
              (uint64_t)(limit >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
    slot[1] = base >> 32;
}

struct idt_gate x86_gate(uint64_t target, unsigned privilege, unsigned ist)
{
    return (struct idt_gate){
        .offset_low = (uint16_t)target,
        .selector = SELECTOR_KERNEL_CODE,
        .ist = (uint8_t)ist,
        .type = (uint8_t)(GATE_INTERRUPT | privilege << 5),
        .offset_middle = (uint16_t)(target >> 16),
        .offset_high = (uint32_t)(target >> 32),
    };
}

/* Only int3 is for the user to raise; any other `int n` is a general protection fault. */
static void idt_fill(void)
{
    for (unsigned vector = 0; vector < ARRAY_LEN(idt); vector++) {
        unsigned ist = vector == EXCEPTION_DOUBLE_FAULT    ? IST_DOUBLE_FAULT
                       : vector == EXCEPTION_NMI           ? IST_NMI
                       : vector == EXCEPTION_MACHINE_CHECK ? IST_MACHINE_CHECK
                                                           : IST_NONE;
        uint64_t target = (uint64_t)(uintptr_t)x86_vector_stubs + (uint64_t)vector * 16;
        idt[vector] = x86_gate(target, vector == EXCEPTION_BREAKPOINT ? 3 : 0, ist);
    }
}

/* entry.S finds the CPU in the word where the hardware began to push. */
static void ist_set(struct cpu *cpu, unsigned ist, void *stack_top)
{
    struct cpu **word = (struct cpu **)stack_top - 2;
    *word = cpu;
    cpu->arch.ist_top[ist] = stack_top;
    cpu->arch.tss.ist[ist - 1] = (uint64_t)(uintptr_t)word;
}

static void tables_fill(struct cpu *cpu)
{
    struct arch_cpu *arch = &cpu->arch;
    arch->tss.io_map_base = sizeof(struct tss); /* beyond the limit: no port is the user's */
    arch->gdt[GDT_KERNEL_CODE] = x86_segment_code(0);
    arch->gdt[GDT_KERNEL_DATA] = x86_segment_data(0);
    arch->gdt[GDT_USER_DATA] = x86_segment_data(3);
    arch->gdt[GDT_USER_CODE] = x86_segment_code(3);
    x86_segment_tss(&arch->gdt[GDT_TSS], (uint64_t)(uintptr_t)&arch->tss, sizeof(struct tss) - 1);
}

void x86_tables_init_boot_cpu(struct cpu *cpu)
{
    idt_fill();
    for (unsigned ist = 1; ist < IST_COUNT; ist++)
        ist_set(cpu, ist, boot_ist_stack[ist - 1] + IST_STACK_BYTES);
    tables_fill(cpu);
}

bool x86_tables_create(struct cpu *cpu)
{
    for (unsigned ist = 1; ist < IST_COUNT; ist++) {
        void *top;
        if (cpu->arch.ist_top[ist] != NULL)
            continue;
        if (kmap_stack_create(IST_STACK_BYTES, &top) != OK)
            return false;
        ist_set(cpu, ist, top);
    }
    tables_fill(cpu);
    return true;
}

static void load_segments(void)
{
    __asm__ volatile("pushq %0\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "mov %1, %%ss\n\t"
                     "mov %2, %%ds\n\t"
                     "mov %2, %%es\n\t"
                     "mov %2, %%fs\n\t"
                     :
                     : "i"(SELECTOR_KERNEL_CODE), "r"(SELECTOR_KERNEL_DATA), "r"(0)
                     : "rax", "memory");
}

void x86_tables_load(struct cpu *cpu)
{
    struct table_pointer gdt = { sizeof(cpu->arch.gdt) - 1, (uint64_t)(uintptr_t)cpu->arch.gdt };
    struct table_pointer interrupts = { sizeof(idt) - 1, (uint64_t)(uintptr_t)idt };

    /* A loaded TSS is marked busy, and a busy one cannot be loaded. */
    cpu->arch.gdt[GDT_TSS] &= ~SEGMENT_TSS_BUSY;
    __asm__ volatile("lgdt %0" : : "m"(gdt) : "memory");
    load_segments();
    __asm__ volatile("mov %0, %%gs" : : "r"(0) : "memory");
    arch_cpu_set_self(cpu); /* loading a selector cleared the base */
    __asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS) : "memory");
    __asm__ volatile("lldt %w0" : : "r"(0) : "memory");
    __asm__ volatile("lidt %0" : : "m"(interrupts) : "memory");
    __atomic_store_n(&cpu->arch.tables_loaded, 1, __ATOMIC_RELEASE);
}

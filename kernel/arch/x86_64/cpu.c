/* Bringing a CPU up: the order in which the other files' parts come to life. */
#include "regs.h"
#include "x86.h"
#include <arch/context.h>
#include <arch/cpu.h>
#include <kernel/boot_info.h>
#include <kernel/panic.h>
#include <limine.h>

const char arch_name[] = "x86_64";
char x86_cpu_self_order;

extern void x86_secondary_entry(struct limine_smp_info *info);

void arch_cpu_set_self(struct cpu *cpu)
{
    cpu->arch.self = cpu;
    wrmsr(MSR_GS_BASE, (uint64_t)(uintptr_t)cpu);
}

void arch_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

void arch_early_init(const struct boot_info *info)
{
    (void)info;
    struct cpu *cpu = cpu_self();
    x86_console_init();
    x86_tables_init_boot_cpu(cpu);
    x86_tables_load(cpu);
    x86_features_probe();
    /* What kmap_init's tables count on, should the loader not have done it. */
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    write_cr0(read_cr0() | CR0_WP);
}

void arch_init(const struct boot_info *info)
{
    (void)info;
    x86_pic_mask();
    x86_lapic_init();
    x86_clock_init();
    x86_ioapic_init();
    x86_console_platform_init();
}

/* XSAVE must be on in CR4 before its size can be asked for. */
void arch_cpu_init(struct cpu *cpu)
{
    x86_control_registers_init();
    if (cpu->index == 0)
        x86_vector_init();
    else
        x86_vector_cpu_init();
    cpu->arch.quick_word = cpu->index / 64;
    cpu->arch.quick_bit = x86_features.pcid ? 0 : BIT64(cpu->index % 64);
    x86_lapic_cpu_init();
}

/* ---- Secondary CPUs ---- */

bool arch_cpu_release(const struct boot_cpu *loader_cpu, struct cpu *cpu)
{
    struct limine_smp_info *info = loader_cpu->loader_cpu;
    if (info == NULL || !x86_tables_create(cpu))
        return false;
    x86_clock_meeting_prepare(cpu);
    info->extra_argument = (uint64_t)(uintptr_t)cpu;
    __atomic_store_n(&info->goto_address, x86_secondary_entry, __ATOMIC_RELEASE);
    return x86_clock_meet_secondary(cpu);
}

void x86_secondary_main(struct cpu *cpu)
{
    arch_cpu_set_self(cpu);
    x86_tables_load(cpu);
    if (!x86_clock_meet_boot_cpu(cpu))
        arch_halt(); /* too late: the boot CPU has gone on without this one */
    cpu_secondary_main(cpu);
}

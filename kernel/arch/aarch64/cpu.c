/* Bringing up the CPUs. */
#include "context_impl.h"
#include "firmware.h"
#include "gic.h"
#include "mmu_impl.h"
#include "pl011_impl.h"
#include "timer_impl.h"

#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch/timer.h>
#include <arch/trap.h>
#include <base/fmt.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/kmap.h>
#include <kernel/panic.h>
#include <limine.h>

/* SCTLR_EL1 (Arm ARM D17.2.118) */
#define SCTLR_RESERVED_1                                                                           \
    (BIT64(29) | BIT64(28) | BIT64(22) | BIT64(20) | BIT64(11) | BIT64(8) | BIT64(7))
#define SCTLR_MMU          BIT64(0)
#define SCTLR_CACHE        BIT64(2)
#define SCTLR_SP_ALIGNED   (BIT64(3) | BIT64(4)) /* EL1 and EL0 */
#define SCTLR_INSTRUCTIONS BIT64(12)
#define SCTLR_USER_CACHE                                                                           \
    (BIT64(14) | BIT64(15) | BIT64(26)) /* DC ZVA, CTR_EL0, cleaning by address */
#define SCTLR_USER_WFE BIT64(18)        /* WFE does not trap, WFI does */
#define SCTLR_WXN      BIT64(19)
#define SCTLR_KEEP_PAN BIT64(23) /* must be 1 where there is no PAN */

#define MDSCR_TDCC BIT64(12) /* user accesses to the debug channel trap */

#define VIRTUAL_TIMER_INTID 27
#define STOP_WAIT_NS        UINT64_C(100000000)

const char arch_name[] = "aarch64";

uint32_t arch_stop_requested;
static uint32_t stopped_count; /* [A] */
static char features[64];

extern char boot_overflow_stack_top[];
void secondary_entry(struct limine_smp_info *info);

void arch_cpu_set_self(struct cpu *cpu)
{
    /* A secondary CPU comes with one; the boot CPU's is in the image. */
    if (cpu->arch.overflow_stack_top == NULL)
        cpu->arch.overflow_stack_top = boot_overflow_stack_top;
    SYSREG_WRITE(tpidr_el1, (uint64_t)(uintptr_t)cpu);
    isb();
}

/* If the loader's answers were not even enough to know where the image lies, there is no console
 * and the reason stays unsaid.
 */
void arch_early_init(const struct boot_info *info)
{
    clock_init();
    if (info->image_virtual == 0)
        return;
    mmu_early_init(info);
    console_early_init(info);
}

void arch_init(const struct boot_info *info)
{
    (void)info;
    console_init();
    mmu_early_end();
    if (platform.timer_intid == 0)
        platform.timer_intid = VIRTUAL_TIMER_INTID;
    gic_init();
}

static bool has_pan(void)
{
    return ID_FIELD(SYSREG_READ(id_aa64mmfr1_el1), 20) != 0;
}

static bool has_uao(void)
{
    return ID_FIELD(SYSREG_READ(S3_0_C0_C7_2), 4) != 0;
}

static void control_registers_init(void)
{
    uint64_t sctlr = SCTLR_RESERVED_1 | SCTLR_MMU | SCTLR_CACHE | SCTLR_SP_ALIGNED |
                     SCTLR_INSTRUCTIONS | SCTLR_USER_CACHE | SCTLR_USER_WFE | SCTLR_WXN;
    if (!has_pan())
        sctlr |= SCTLR_KEEP_PAN;
    SYSREG_WRITE(sctlr_el1, sctlr);
    isb();
    __asm__ volatile("tlbi vmalle1\n\tdsb nsh\n\tisb" : : : "memory"); /* WXN may be cached */
    if (has_pan())
        __asm__ volatile(".inst 0xd500419f"); /* msr pan, #1 */
    if (has_uao())
        __asm__ volatile(".inst 0xd500407f"); /* msr uao, #0 */
    /* What user mode could use to count what others do, or to leave them a word: the debug channel,
     * the performance monitors and the activity monitors.
     */
    SYSREG_WRITE(mdscr_el1, MDSCR_TDCC);
    SYSREG_WRITE(oslar_el1, 0); /* no debugger outside has locked single steps away */
    if (ID_FIELD(SYSREG_READ(id_aa64dfr0_el1), 8) % 15 != 0)
        SYSREG_WRITE(pmuserenr_el0, 0);
    if (ID_FIELD(SYSREG_READ(id_aa64pfr0_el1), 44) != 0)
        SYSREG_WRITE(S3_3_C13_C2_3, 0); /* AMUSERENR_EL0 */
    isb();
}

static void describe_features(void)
{
    uint64_t mmfr0 = SYSREG_READ(id_aa64mmfr0_el1);
    uint64_t pfr0 = SYSREG_READ(id_aa64pfr0_el1);
    format_text(features, sizeof(features), "%s%s%s, %u-bit ASID%s", gic->name,
                has_pan() ? ", PAN" : "", ID_FIELD(pfr0, 20) != 0xf ? ", SIMD" : "",
                ID_FIELD(mmfr0, 4) >= 2 ? 16 : 8,
                ID_FIELD(SYSREG_READ(S3_0_C0_C7_2), 60) != 0 ? ", E0PD" : "");
}

bool arch_cpu_random(void)
{
    return (SYSREG_READ(id_aa64isar0_el1) >> 60) != 0;
}

const char *arch_cpu_features(void)
{
    return features;
}

void arch_cpu_init(struct cpu *cpu)
{
    void *overflow_top;
    if (cpu->arch.overflow_stack_top == boot_overflow_stack_top &&
        kmap_stack_create(OVERFLOW_STACK_SIZE, &overflow_top) == OK)
        cpu->arch.overflow_stack_top = overflow_top;
    control_registers_init();
    mmu_cpu_init(cpu);
    timer_cpu_init();
    cycle_counter_init();
    gic->cpu_init(cpu, platform.timer_intid);
    if (cpu->index == 0)
        describe_features();
}

/* The loader's CPUs watch goto_address. What the CPU will need is in memory before it can see that.
 */
bool arch_cpu_release(const struct boot_cpu *loader_cpu, struct cpu *cpu)
{
    struct limine_smp_info *info = loader_cpu->loader_cpu;
    if (info == NULL || kmap_stack_create(OVERFLOW_STACK_SIZE, &cpu->arch.overflow_stack_top) != OK)
        return false;
    info->extra_argument = (uint64_t)(uintptr_t)cpu;
    DSB(ish);
    __atomic_store_n(&info->goto_address, secondary_entry, __ATOMIC_RELEASE);
    DSB(ish);
    __asm__ volatile("sev" : : : "memory");
    return true;
}

void arch_halt(void)
{
    __asm__ volatile("msr daifset, #0xf" : : : "memory");
    for (;;)
        __asm__ volatile("wfi" : : : "memory");
}

/* From the stop interrupt or a wait loop. The one that asked goes on, and so do all where nobody
 * asked: the interrupt may have been pending since before the kernel.
 */
void arch_stop_here(void)
{
    uint32_t asker = READ_ONCE(arch_stop_requested);
    if (asker == 0 || asker == cpu_self()->index + 1)
        return;
    __atomic_fetch_add(&stopped_count, 1, __ATOMIC_RELEASE);
    arch_halt();
}

/* A CPU with masked interrupts hears of it in its next wait loop or on its way to user mode; one
 * that is wedged does not, so the wait ends.
 */
void arch_stop_others(void)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (i != cpu_self()->index && __atomic_load_n(&cpu_get(i)->online, __ATOMIC_ACQUIRE) != 0)
            others++;
    }
    __atomic_store_n(&arch_stop_requested, cpu_self()->index + 1, __ATOMIC_SEQ_CST);
    if (others == 0 || gic == NULL)
        return;
    gic->send_sgi_to_others(GIC_SGI_STOP);
    uint64_t deadline_ns = arch_clock_ns() + STOP_WAIT_NS;
    while (__atomic_load_n(&stopped_count, __ATOMIC_ACQUIRE) < others &&
           arch_clock_ns() < deadline_ns)
        arch_relax();
}

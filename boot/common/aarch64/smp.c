/* aarch64: the state at the kernel's entry, and the other CPUs, which PSCI starts (Arm
 * DEN0022, 5.1).
 */

#include "cpu.h"
#include "handoff.h"

#include <base/bytes.h>
#include <base/string.h>
#include <boot/acpi.h>
#include <boot/fdt.h>
#include <boot/smp.h>

extern const char handoff_start[], handoff_end[], handoff_enter[], handoff_cpu[];

/* Write-back memory, device memory, uncached memory. */
#define MAIR_AT_ENTRY 0x4400ffu

/* 48-bit addresses in both halves, 4 KiB granules, tables write-back and inner shareable. */
#define TCR_HALF      (16u | 1u << 8 | 1u << 10 | 3u << 12)
#define TCR_AT_ENTRY  (TCR_HALF | (uint64_t)TCR_HALF << 16 | UINT64_C(2) << 30)
#define TCR_IPS_AT    32
#define TCR_IPS_MAX   5 /* 48 bits */
#define MPIDR_ID      0xff00ffffffu
#define PSCI_CPU_ON   0xc4000003u
#define FADT_ARM_AT   129
#define FADT_PSCI     1u
#define FADT_PSCI_HVC 2u

#define START_TIMEOUT_SECONDS 1

static struct fdt_info tree;
static enum fdt_psci psci;

uint64_t arch_cpu_id(void)
{
    return SYSREG_READ(mpidr_el1) & MPIDR_ID;
}

static const void *identity_view(void *context, uint64_t physical, uint64_t size_bytes)
{
    const uint64_t *limit = context;
    if (physical == 0 || physical > *limit || size_bytes > *limit - physical)
        return NULL;
    return (const void *)(uintptr_t)physical;
}

static void find_in_acpi(const struct boot_platform *platform, struct boot_cpu_list *list)
{
    uint64_t limit = platform->identity_limit != 0 ? platform->identity_limit : UINT64_MAX;
    struct acpi_memory memory = { identity_view, &limit };
    const void *table;
    size_t size_bytes;

    if (acpi_find(&memory, platform->rsdp, "APIC", &table, &size_bytes) == OK)
        acpi_madt_cpus(table, size_bytes, list);
    if (acpi_find(&memory, platform->rsdp, "FACP", &table, &size_bytes) == OK &&
        size_bytes >= FADT_ARM_AT + 2) {
        unsigned flags = load_le16((const uint8_t *)table + FADT_ARM_AT);
        if ((flags & FADT_PSCI) != 0)
            psci = (flags & FADT_PSCI_HVC) != 0 ? FDT_PSCI_HVC : FDT_PSCI_SMC;
    }
}

void arch_cpus_find(const struct boot_platform *platform, struct boot_cpu_list *list_out)
{
    list_out->count = 0;
    if (platform->dtb != 0 &&
        fdt_read((const void *)(uintptr_t)platform->dtb, platform->dtb_size_bytes, &tree) == OK) {
        *list_out = tree.cpus;
        psci = tree.psci;
    }
    if (platform->rsdp != 0)
        find_in_acpi(platform, list_out);
    boot_cpu_list_add(list_out, arch_cpu_id(), 0);
}

void arch_smp_info(struct limine_smp_info *info, const struct boot_cpu *cpu)
{
    info->processor_id = cpu->acpi_uid;
    info->mpidr = cpu->hardware_id;
}

void arch_smp_response(struct limine_smp_response *response, const struct handoff *handoff)
{
    (void)handoff;
    response->bsp_mpidr = arch_cpu_id();
}

static void page_store(const struct handoff *handoff, unsigned at, uint64_t value)
{
    memcpy((char *)handoff->page + at, &value, sizeof(value));
}

static uint64_t page_address(const struct handoff *handoff, const char *label)
{
    return (uint64_t)(uintptr_t)handoff->page + (uint64_t)(label - handoff_start);
}

void arch_prepare(struct boot_platform *platform, struct handoff *handoff)
{
    if (boot_alloc(platform, BOOT_PAGE_SIZE, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
                   &handoff->page) != OK)
        boot_fail("not enough memory for the loader's own tables");
    memset(handoff->page, 0, BOOT_PAGE_SIZE);
    memcpy(handoff->page, handoff_start, (size_t)(handoff_end - handoff_start));
}

void arch_quiesce(const struct boot_platform *platform, struct handoff *handoff)
{
    uint64_t physical_size = SYSREG_READ(id_aa64mmfr0_el1) & 15;
    (void)platform;
    __asm__ volatile("msr daifset, #15");
    handoff->x2apic_wanted = false;
    page_store(handoff, HANDOFF_MAIR, MAIR_AT_ENTRY);
    page_store(handoff, HANDOFF_TCR,
               TCR_AT_ENTRY | MIN(physical_size, (uint64_t)TCR_IPS_MAX) << TCR_IPS_AT);
    page_store(handoff, HANDOFF_TTBR0, handoff->root_low);
    page_store(handoff, HANDOFF_TTBR1, handoff->root_high);
    page_store(handoff, HANDOFF_ENTRY, handoff->entry);
    page_store(handoff, HANDOFF_STACK, handoff->stack_top);
    page_store(handoff, HANDOFF_HHDM, arch_hhdm_base);
    arch_sync_code(handoff->page, BOOT_PAGE_SIZE);
}

static int64_t psci_cpu_on(uint64_t mpidr, uint64_t entry, uint64_t context)
{
    return psci == FDT_PSCI_HVC ? call_hvc(PSCI_CPU_ON, mpidr, entry, context)
                                : call_smc(PSCI_CPU_ON, mpidr, entry, context);
}

/* Each CPU finds its stack in its own structure and zeroes that field, so a late one harms nobody.
 * One that PSCI has accepted may come at any time, so the kernel hears of it even if it is not here
 * yet: until the kernel has seen it run, it keeps the memory that the CPU wakes up in.
 */
bool arch_cpu_start(struct handoff *handoff, const struct handoff_cpu *cpu)
{
    struct limine_smp_info *info = cpu->info;
    uint64_t frequency = SYSREG_READ(cntfrq_el0);

    if (psci == FDT_PSCI_NONE)
        return false;
    info->reserved = cpu->stack_top;
    arch_sync_code(info, sizeof(*info));
    if (psci_cpu_on(cpu->hardware_id, page_address(handoff, handoff_cpu),
                    (uint64_t)(uintptr_t)info) != 0)
        return false;

    uint64_t start = SYSREG_READ(cntvct_el0);
    while (__atomic_load_n(&info->reserved, __ATOMIC_ACQUIRE) != 0 &&
           SYSREG_READ(cntvct_el0) - start <= frequency * START_TIMEOUT_SECONDS)
        __asm__ volatile("yield");
    return true;
}

void arch_enter(const struct handoff *handoff)
{
    void (*enter)(void *page) = (void (*)(void *))(uintptr_t)page_address(handoff, handoff_enter);
    enter(handoff->page);
    arch_stop();
}

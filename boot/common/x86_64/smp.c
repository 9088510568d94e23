/* x86_64: the state at the kernel's entry, and the other CPUs (Intel SDM vol. 3A, 9.4 and 11.4). */

#include "cpu.h"
#include "handoff.h"
#include "mtrr.h"

#include <base/string.h>
#include <boot/acpi.h>
#include <boot/smp.h>

extern const char handoff_start[], handoff_end[], handoff_protected[], handoff_long[];
extern const char handoff_enter[];

#define MSR_APIC_BASE     0x1b
#define APIC_BASE_ENABLE  BIT64(11)
#define APIC_BASE_X2APIC  BIT64(10)
#define MSR_X2APIC_ICR    0x830
#define MSR_X2APIC_ID     0x802
#define MSR_PAT           0x277
#define MSR_EFER          0xc0000080
#define EFER_NXE          0x800
#define APIC_BASE_ADDRESS 0xfffff000u
#define APIC_ID           0x20
#define APIC_ICR_LOW      0x300
#define APIC_ICR_HIGH     0x310
#define ICR_PENDING       0x1000u
#define ICR_INIT          0x4500u
#define ICR_STARTUP       0x4600u

#define DMAR_FLAGS_AT   37
#define DMAR_X2APIC_OFF 3 /* interrupts can be remapped, and x2APIC mode is unwanted */

#define IO_APIC_VERSION 1
#define IO_APIC_ENTRIES 0x10
#define IO_APIC_MODE    0x700u
#define IO_APIC_LOWEST  0x100u /* lowest priority; fixed is 0 */
#define IO_APIC_MASKED  0x10000u
#define CPUID_1_X2APIC  BIT64(21) /* ecx */
#define CPUID_1_PAT     BIT64(16) /* edx */
#define CPUID_EXT_NX    BIT64(20)

#define CR0_PE       BIT64(0)
#define CR0_MP       BIT64(1)
#define CR0_ET       BIT64(4)
#define CR0_NE       BIT64(5)
#define CR0_WP       BIT64(16)
#define CR0_PG       BIT64(31)
#define CR0_AT_ENTRY (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG)

#define CR4_PAE  BIT64(5)
#define CR4_MCE  BIT64(6)
#define CR4_LA57 BIT64(12)

/* WB, WT, UC-, UC, WP, WC, and again UC- and UC where the protocol leaves it open. */
#define PAT_AT_ENTRY 0x0007010500070406

#define ONE_MIB UINT64_C(0x100000)

/* Longer than any CPU needs to start, at any clock rate: about five seconds or twenty. A virtual
 * one comes when its host lets it run.
 */
#define START_TIMEOUT_TICKS (UINT64_C(1) << 34)
#define START_AGAIN_TICKS   (UINT64_C(1) << 22)

enum { IO_APIC_MAX = 16 };

static bool x2apic_used; /* read by CPUs through the direct map while they start */

static volatile uint32_t *apic_register(uint32_t offset)
{
    uint64_t base = msr_read(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
    return (volatile uint32_t *)(uintptr_t)(base + offset);
}

static bool x2apic_on(void)
{
    return (msr_read(MSR_APIC_BASE) & APIC_BASE_X2APIC) != 0;
}

uint64_t arch_cpu_id(void)
{
    return x2apic_on() ? msr_read(MSR_X2APIC_ID) : *apic_register(APIC_ID) >> 24;
}

static const void *identity_view(void *context, uint64_t physical, uint64_t size_bytes)
{
    const struct boot_platform *platform = context;
    uint64_t limit = platform->identity_limit != 0 ? platform->identity_limit : UINT64_MAX;
    if (physical == 0 || physical > limit || size_bytes > limit - physical)
        return NULL;
    return (const void *)(uintptr_t)physical;
}

/* An ACPI table, or NULL. */
static const void *find_table(const struct boot_platform *platform, const char *signature,
                              size_t *size_bytes_out)
{
    struct boot_platform view = *platform;
    struct acpi_memory memory = { identity_view, &view };
    const void *table;

    if (platform->rsdp == 0 ||
        acpi_find(&memory, platform->rsdp, signature, &table, size_bytes_out) != OK)
        return NULL;
    return table;
}

/* The CPU has it, and the firmware does not ask to leave it off (VT-d specification, 8.1). */
static bool x2apic_allowed(const struct boot_platform *platform)
{
    size_t size_bytes;
    const uint8_t *dmar = find_table(platform, "DMAR", &size_bytes);
    bool opt_out = dmar != NULL && size_bytes > DMAR_FLAGS_AT &&
                   (dmar[DMAR_FLAGS_AT] & DMAR_X2APIC_OFF) == DMAR_X2APIC_OFF;
    return (cpuid(1).ecx & CPUID_1_X2APIC) != 0 && !opt_out;
}

void arch_cpus_find(const struct boot_platform *platform, struct boot_cpu_list *list_out)
{
    size_t size_bytes;
    const void *madt = find_table(platform, "APIC", &size_bytes);

    list_out->count = 0;
    if (madt != NULL)
        acpi_madt_cpus(madt, size_bytes, list_out);
    boot_cpu_list_add(list_out, arch_cpu_id(), 0);
}

void arch_smp_info(struct limine_smp_info *info, const struct boot_cpu *cpu)
{
    info->processor_id = cpu->acpi_uid;
    info->lapic_id = (uint32_t)cpu->hardware_id;
}

void arch_smp_response(struct limine_smp_response *response, const struct handoff *handoff)
{
    (void)handoff;
    response->flags = x2apic_used ? LIMINE_SMP_X2APIC : 0;
    response->bsp_lapic_id = (uint32_t)arch_cpu_id();
}

/* Whatever the compiler's own convention is (UEFI has another), assembly knows this one. */
#define FROM_ASSEMBLY __attribute__((sysv_abi))

/* What each CPU sets for itself; other CPUs run it through the direct map. */
static void FROM_ASSEMBLY cpu_setup(void)
{
    if ((cpuid(1).edx & CPUID_1_PAT) != 0)
        msr_write(MSR_PAT, PAT_AT_ENTRY);
    if (x2apic_used)
        msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
    mtrr_load();
}

static void page_store(const struct handoff *handoff, unsigned at, const void *data, size_t bytes)
{
    memcpy((char *)handoff->page + at, data, bytes);
}

static void page_store_64(const struct handoff *handoff, unsigned at, uint64_t value)
{
    page_store(handoff, at, &value, sizeof(value));
}

static void page_store_32(const struct handoff *handoff, unsigned at, uint64_t value)
{
    page_store(handoff, at, &value, sizeof(uint32_t));
}

static uint64_t page_address(const struct handoff *handoff, const char *label)
{
    return (uint64_t)(uintptr_t)handoff->page + (uint64_t)(label - handoff_start);
}

static void page_store_gdt(const struct handoff *handoff)
{
    static const uint64_t gdt[] = {
        0,
        0x00009b000000ffff, /* 16-bit code */
        0x000093000000ffff, /* 16-bit data */
        0x00cf9b000000ffff, /* 32-bit code */
        0x00cf93000000ffff, /* 32-bit data */
        0x00209b0000000000, /* 64-bit code */
        0x0000930000000000, /* 64-bit data */
    };
    uint16_t limit = sizeof(gdt) - 1;
    uint64_t base = (uint64_t)(uintptr_t)handoff->page + HANDOFF_GDT;

    page_store(handoff, HANDOFF_GDT, gdt, sizeof(gdt));
    page_store(handoff, HANDOFF_GDTR_LOW, &limit, sizeof(limit));
    page_store_32(handoff, HANDOFF_GDTR_LOW + 2, base);
    page_store(handoff, HANDOFF_GDTR_HIGH, &limit, sizeof(limit));
    page_store_64(handoff, HANDOFF_GDTR_HIGH + 2, base + arch_hhdm_base);
}

void arch_prepare(struct boot_platform *platform, struct handoff *handoff)
{
    if ((cr4_read() & CR4_LA57) != 0)
        boot_fail("the firmware runs with five-level paging");
    if (boot_alloc_below(platform, BOOT_PAGE_SIZE, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE, ONE_MIB,
                         &handoff->page) != OK)
        boot_fail("not enough memory below 1 MiB");

    memset(handoff->page, 0, BOOT_PAGE_SIZE);
    memcpy(handoff->page, handoff_start, (size_t)(handoff_end - handoff_start));
    page_store_gdt(handoff);
    page_store_32(handoff, HANDOFF_FAR_32, page_address(handoff, handoff_protected));
    page_store_32(handoff, HANDOFF_FAR_32 + 4, HANDOFF_CODE_32);
    page_store_32(handoff, HANDOFF_FAR_64, page_address(handoff, handoff_long));
    page_store_32(handoff, HANDOFF_FAR_64 + 4, HANDOFF_CODE_64);
    page_store_32(handoff, HANDOFF_CR0, CR0_AT_ENTRY);
    page_store_32(handoff, HANDOFF_CR4, CR4_PAE);
    page_store_32(handoff, HANDOFF_NXE,
                  (cpuid_extended(0x80000001).edx & CPUID_EXT_NX) != 0 ? EFER_NXE : 0);
    page_store_64(handoff, HANDOFF_AP_SETUP, (uint64_t)(uintptr_t)cpu_setup + arch_hhdm_base);
}

static void io_apic_mask(volatile uint32_t *base)
{
    volatile uint32_t *select = base, *window = base + 4;

    *select = IO_APIC_VERSION;
    uint32_t last = *window >> 16 & 0xff;
    for (uint32_t i = 0; i <= last; i++) {
        *select = IO_APIC_ENTRIES + 2 * i;
        uint32_t entry = *window;
        if ((entry & IO_APIC_MODE) <= IO_APIC_LOWEST)
            *window = entry | IO_APIC_MASKED;
    }
}

/* What the old controller would send, and what the new ones would pass on as ordinary interrupts;
 * NMIs and the like stay as the firmware routed them.
 */
static void mask_interrupts(const struct boot_platform *platform)
{
    uint32_t io_apic[IO_APIC_MAX];
    size_t size_bytes;
    const void *madt = find_table(platform, "APIC", &size_bytes);
    size_t count = madt != NULL ? acpi_madt_io_apics(madt, size_bytes, io_apic, IO_APIC_MAX) : 0;

    out8(0x21, 0xff);
    out8(0xa1, 0xff);
    for (size_t i = 0; i < count; i++)
        io_apic_mask((volatile uint32_t *)(uintptr_t)io_apic[i]);
}

void arch_quiesce(const struct boot_platform *platform, struct handoff *handoff)
{
    __asm__ volatile("cli");
    mask_interrupts(platform);
    mtrr_save();
    if ((cpuid_extended(0x80000001).edx & CPUID_EXT_NX) != 0)
        msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
    x2apic_used = x2apic_on() || (handoff->x2apic_wanted && x2apic_allowed(platform));
    cpu_setup();

    page_store_64(handoff, HANDOFF_ROOT, handoff->root_high);
    page_store_64(handoff, HANDOFF_ENTRY, handoff->entry);
    page_store_64(handoff, HANDOFF_STACK, handoff->stack_top);
}

static void ipi_send(uint64_t hardware_id, uint32_t command)
{
    if (x2apic_used) {
        /* Unlike other MSRs these are written at once, even before older stores are seen. */
        __asm__ volatile("mfence; lfence" : : : "memory");
        msr_write(MSR_X2APIC_ICR, hardware_id << 32 | command);
        return;
    }
    while ((*apic_register(APIC_ICR_LOW) & ICR_PENDING) != 0)
        __asm__ volatile("pause");
    *apic_register(APIC_ICR_HIGH) = (uint32_t)hardware_id << 24;
    *apic_register(APIC_ICR_LOW) = command;
}

static bool wait_ready(const volatile uint32_t *ready, uint64_t ticks)
{
    uint64_t start = tsc_read();
    while (*ready == 0) {
        if (tsc_read() - start > ticks)
            return false;
        __asm__ volatile("pause");
    }
    return true;
}

/* INIT, start-up, and again if nothing moved. A CPU that comes late all the same would take the
 * stack of the next one, so it gets a long wait before it is given up for good: by INIT.
 */
bool arch_cpu_start(struct handoff *handoff, const struct handoff_cpu *cpu)
{
    volatile uint32_t *ready =
        (volatile uint32_t *)(void *)((char *)handoff->page + HANDOFF_AP_READY);
    uint32_t vector = (uint32_t)((uintptr_t)handoff->page / BOOT_PAGE_SIZE);

    /* The largest number of each kind means all CPUs, this one among them. A CPU that starts can
     * load no more than 32 bits of a root.
     */
    if (cpu->hardware_id >= (x2apic_used ? UINT32_MAX : 0xff) || handoff->root_high > UINT32_MAX)
        return false;
    *ready = 0;
    page_store_64(handoff, HANDOFF_AP_STACK, cpu->stack_top);
    page_store_64(handoff, HANDOFF_AP_INFO, (uint64_t)(uintptr_t)cpu->info + arch_hhdm_base);

    ipi_send(cpu->hardware_id, ICR_INIT);
    ipi_send(cpu->hardware_id, ICR_STARTUP | vector);
    if (wait_ready(ready, START_AGAIN_TICKS))
        return true;
    ipi_send(cpu->hardware_id, ICR_STARTUP | vector);
    if (wait_ready(ready, START_TIMEOUT_TICKS))
        return true;
    ipi_send(cpu->hardware_id, ICR_INIT);
    return false;
}

void arch_enter(const struct handoff *handoff)
{
    typedef void FROM_ASSEMBLY enter_function(void *page);
    enter_function *enter = (enter_function *)(uintptr_t)page_address(handoff, handoff_enter);

    cr0_write(CR0_AT_ENTRY);
    cr4_write(CR4_PAE | (cr4_read() & CR4_MCE));
    enter(handoff->page);
    arch_stop();
}

/* What ACPI tables say of an Arm machine: GIC (MADT), timer (GTDT), PSCI (FADT), the serial port
 * (SPCR, by its own specification). Sections of ACPI 6.5: 5.2.12, 5.2.25, 5.2.9.
 */
#include "firmware.h"

#include <kernel/acpi.h>
#include <kernel/log.h>

enum { MADT_GICC = 0xb, MADT_GICD = 0xc, MADT_GICR = 0xe };

static void add_gicr(struct platform_info *out, uint64_t base, uint64_t size_bytes)
{
    if (base == 0 || size_bytes == 0 || size_bytes > UINT64_MAX - base) {
        log_warn("acpi: bad GIC redistributor region");
        return;
    }
    if (out->gicr_count == PLATFORM_GICR_MAX) {
        log_warn("acpi: more than %d GIC redistributor regions", PLATFORM_GICR_MAX);
        return;
    }
    out->gicr[out->gicr_count++] =
        (struct platform_gicr_region){ .base = base, .size_bytes = size_bytes };
}

/* One for each CPU; the register addresses of a GICv2 CPU interface are the same in all. */
static void madt_gicc(struct platform_info *out, const struct acpi_table *entry)
{
    if (out->gicc_base == 0)
        out->gicc_base = acpi_u64(entry, 32);
}

static void madt_gicd(struct platform_info *out, const struct acpi_table *entry)
{
    uint8_t version = acpi_u8(entry, 20);
    out->gicd_base = acpi_u64(entry, 8);
    if (version != 0)
        out->gic_version = version <= 2 ? 2 : 3; /* a GICv4 is driven as a GICv3 */
}

static void madt_gicr(struct platform_info *out, const struct acpi_table *entry)
{
    add_gicr(out, acpi_u64(entry, 4), acpi_u32(entry, 12));
}

/* Firmware without redistributor regions names each CPU's redistributor: two frames of 64 KiB. */
static void madt_gicr_of_cpu(struct platform_info *out, const struct acpi_table *entry)
{
    enum { GICR_FRAMES_BYTES = 0x20000 };
    if (acpi_u64(entry, 60) != 0)
        add_gicr(out, acpi_u64(entry, 60), GICR_FRAMES_BYTES);
}

static void parse_madt(struct platform_info *out, const struct acpi_table *madt)
{
    static const struct acpi_madt_handler entries[] = {
        { MADT_GICC, 40, madt_gicc },
        { MADT_GICD, 21, madt_gicd },
        { MADT_GICR, 16, madt_gicr },
    };
    static const struct acpi_madt_handler gicr_of_cpus = { MADT_GICC, 40, madt_gicr_of_cpu };
    acpi_madt_entries(out, madt, entries, ARRAY_LEN(entries));
    if (out->gicd_base == 0)
        return;
    if (out->gic_version != 2 && out->gicr_count == 0)
        acpi_madt_entries(out, madt, &gicr_of_cpus, 1);
    if (out->gic_version == 0)
        out->gic_version = out->gicr_count > 0 ? 3 : 2;
}

static void parse_fadt(struct platform_info *out, const struct acpi_table *fadt)
{
    enum { ARM_PSCI = 1 << 0, ARM_PSCI_HVC = 1 << 1 };
    uint16_t arm_flags = acpi_u16(fadt, 129);
    out->psci_present = (arm_flags & ARM_PSCI) != 0;
    out->psci_hvc = (arm_flags & ARM_PSCI_HVC) != 0;
}

/* A PL011 (type 3), or a subset of one as the SBSA has it (0xd, 0xe). */
static void parse_spcr(struct platform_info *out, const struct acpi_table *spcr)
{
    enum { INTERRUPT_GIC = 1 << 3 };
    struct acpi_address base = acpi_address_at(spcr, 40);
    uint8_t type = acpi_u8(spcr, 36);
    if ((type != 3 && type != 0xd && type != 0xe) || base.address == 0 ||
        base.space != ACPI_SPACE_MEMORY) {
        log_warn("acpi: SPCR names no serial port that is known here");
        return;
    }
    out->uart = UART_PL011;
    out->uart_base = base.address;
    if ((acpi_u8(spcr, 52) & INTERRUPT_GIC) != 0)
        out->uart_irq = acpi_u32(spcr, 54);
}

static void parse_gtdt(struct platform_info *out, const struct acpi_table *gtdt)
{
    uint32_t intid = acpi_u32(gtdt, 64);
    if (intid >= 16 && intid < 32) /* a timer of the CPU itself: a private interrupt */
        out->timer_intid = intid;
    else
        log_warn("acpi: GTDT: interrupt %u is not a private one", intid);
}

enum status arm_acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                           struct platform_info *out)
{
    static const struct acpi_handler handlers[] = {
        { "APIC", 44, parse_madt },
        { "FACP", 116, parse_fadt },
        { "SPCR", 58, parse_spcr },
        { "GTDT", 68, parse_gtdt },
    };
    return acpi_parse(rsdp, map, context, handlers, ARRAY_LEN(handlers), out);
}

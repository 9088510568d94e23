/* What ACPI tables say of a PC: interrupt controllers (MADT), power registers and timers (FADT,
 * HPET), the serial port (SPCR, by its own specification). Sections of ACPI 6.5: 5.2.12, 5.2.9.
 */
#include "firmware.h"

#include <kernel/acpi.h>
#include <kernel/log.h>

static void madt_ioapic(struct platform_info *out, const struct acpi_table *entry)
{
    if (out->ioapic_count == PLATFORM_IOAPIC_MAX) {
        log_warn("acpi: more than %d I/O APICs", PLATFORM_IOAPIC_MAX);
        return;
    }
    out->ioapic[out->ioapic_count++] = (struct platform_ioapic){
        .base = acpi_u32(entry, 4),
        .first_gsi = acpi_u32(entry, 8),
    };
}

static void madt_override(struct platform_info *out, const struct acpi_table *entry)
{
    if (out->override_count == PLATFORM_OVERRIDE_MAX) {
        log_warn("acpi: more than %d interrupt overrides", PLATFORM_OVERRIDE_MAX);
        return;
    }
    uint16_t flags = acpi_u16(entry, 8);
    out->override[out->override_count++] = (struct platform_override){
        .isa_irq = acpi_u8(entry, 3),
        .gsi = acpi_u32(entry, 4),
        .active_low = (flags & 3) == 3, /* 0: as the bus has it, for ISA active high and edge */
        .level = (flags >> 2 & 3) == 3,
    };
}

static void madt_lapic_override(struct platform_info *out, const struct acpi_table *entry)
{
    out->lapic_base = acpi_u64(entry, 4);
}

static void parse_madt(struct platform_info *out, const struct acpi_table *madt)
{
    static const struct acpi_madt_handler entries[] = {
        { 1, 12, madt_ioapic },
        { 2, 10, madt_override },
        { 5, 12, madt_lapic_override },
    };
    out->lapic_base = acpi_u32(madt, 36);
    acpi_madt_entries(out, madt, entries, ARRAY_LEN(entries));
}

/* A port from the old 32-bit field, else from the extended one; 0 if neither names one. */
static uint16_t fadt_port(const struct acpi_table *fadt, size_t old_offset, size_t extended_offset)
{
    uint32_t old = acpi_u32(fadt, old_offset);
    if (old != 0)
        return old <= UINT16_MAX ? (uint16_t)old : 0;
    struct acpi_address extended = acpi_address_at(fadt, extended_offset);
    bool is_port = extended.space == ACPI_SPACE_IO && extended.address <= UINT16_MAX;
    return is_port ? (uint16_t)extended.address : 0;
}

static void parse_fadt_reset(struct platform_info *out, const struct acpi_table *fadt)
{
    enum { RESET_REG_SUPPORTED = 1 << 10 };
    struct acpi_address reset = acpi_address_at(fadt, 116);
    bool is_memory = reset.space == ACPI_SPACE_MEMORY && reset.address != 0;
    bool is_port =
        reset.space == ACPI_SPACE_IO && reset.address != 0 && reset.address <= UINT16_MAX;
    if ((acpi_u32(fadt, 112) & RESET_REG_SUPPORTED) == 0 || !acpi_has(fadt, 128, 1) ||
        (!is_memory && !is_port))
        return;
    out->reset_register_present = true;
    out->reset_register_space = reset.space;
    out->reset_register_address = reset.address;
    out->reset_value = acpi_u8(fadt, 128);
}

static void parse_fadt(struct platform_info *out, const struct acpi_table *fadt)
{
    out->pm1a_control_port = fadt_port(fadt, 64, 172);
    out->pm_timer_port = fadt_port(fadt, 76, 208);
    parse_fadt_reset(out, fadt);
}

/* A 16550 (type 0), one with the DBGP field's meaning (1), or one by its generic address (0x12). */
static void parse_spcr(struct platform_info *out, const struct acpi_table *spcr)
{
    enum { INTERRUPT_8259 = 1 << 0, INTERRUPT_IOAPIC = 1 << 1 };
    struct acpi_address base = acpi_address_at(spcr, 40);
    uint8_t type = acpi_u8(spcr, 36);
    bool is_port = base.space == ACPI_SPACE_IO && base.address <= UINT16_MAX;
    if ((type > 1 && type != 0x12) || base.address == 0 ||
        (!is_port && base.space != ACPI_SPACE_MEMORY)) {
        log_warn("acpi: SPCR names no serial port that is known here");
        return;
    }
    out->uart = is_port ? UART_16550_PORT : UART_16550_MMIO;
    out->uart_base = base.address;
    uint8_t interrupt = acpi_u8(spcr, 52);
    if ((interrupt & INTERRUPT_IOAPIC) != 0)
        out->uart_irq = acpi_u32(spcr, 54);
    else if ((interrupt & INTERRUPT_8259) != 0)
        out->uart_irq = acpi_u8(spcr, 53);
}

static void parse_hpet(struct platform_info *out, const struct acpi_table *hpet)
{
    struct acpi_address base = acpi_address_at(hpet, 40);
    if (base.space == ACPI_SPACE_MEMORY)
        out->hpet_base = base.address;
}

enum status x86_acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                           struct platform_info *out)
{
    static const struct acpi_handler handlers[] = {
        { "APIC", 44, parse_madt },
        { "FACP", 116, parse_fadt },
        { "SPCR", 58, parse_spcr },
        { "HPET", 52, parse_hpet },
    };
    return acpi_parse(rsdp, map, context, handlers, ARRAY_LEN(handlers), out);
}

/* ACPI tables, as far as the kernel needs them (ACPI 6.5: chapter 5; SPCR by its own
 * specification).
 *
 * The tables are a stranger's bytes. A table is mapped at the length that its header says, after
 * that length was found sane, and is used only if its bytes sum up to 0; every field is read only
 * if the table is long enough to have it. What is bad is skipped with a line in the log.
 */
#include <base/bytes.h>
#include <base/compiler.h>
#include <base/string.h>
#include <kernel/log.h>
#include <kernel/platform.h>

enum {
    RSDP_V1_BYTES = 20,
    RSDP_V2_BYTES = 36,
    HEADER_BYTES = 36,
    TABLE_BYTES_MAX = 1 << 20, /* what is read here has some hundred bytes, one MADT entry a CPU */
    ROOT_ENTRIES_MAX = 1024,
};

/* ACPI address space of a generic address structure. */
enum { SPACE_MEMORY = 0, SPACE_IO = 1 };

struct acpi {
    platform_map *map;
    void *context;
    struct platform_info *out;
    uint32_t seen; /* bit i: handlers[i]'s table was there */
};

/* A table that was mapped whole and whose checksum is right. */
struct table {
    const uint8_t *bytes;
    size_t size_bytes;
};

struct generic_address {
    uint8_t space;
    uint64_t address;
};

static bool sum_is_zero(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

/* True if the table has `size` bytes at `offset`. */
static bool table_has(const struct table *table, size_t offset, size_t size)
{
    return offset <= table->size_bytes && size <= table->size_bytes - offset;
}

static uint8_t table_u8(const struct table *table, size_t offset)
{
    return table_has(table, offset, 1) ? table->bytes[offset] : 0;
}

static uint16_t table_u16(const struct table *table, size_t offset)
{
    return table_has(table, offset, 2) ? load_le16(table->bytes + offset) : 0;
}

static uint32_t table_u32(const struct table *table, size_t offset)
{
    return table_has(table, offset, 4) ? load_le32(table->bytes + offset) : 0;
}

static uint64_t table_u64(const struct table *table, size_t offset)
{
    return table_has(table, offset, 8) ? load_le64(table->bytes + offset) : 0;
}

static struct generic_address table_address(const struct table *table, size_t offset)
{
    return (struct generic_address){ .space = table_u8(table, offset),
                                     .address = table_u64(table, offset + 4) };
}

static const void *acpi_map(const struct acpi *acpi, uint64_t at, size_t size_bytes)
{
    if (at == 0 || size_bytes > UINT64_MAX - at)
        return NULL;
    return acpi->map(acpi->context, paddr(at), size_bytes);
}

/* ---- MADT: interrupt controllers ---- */

static void madt_ioapic(struct platform_info *out, const struct table *entry)
{
    if (out->ioapic_count == PLATFORM_IOAPIC_MAX) {
        log_warn("acpi: more than %d I/O APICs", PLATFORM_IOAPIC_MAX);
        return;
    }
    out->ioapic[out->ioapic_count++] = (struct platform_ioapic){
        .base = table_u32(entry, 4),
        .first_gsi = table_u32(entry, 8),
    };
}

static void madt_override(struct platform_info *out, const struct table *entry)
{
    if (out->override_count == PLATFORM_OVERRIDE_MAX) {
        log_warn("acpi: more than %d interrupt overrides", PLATFORM_OVERRIDE_MAX);
        return;
    }
    uint16_t flags = table_u16(entry, 8);
    out->override[out->override_count++] = (struct platform_override){
        .isa_irq = table_u8(entry, 3),
        .gsi = table_u32(entry, 4),
        .active_low = (flags & 3) == 3, /* 0: as the bus has it, for ISA active high and edge */
        .level = (flags >> 2 & 3) == 3,
    };
}

static void madt_lapic_override(struct platform_info *out, const struct table *entry)
{
    out->lapic_base = table_u64(entry, 4);
}

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
static void madt_gicc(struct platform_info *out, const struct table *entry)
{
    if (out->gicc_base == 0)
        out->gicc_base = table_u64(entry, 32);
}

static void madt_gicd(struct platform_info *out, const struct table *entry)
{
    uint8_t version = table_u8(entry, 20);
    out->gicd_base = table_u64(entry, 8);
    if (version != 0)
        out->gic_version = version <= 2 ? 2 : 3; /* a GICv4 is driven as a GICv3 */
}

static void madt_gicr(struct platform_info *out, const struct table *entry)
{
    add_gicr(out, table_u64(entry, 4), table_u32(entry, 12));
}

static const struct {
    uint8_t type;
    uint8_t size_min;
    void (*parse)(struct platform_info *out, const struct table *entry);
} madt_entries[] = {
    { 1, 12, madt_ioapic }, { 2, 10, madt_override }, { 5, 12, madt_lapic_override },
    { 0xb, 40, madt_gicc }, { 0xc, 21, madt_gicd },   { 0xe, 16, madt_gicr },
};

static void madt_entry(struct platform_info *out, const struct table *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(madt_entries); i++) {
        if (madt_entries[i].type != entry->bytes[0])
            continue;
        if (entry->size_bytes >= madt_entries[i].size_min)
            madt_entries[i].parse(out, entry);
        else
            log_warn("acpi: MADT entry of type %u is too short", entry->bytes[0]);
    }
}

/* Firmware without redistributor regions names each CPU's redistributor: two frames of 64 KiB. */
static void madt_gicr_of_cpu(struct platform_info *out, const struct table *entry)
{
    enum { GICR_FRAMES_BYTES = 0x20000 };
    if (entry->bytes[0] == 0xb && table_u64(entry, 60) != 0)
        add_gicr(out, table_u64(entry, 60), GICR_FRAMES_BYTES);
}

static void madt_for_each(struct platform_info *out, const struct table *madt,
                          void (*parse)(struct platform_info *out, const struct table *entry))
{
    for (size_t at = 44; at < madt->size_bytes;) {
        size_t size = table_u8(madt, at + 1);
        if (size < 2 || !table_has(madt, at, size)) {
            log_warn("acpi: MADT entry at %zu has a bad length", at);
            return;
        }
        struct table entry = { .bytes = madt->bytes + at, .size_bytes = size };
        parse(out, &entry);
        at += size;
    }
}

static void parse_madt(struct platform_info *out, const struct table *madt)
{
    out->lapic_base = table_u32(madt, 36);
    madt_for_each(out, madt, madt_entry);
    if (out->gicd_base == 0)
        return;
    if (out->gic_version != 2 && out->gicr_count == 0)
        madt_for_each(out, madt, madt_gicr_of_cpu);
    if (out->gic_version == 0)
        out->gic_version = out->gicr_count > 0 ? 3 : 2;
}

/* ---- FADT: power registers, PM timer, PSCI ---- */

/* A port from the old 32-bit field, else from the extended one; 0 if neither names one. */
static uint16_t fadt_port(const struct table *fadt, size_t old_offset, size_t extended_offset)
{
    uint32_t old = table_u32(fadt, old_offset);
    if (old != 0)
        return old <= UINT16_MAX ? (uint16_t)old : 0;
    struct generic_address extended = table_address(fadt, extended_offset);
    bool is_port = extended.space == SPACE_IO && extended.address <= UINT16_MAX;
    return is_port ? (uint16_t)extended.address : 0;
}

static void parse_fadt_reset(struct platform_info *out, const struct table *fadt)
{
    enum { RESET_REG_SUPPORTED = 1 << 10 };
    struct generic_address reset = table_address(fadt, 116);
    bool is_memory = reset.space == SPACE_MEMORY && reset.address != 0;
    bool is_port = reset.space == SPACE_IO && reset.address != 0 && reset.address <= UINT16_MAX;
    if ((table_u32(fadt, 112) & RESET_REG_SUPPORTED) == 0 || !table_has(fadt, 128, 1) ||
        (!is_memory && !is_port))
        return;
    out->reset_register_present = true;
    out->reset_register_space = reset.space;
    out->reset_register_address = reset.address;
    out->reset_value = table_u8(fadt, 128);
}

static void parse_fadt(struct platform_info *out, const struct table *fadt)
{
    enum { ARM_PSCI = 1 << 0, ARM_PSCI_HVC = 1 << 1 };
    out->pm1a_control_port = fadt_port(fadt, 64, 172);
    out->pm_timer_port = fadt_port(fadt, 76, 208);
    parse_fadt_reset(out, fadt);
    uint16_t arm_flags = table_u16(fadt, 129);
    out->psci_present = (arm_flags & ARM_PSCI) != 0;
    out->psci_hvc = (arm_flags & ARM_PSCI_HVC) != 0;
}

/* ---- The others ---- */

static enum platform_uart_kind spcr_kind(uint8_t type, uint8_t space)
{
    switch (type) {
    case 0x00: /* 16550 */
    case 0x01: /* 16550 with the DBGP field's meaning */
    case 0x12: /* 16550 by its generic address */
        return space == SPACE_IO ? UART_16550_PORT : UART_16550_MMIO;
    case 0x03: /* PL011 */
    case 0x0d: /* SBSA: a subset of PL011 */
    case 0x0e:
        return space == SPACE_MEMORY ? UART_PL011 : UART_NONE;
    default:
        return UART_NONE;
    }
}

static void parse_spcr(struct platform_info *out, const struct table *spcr)
{
    enum { INTERRUPT_8259 = 1 << 0, INTERRUPT_IOAPIC = 1 << 1, INTERRUPT_GIC = 1 << 3 };
    struct generic_address base = table_address(spcr, 40);
    enum platform_uart_kind kind = spcr_kind(table_u8(spcr, 36), base.space);
    bool space_ok =
        base.space == SPACE_MEMORY || (base.space == SPACE_IO && base.address <= UINT16_MAX);
    if (kind == UART_NONE || base.address == 0 || !space_ok) {
        log_warn("acpi: SPCR names no serial port that is known here");
        return;
    }
    out->uart = kind;
    out->uart_base = base.address;
    uint8_t interrupt = table_u8(spcr, 52);
    if ((interrupt & (INTERRUPT_IOAPIC | INTERRUPT_GIC)) != 0)
        out->uart_irq = table_u32(spcr, 54);
    else if ((interrupt & INTERRUPT_8259) != 0)
        out->uart_irq = table_u8(spcr, 53);
}

static void parse_gtdt(struct platform_info *out, const struct table *gtdt)
{
    uint32_t intid = table_u32(gtdt, 64);
    if (intid >= 16 && intid < 32) /* a timer of the CPU itself: a private interrupt */
        out->timer_intid = intid;
    else
        log_warn("acpi: GTDT: interrupt %u is not a private one", intid);
}

static void parse_hpet(struct platform_info *out, const struct table *hpet)
{
    struct generic_address base = table_address(hpet, 40);
    if (base.space == SPACE_MEMORY)
        out->hpet_base = base.address;
}

static const struct {
    char signature[5];
    uint8_t size_min;
    void (*parse)(struct platform_info *out, const struct table *table);
} handlers[] = {
    { "APIC", 44, parse_madt }, { "FACP", 116, parse_fadt }, { "SPCR", 58, parse_spcr },
    { "GTDT", 68, parse_gtdt }, { "HPET", 52, parse_hpet },
};

/* ---- Finding them ---- */

/* Map a table whose header says `signature`. */
static enum status table_open(const struct acpi *acpi, uint64_t at, const char *signature,
                              struct table *table_out)
{
    const uint8_t *header = acpi_map(acpi, at, HEADER_BYTES);
    if (header == NULL || memcmp(header, signature, 4) != 0)
        return ERR_NOT_FOUND;
    size_t size_bytes = load_le32(header + 4);
    if (size_bytes < HEADER_BYTES || size_bytes > TABLE_BYTES_MAX)
        return ERR_FORMAT;
    const uint8_t *bytes = acpi_map(acpi, at, size_bytes);
    if (bytes == NULL)
        return ERR_TRUNCATED;
    if (!sum_is_zero(bytes, size_bytes))
        return ERR_DIGEST;
    *table_out = (struct table){ .bytes = bytes, .size_bytes = size_bytes };
    return OK;
}

/* Use the table as handlers[i] says. */
static enum status handle_table(struct acpi *acpi, uint64_t at, uint32_t i)
{
    struct table table;
    enum status status = table_open(acpi, at, handlers[i].signature, &table);
    if (status != OK)
        return status;
    if (table.size_bytes < handlers[i].size_min)
        return ERR_TRUNCATED;
    if ((acpi->seen & (1U << i)) != 0)
        return ERR_EXISTS;
    acpi->seen |= 1U << i;
    handlers[i].parse(acpi->out, &table);
    return OK;
}

static void parse_table(struct acpi *acpi, uint64_t at)
{
    const uint8_t *header = acpi_map(acpi, at, HEADER_BYTES);
    if (header == NULL) {
        log_warn("acpi: table at 0x%llx cannot be read", (unsigned long long)at);
        return;
    }
    for (uint32_t i = 0; i < ARRAY_LEN(handlers); i++) {
        if (memcmp(header, handlers[i].signature, 4) != 0)
            continue;
        enum status status = handle_table(acpi, at, i);
        if (status != OK)
            log_warn("acpi: %s is not used: %s", handlers[i].signature, status_text(status));
    }
}

/* The root table: addresses of `entry_bytes` each. */
static enum status parse_root(struct acpi *acpi, uint64_t at, const char *signature,
                              size_t entry_bytes)
{
    struct table root;
    enum status status = table_open(acpi, at, signature, &root);
    if (status != OK)
        return status;
    size_t count = MIN((root.size_bytes - HEADER_BYTES) / entry_bytes, (size_t)ROOT_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t offset = HEADER_BYTES + i * entry_bytes;
        parse_table(acpi, entry_bytes == 8 ? table_u64(&root, offset) : table_u32(&root, offset));
    }
    return OK;
}

/* The address of the XSDT; 0 if the pointer is of the first version, or its extended part is bad.
 */
static uint64_t rsdp_xsdt(const struct acpi *acpi, uint64_t rsdp)
{
    const uint8_t *bytes = acpi_map(acpi, rsdp, RSDP_V2_BYTES);
    if (bytes == NULL || load_le32(bytes + 20) != RSDP_V2_BYTES ||
        !sum_is_zero(bytes, RSDP_V2_BYTES)) {
        log_warn("acpi: the extended root pointer is bad");
        return 0;
    }
    return load_le64(bytes + 24);
}

enum status acpi_parse(paddr_t rsdp, platform_map *map, void *context, struct platform_info *out)
{
    struct acpi acpi = { .map = map, .context = context, .out = out };
    const uint8_t *bytes = acpi_map(&acpi, rsdp.raw, RSDP_V1_BYTES);
    if (bytes == NULL)
        return ERR_NOT_FOUND;
    if (memcmp(bytes, "RSD PTR ", 8) != 0)
        return ERR_FORMAT;
    if (!sum_is_zero(bytes, RSDP_V1_BYTES))
        return ERR_DIGEST;
    uint32_t rsdt = load_le32(bytes + 16);
    uint64_t xsdt = bytes[15] >= 2 ? rsdp_xsdt(&acpi, rsdp.raw) : 0;
    if (xsdt != 0) {
        enum status status = parse_root(&acpi, xsdt, "XSDT", 8);
        if (status == OK)
            return OK;
        log_warn("acpi: XSDT is not used: %s", status_text(status));
    }
    return parse_root(&acpi, rsdt, "RSDT", 4);
}

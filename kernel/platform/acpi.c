/* Root pointer, root table, checksums: see kernel/acpi.h. */
#include <base/bytes.h>
#include <base/string.h>
#include <kernel/acpi.h>
#include <kernel/log.h>

enum {
    RSDP_V1_BYTES = 20,
    RSDP_V2_BYTES = 36,
    HEADER_BYTES = 36,
    MADT_HEADER_BYTES = 44,
    TABLE_BYTES_MAX = 1 << 20, /* what is read here has some hundred bytes, one MADT entry a CPU */
    ROOT_ENTRIES_MAX = 1024,
};

struct acpi {
    platform_map *map;
    void *context;
    const struct acpi_handler *handlers;
    size_t count;
    struct platform_info *out;
    uint32_t seen; /* bit i: handlers[i]'s table was there */
};

static bool sum_is_zero(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

bool acpi_has(const struct acpi_table *table, size_t offset, size_t size_bytes)
{
    return offset <= table->size_bytes && size_bytes <= table->size_bytes - offset;
}

uint8_t acpi_u8(const struct acpi_table *table, size_t offset)
{
    return acpi_has(table, offset, 1) ? table->bytes[offset] : 0;
}

uint16_t acpi_u16(const struct acpi_table *table, size_t offset)
{
    return acpi_has(table, offset, 2) ? load_le16(table->bytes + offset) : 0;
}

uint32_t acpi_u32(const struct acpi_table *table, size_t offset)
{
    return acpi_has(table, offset, 4) ? load_le32(table->bytes + offset) : 0;
}

uint64_t acpi_u64(const struct acpi_table *table, size_t offset)
{
    return acpi_has(table, offset, 8) ? load_le64(table->bytes + offset) : 0;
}

struct acpi_address acpi_address_at(const struct acpi_table *table, size_t offset)
{
    return (struct acpi_address){ .space = acpi_u8(table, offset),
                                  .address = acpi_u64(table, offset + 4) };
}

static const void *map_table(const struct acpi *acpi, uint64_t at, size_t size_bytes)
{
    if (at == 0 || size_bytes > UINT64_MAX - at)
        return NULL;
    return acpi->map(acpi->context, paddr(at), size_bytes);
}

/* ---- MADT entries ---- */

static void madt_entry(struct platform_info *out, const struct acpi_table *entry,
                       const struct acpi_madt_handler *handlers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (handlers[i].type != entry->bytes[0])
            continue;
        if (entry->size_bytes >= handlers[i].size_min)
            handlers[i].use(out, entry);
        else
            log_warn("acpi: MADT entry of type %u is too short", entry->bytes[0]);
    }
}

void acpi_madt_entries(struct platform_info *out, const struct acpi_table *madt,
                       const struct acpi_madt_handler *handlers, size_t count)
{
    for (size_t at = MADT_HEADER_BYTES; at < madt->size_bytes;) {
        size_t size = acpi_u8(madt, at + 1);
        if (size < 2 || !acpi_has(madt, at, size)) {
            log_warn("acpi: MADT entry at %zu has a bad length", at);
            return;
        }
        struct acpi_table entry = { .bytes = madt->bytes + at, .size_bytes = size };
        madt_entry(out, &entry, handlers, count);
        at += size;
    }
}

/* ---- Finding them ---- */

/* Map a table whose header says `signature`. */
static enum status table_open(const struct acpi *acpi, uint64_t at, const char *signature,
                              struct acpi_table *table_out)
{
    const uint8_t *header = map_table(acpi, at, HEADER_BYTES);
    if (header == NULL || memcmp(header, signature, 4) != 0)
        return ERR_NOT_FOUND;
    size_t size_bytes = load_le32(header + 4);
    if (size_bytes < HEADER_BYTES || size_bytes > TABLE_BYTES_MAX)
        return ERR_FORMAT;
    const uint8_t *bytes = map_table(acpi, at, size_bytes);
    if (bytes == NULL)
        return ERR_TRUNCATED;
    if (!sum_is_zero(bytes, size_bytes))
        return ERR_DIGEST;
    *table_out = (struct acpi_table){ .bytes = bytes, .size_bytes = size_bytes };
    return OK;
}

/* Use the table as handlers[i] says. */
static enum status handle_table(struct acpi *acpi, uint64_t at, uint32_t i)
{
    struct acpi_table table;
    enum status status = table_open(acpi, at, acpi->handlers[i].signature, &table);
    if (status != OK)
        return status;
    if (table.size_bytes < acpi->handlers[i].size_min)
        return ERR_TRUNCATED;
    if ((acpi->seen & (1U << i)) != 0)
        return ERR_EXISTS;
    acpi->seen |= 1U << i;
    acpi->handlers[i].use(acpi->out, &table);
    return OK;
}

static void parse_table(struct acpi *acpi, uint64_t at)
{
    const uint8_t *header = map_table(acpi, at, HEADER_BYTES);
    if (header == NULL) {
        log_warn("acpi: table at 0x%llx cannot be read", (unsigned long long)at);
        return;
    }
    for (uint32_t i = 0; i < acpi->count; i++) {
        if (memcmp(header, acpi->handlers[i].signature, 4) != 0)
            continue;
        enum status status = handle_table(acpi, at, i);
        if (status != OK)
            log_warn("acpi: %s is not used: %s", acpi->handlers[i].signature, status_text(status));
    }
}

/* The root table: addresses of `entry_bytes` each. */
static enum status parse_root(struct acpi *acpi, uint64_t at, const char *signature,
                              size_t entry_bytes)
{
    struct acpi_table root;
    enum status status = table_open(acpi, at, signature, &root);
    if (status != OK)
        return status;
    size_t count = MIN((root.size_bytes - HEADER_BYTES) / entry_bytes, (size_t)ROOT_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t offset = HEADER_BYTES + i * entry_bytes;
        parse_table(acpi, entry_bytes == 8 ? acpi_u64(&root, offset) : acpi_u32(&root, offset));
    }
    return OK;
}

/* The address of the XSDT; 0 if the pointer is of the first version, or its extended part is bad.
 */
static uint64_t rsdp_xsdt(const struct acpi *acpi, uint64_t rsdp)
{
    const uint8_t *bytes = map_table(acpi, rsdp, RSDP_V2_BYTES);
    if (bytes == NULL || load_le32(bytes + 20) != RSDP_V2_BYTES ||
        !sum_is_zero(bytes, RSDP_V2_BYTES)) {
        log_warn("acpi: the extended root pointer is bad");
        return 0;
    }
    return load_le64(bytes + 24);
}

enum status acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                       const struct acpi_handler *handlers, size_t count, struct platform_info *out)
{
    struct acpi acpi = {
        .map = map, .context = context, .handlers = handlers, .count = count, .out = out
    };
    const uint8_t *bytes = map_table(&acpi, rsdp.raw, RSDP_V1_BYTES);
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

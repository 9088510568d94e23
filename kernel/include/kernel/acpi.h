/* ACPI tables, as far as every architecture reads them (ACPI 6.5, chapter 5): finding them, and
 * reading fields that may not be there. What a table says of an architecture is read in
 * kernel/arch.
 *
 * The tables are a stranger's bytes. A table is mapped at the length that its header says, after
 * that length was found sane, and is used only if its bytes sum up to 0; every field is read only
 * if the table is long enough to have it. What is bad is skipped with a line in the log.
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

struct platform_info; /* the architecture's: what it looks for */

/* How a reader of tables reaches physical memory: NULL if it cannot. */
typedef const void *platform_map(void *context, paddr_t pa, size_t size_bytes);

/* Through kmap_firmware; no context. */
platform_map platform_map_firmware;

/* A table that was mapped whole and whose checksum is right, or one entry of a MADT. */
struct acpi_table {
    const uint8_t *bytes;
    size_t size_bytes;
};

/* Take from the table what is wanted. */
typedef void acpi_use(struct platform_info *out, const struct acpi_table *table);

/* Who uses which table. Shorter ones are not used; of two of one kind the first counts. */
struct acpi_handler {
    char signature[5];
    uint8_t size_min;
    acpi_use *use;
};

struct acpi_madt_handler {
    uint8_t type;
    uint8_t size_min;
    acpi_use *use;
};

/* ACPI address space of a generic address structure. */
enum { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1 };

struct acpi_address {
    uint8_t space;
    uint64_t address;
};

/* Hand every table that the root pointer leads to to its handler (`count` of them, at most 32).
 * ERR_NOT_FOUND, ERR_FORMAT, ERR_DIGEST or ERR_TRUNCATED if there is no root that can be used; then
 * no handler ran. `out` comes zeroed.
 */
enum status acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                       const struct acpi_handler *handlers, size_t count,
                       struct platform_info *out);

/* For handlers. What the table is too short for reads as 0. */
bool acpi_has(const struct acpi_table *table, size_t offset, size_t size_bytes);
uint8_t acpi_u8(const struct acpi_table *table, size_t offset);
uint16_t acpi_u16(const struct acpi_table *table, size_t offset);
uint32_t acpi_u32(const struct acpi_table *table, size_t offset);
uint64_t acpi_u64(const struct acpi_table *table, size_t offset);
struct acpi_address acpi_address_at(const struct acpi_table *table, size_t offset);

/* Hand each entry of a MADT to the handler of its type; shorter ones are not used. */
void acpi_madt_entries(struct platform_info *out, const struct acpi_table *madt,
                       const struct acpi_madt_handler *handlers, size_t count);

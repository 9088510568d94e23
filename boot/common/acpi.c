/* See acpi.h. */

#include <base/bytes.h>
#include <base/string.h>
#include <boot/acpi.h>

enum {
    RSDP_BYTES = 20,
    RSDP_BYTES_2 = 36,
    TABLE_HEADER_BYTES = 36,
    TABLE_BYTES_MAX = 1 << 20,
    MADT_ENTRIES_AT = 44,
    MADT_LOCAL_APIC = 0,
    MADT_IO_APIC = 1,
    MADT_LOCAL_X2APIC = 9,
    MADT_GICC = 11,
    MADT_ENABLED = 1,
};

static bool sum_is_zero(const uint8_t *bytes, size_t size_bytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

/* A whole table with a right checksum, or NULL. */
static const uint8_t *acpi_table(const struct acpi_memory *memory, uint64_t physical,
                                 size_t *size_bytes_out)
{
    const uint8_t *header = memory->view(memory->context, physical, TABLE_HEADER_BYTES);
    if (header == NULL)
        return NULL;
    uint32_t size_bytes = load_le32(header + 4);
    if (size_bytes < TABLE_HEADER_BYTES || size_bytes > TABLE_BYTES_MAX)
        return NULL;
    const uint8_t *table = memory->view(memory->context, physical, size_bytes);
    if (table == NULL || !sum_is_zero(table, size_bytes))
        return NULL;
    *size_bytes_out = size_bytes;
    return table;
}

/* The list of all tables: the XSDT (64-bit pointers) if there is one, else the RSDT. */
static const uint8_t *acpi_root(const struct acpi_memory *memory, uint64_t rsdp,
                                size_t *size_bytes_out, size_t *pointer_bytes_out)
{
    const uint8_t *at = memory->view(memory->context, rsdp, RSDP_BYTES);
    if (at == NULL || memcmp(at, "RSD PTR ", 8) != 0 || !sum_is_zero(at, RSDP_BYTES))
        return NULL;

    *pointer_bytes_out = 4;
    uint64_t root = load_le32(at + 16);
    if (at[15] >= 2) {
        at = memory->view(memory->context, rsdp, RSDP_BYTES_2);
        if (at == NULL || !sum_is_zero(at, RSDP_BYTES_2))
            return NULL;
        if (load_le64(at + 24) != 0) {
            *pointer_bytes_out = 8;
            root = load_le64(at + 24);
        }
    }
    return acpi_table(memory, root, size_bytes_out);
}

enum status acpi_find(const struct acpi_memory *memory, uint64_t rsdp, const char *signature,
                      const void **table_out, size_t *size_bytes_out)
{
    size_t root_bytes, pointer_bytes;
    const uint8_t *root = acpi_root(memory, rsdp, &root_bytes, &pointer_bytes);
    if (root == NULL)
        return ERR_FORMAT;

    for (size_t at = TABLE_HEADER_BYTES; at + pointer_bytes <= root_bytes; at += pointer_bytes) {
        uint64_t physical = pointer_bytes == 8 ? load_le64(root + at) : load_le32(root + at);
        const uint8_t *table = acpi_table(memory, physical, size_bytes_out);
        if (table != NULL && memcmp(table, signature, 4) == 0) {
            *table_out = table;
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

void boot_cpu_list_add(struct boot_cpu_list *list, uint64_t hardware_id, uint32_t acpi_uid)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->cpu[i].hardware_id == hardware_id)
            return;
    }
    if (list->count < ARRAY_LEN(list->cpu))
        list->cpu[list->count++] = (struct boot_cpu){ hardware_id, acpi_uid };
}

static void madt_entry(const uint8_t *entry, size_t size_bytes, struct boot_cpu_list *list)
{
    switch (entry[0]) {
    case MADT_LOCAL_APIC:
        if (size_bytes >= 8 && (load_le32(entry + 4) & MADT_ENABLED) != 0)
            boot_cpu_list_add(list, entry[3], entry[2]);
        break;
    case MADT_LOCAL_X2APIC:
        if (size_bytes >= 16 && (load_le32(entry + 8) & MADT_ENABLED) != 0)
            boot_cpu_list_add(list, load_le32(entry + 4), load_le32(entry + 12));
        break;
    case MADT_GICC:
        if (size_bytes >= 76 && (load_le32(entry + 12) & MADT_ENABLED) != 0)
            boot_cpu_list_add(list, load_le64(entry + 68), load_le32(entry + 8));
        break;
    default:
        break;
    }
}

/* The next entry of a MADT, whole; NULL at the end, and where the lengths make no sense. */
static const uint8_t *madt_next(const uint8_t *madt, size_t size_bytes, size_t *at)
{
    if (*at + 2 > size_bytes)
        return NULL;
    const uint8_t *entry = madt + *at;
    if (entry[1] < 2 || entry[1] > size_bytes - *at)
        return NULL;
    *at += entry[1];
    return entry;
}

void acpi_madt_cpus(const void *madt, size_t size_bytes, struct boot_cpu_list *list)
{
    const uint8_t *entry;
    size_t at = MADT_ENTRIES_AT;

    while ((entry = madt_next(madt, size_bytes, &at)) != NULL)
        madt_entry(entry, entry[1], list);
}

size_t acpi_madt_io_apics(const void *madt, size_t size_bytes, uint32_t *base_out, size_t max)
{
    const uint8_t *entry;
    size_t at = MADT_ENTRIES_AT;
    size_t count = 0;

    while (count < max && (entry = madt_next(madt, size_bytes, &at)) != NULL) {
        if (entry[0] == MADT_IO_APIC && entry[1] >= 12)
            base_out[count++] = load_le32(entry + 4);
    }
    return count;
}

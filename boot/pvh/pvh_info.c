/* See pvh_info.h. */

#include "pvh_info.h"

#include <base/bytes.h>
#include <base/checked.h>

enum {
    PVH_MAGIC = 0x336ec578,
    PVH_INFO_BYTES_0 = 40,
    PVH_INFO_BYTES_1 = 56,
    PVH_MODULE_BYTES = 32,
    PVH_RANGE_BYTES = 24,
    PVH_RANGE_MAX = 256,
    E820_RAM = 1,
    E820_ACPI = 3,
    E820_NVS = 4,
    E820_BAD = 5,
};

struct pvh_reader {
    pvh_view *view;
    void *context;
    struct pvh_info *info;
};

static uint64_t e820_type(uint32_t type)
{
    switch (type) {
    case E820_RAM:
        return LIMINE_MEMMAP_USABLE;
    case E820_ACPI:
        return LIMINE_MEMMAP_ACPI_RECLAIMABLE;
    case E820_NVS:
        return LIMINE_MEMMAP_ACPI_NVS;
    case E820_BAD:
        return LIMINE_MEMMAP_BAD_MEMORY;
    default:
        return LIMINE_MEMMAP_RESERVED;
    }
}

static enum status pvh_read_map(struct pvh_reader *reader, uint64_t physical, uint32_t count)
{
    if (count == 0 || count > PVH_RANGE_MAX)
        return ERR_FORMAT;
    const uint8_t *entry =
        reader->view(reader->context, physical, (uint64_t)count * PVH_RANGE_BYTES);
    if (entry == NULL)
        return ERR_FORMAT;
    for (uint32_t i = 0; i < count; i++, entry += PVH_RANGE_BYTES) {
        enum status status = boot_map_add(&reader->info->map, load_le64(entry),
                                          load_le64(entry + 8), e820_type(load_le32(entry + 16)));
        if (status != OK)
            return status;
    }
    return OK;
}

static enum status pvh_read_modules(struct pvh_reader *reader, uint64_t physical, uint32_t count)
{
    if (count > PVH_MODULE_MAX)
        return ERR_FORMAT;
    if (count == 0)
        return OK;
    const uint8_t *entry =
        reader->view(reader->context, physical, (uint64_t)count * PVH_MODULE_BYTES);
    if (entry == NULL)
        return ERR_FORMAT;
    for (uint32_t i = 0; i < count; i++, entry += PVH_MODULE_BYTES)
        reader->info->module[i] = (struct pvh_module){ load_le64(entry), load_le64(entry + 8) };
    reader->info->module_count = count;
    return OK;
}

/* Byte by byte: where the text ends is not known before. */
static enum status pvh_read_cmdline(struct pvh_reader *reader, uint64_t physical)
{
    char *to = reader->info->cmdline;
    if (physical == 0)
        return OK;
    for (size_t i = 0; i < PVH_CMDLINE_MAX; i++) {
        uint64_t at;
        if (!checked_add_u64(physical, i, &at))
            return ERR_FORMAT;
        const char *c = reader->view(reader->context, at, 1);
        if (c == NULL)
            return ERR_FORMAT;
        to[i] = *c;
        if (*c == 0)
            return OK;
    }
    to[PVH_CMDLINE_MAX - 1] = 0;
    reader->info->cmdline_cut = true;
    return OK;
}

enum status pvh_parse(pvh_view *view, void *context, uint64_t physical, struct pvh_info *info_out)
{
    struct pvh_reader reader = { view, context, info_out };

    *info_out = (struct pvh_info){ 0 };
    const uint8_t *start = view(context, physical, PVH_INFO_BYTES_0);
    if (start == NULL || load_le32(start) != PVH_MAGIC)
        return ERR_FORMAT;
    if (load_le32(start + 4) < 1)
        return ERR_UNSUPPORTED;
    start = view(context, physical, PVH_INFO_BYTES_1);
    if (start == NULL)
        return ERR_FORMAT;

    info_out->rsdp = load_le64(start + 32);
    enum status status = pvh_read_modules(&reader, load_le64(start + 16), load_le32(start + 12));
    if (status == OK)
        status = pvh_read_cmdline(&reader, load_le64(start + 24));
    if (status == OK)
        status = pvh_read_map(&reader, load_le64(start + 40), load_le32(start + 48));
    return status;
}

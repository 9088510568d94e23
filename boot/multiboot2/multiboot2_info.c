/* See multiboot2_info.h. */

#include "multiboot2_info.h"

#include <base/bytes.h>
#include <base/string.h>

enum {
    INFO_HEADER_BYTES = 8,
    TAG_HEADER_BYTES = 8,
    TAG_END = 0,
    TAG_CMDLINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_ACPI_OLD = 14,
    TAG_ACPI_NEW = 15,
    MODULE_TEXT_AT = 16,
    MEMORY_ENTRIES_AT = 16,
    MEMORY_ENTRY_BYTES = 24,
    FRAMEBUFFER_BYTES = 38,
    FRAMEBUFFER_RGB = 1,
    RSDP_OLD_BYTES = 20,
    RSDP_NEW_BYTES = 36,
};

struct tag {
    const uint8_t *bytes; /* the header included */
    size_t size_bytes;
};

/* Text of a tag: ends with 0, or with the tag. False if it had to be cut. */
static bool tag_text(const struct tag *tag, size_t at, char *to, size_t to_bytes)
{
    size_t length = strnlen((const char *)tag->bytes + at, tag->size_bytes - at);
    size_t taken = MIN(length, to_bytes - 1);
    memcpy(to, tag->bytes + at, taken);
    to[taken] = 0;
    return taken == length;
}

static enum status tag_module(const struct tag *tag, struct multiboot2_info *info)
{
    if (tag->size_bytes < MODULE_TEXT_AT)
        return ERR_FORMAT;
    if (info->module_count == MULTIBOOT2_MODULE_MAX)
        return ERR_LIMIT;
    uint32_t base = load_le32(tag->bytes + 8), end = load_le32(tag->bytes + 12);
    if (end < base)
        return ERR_FORMAT;

    struct multiboot2_module *module = &info->module[info->module_count++];
    module->base = base;
    module->size_bytes = end - base;
    bool whole = tag_text(tag, MODULE_TEXT_AT, module->name, sizeof(module->name));
    char *space = strchr(module->name, ' ');
    if (space != NULL)
        *space = 0;
    return whole || space != NULL ? OK : ERR_LIMIT;
}

static uint64_t memory_type(uint32_t type)
{
    switch (type) {
    case 1:
        return LIMINE_MEMMAP_USABLE;
    case 3:
        return LIMINE_MEMMAP_ACPI_RECLAIMABLE;
    case 4:
        return LIMINE_MEMMAP_ACPI_NVS;
    case 5:
        return LIMINE_MEMMAP_BAD_MEMORY;
    default:
        return LIMINE_MEMMAP_RESERVED;
    }
}

static enum status tag_memory(const struct tag *tag, struct multiboot2_info *info)
{
    if (tag->size_bytes < MEMORY_ENTRIES_AT)
        return ERR_FORMAT;
    uint32_t entry_bytes = load_le32(tag->bytes + 8);
    if (entry_bytes < MEMORY_ENTRY_BYTES)
        return ERR_FORMAT;
    for (size_t at = MEMORY_ENTRIES_AT; tag->size_bytes - at >= entry_bytes; at += entry_bytes) {
        const uint8_t *entry = tag->bytes + at;
        enum status status = boot_map_add(&info->map, load_le64(entry), load_le64(entry + 8),
                                          memory_type(load_le32(entry + 16)));
        if (status != OK)
            return status;
    }
    return OK;
}

/* A screen of direct colour; text mode and palettes are no use to the kernel. */
static enum status tag_framebuffer(const struct tag *tag, struct multiboot2_info *info)
{
    const uint8_t *b = tag->bytes;
    if (tag->size_bytes < FRAMEBUFFER_BYTES || b[29] != FRAMEBUFFER_RGB)
        return OK;
    struct limine_framebuffer screen = {
        .address = (void *)(uintptr_t)load_le64(b + 8),
        .pitch = load_le32(b + 16),
        .width = load_le32(b + 20),
        .height = load_le32(b + 24),
        .bpp = b[28],
        .memory_model = LIMINE_FRAMEBUFFER_RGB,
        .red_mask_shift = b[32],
        .red_mask_size = b[33],
        .green_mask_shift = b[34],
        .green_mask_size = b[35],
        .blue_mask_shift = b[36],
        .blue_mask_size = b[37],
    };
    if (screen.address == NULL || screen.width == 0 || screen.height == 0 ||
        screen.pitch < screen.width * screen.bpp / 8)
        return ERR_FORMAT;
    info->framebuffer = screen;
    info->framebuffer_present = true;
    return OK;
}

static enum status info_tag(const struct tag *tag, struct multiboot2_info *info)
{
    switch (load_le32(tag->bytes)) {
    case TAG_CMDLINE:
        info->cmdline_cut = !tag_text(tag, TAG_HEADER_BYTES, info->cmdline, sizeof(info->cmdline));
        return OK;
    case TAG_MODULE:
        return tag_module(tag, info);
    case TAG_MEMORY:
        return tag_memory(tag, info);
    case TAG_FRAMEBUFFER:
        return tag_framebuffer(tag, info);
    case TAG_ACPI_OLD:
        if (info->rsdp == NULL && tag->size_bytes >= TAG_HEADER_BYTES + RSDP_OLD_BYTES)
            info->rsdp = tag->bytes + TAG_HEADER_BYTES;
        return OK;
    case TAG_ACPI_NEW:
        if (tag->size_bytes >= TAG_HEADER_BYTES + RSDP_NEW_BYTES)
            info->rsdp = tag->bytes + TAG_HEADER_BYTES;
        return OK;
    default:
        return OK;
    }
}

enum status multiboot2_parse(const void *bytes, size_t size_bytes, struct multiboot2_info *info_out)
{
    const uint8_t *start = bytes;
    size_t at = INFO_HEADER_BYTES;

    *info_out = (struct multiboot2_info){ 0 };
    if (size_bytes < INFO_HEADER_BYTES || load_le32(start) < INFO_HEADER_BYTES)
        return ERR_FORMAT;
    if (load_le32(start) > size_bytes)
        return ERR_TRUNCATED;
    size_bytes = load_le32(start);

    for (;;) {
        if (size_bytes - at < TAG_HEADER_BYTES)
            return ERR_TRUNCATED;
        struct tag tag = { start + at, load_le32(start + at + 4) };
        if (tag.size_bytes < TAG_HEADER_BYTES)
            return ERR_FORMAT;
        if (tag.size_bytes > size_bytes - at)
            return ERR_TRUNCATED;
        if (load_le32(tag.bytes) == TAG_END)
            return info_out->map.count > 0 ? OK : ERR_NOT_FOUND;
        enum status status = info_tag(&tag, info_out);
        if (status != OK)
            return status;
        at = MIN(ALIGN_UP(at + tag.size_bytes, 8), size_bytes);
    }
}

/* Boot volumes in memory, for PVH, Multiboot2 and Image: see direct.h. */

#include <base/string.h>
#include <boot/cpio.h>
#include <boot/direct.h>

static struct boot_map_scratch scratch;

static struct direct *direct_of(struct boot_platform *platform)
{
    return CONTAINER_OF(platform, struct direct, platform);
}

static uint64_t direct_alloc_pages(struct boot_platform *platform, uint64_t page_count,
                                   uint64_t limit)
{
    uint64_t identity = platform->identity_limit != 0 ? platform->identity_limit : UINT64_MAX;
    return boot_map_take(&direct_of(platform)->map, page_count,
                         limit != 0 ? MIN(limit, identity) : identity);
}

/* Where a file lies, in the last part that has it. */
static enum status direct_find(const struct direct *direct, const char *path,
                               struct cpio_file *file_out)
{
    for (size_t i = direct->part_count; i-- > 0;) {
        const struct direct_part *part = &direct->part[i];
        if (part->name != NULL) {
            if (!boot_path_equal(part->name, path))
                continue;
            *file_out = (struct cpio_file){ part->data, part->size_bytes };
            return OK;
        }
        enum status status = cpio_find(part->data, part->size_bytes, path, file_out);
        if (status != ERR_NOT_FOUND)
            return status == OK ? OK : ERR_DEVICE;
    }
    return ERR_NOT_FOUND;
}

static enum status direct_read_file(struct boot_platform *platform, const char *path, uint64_t type,
                                    struct boot_file *file_out)
{
    struct cpio_file file;
    void *copy;

    enum status status = direct_find(direct_of(platform), path, &file);
    if (status != OK)
        return status;
    uint64_t rounded = ALIGN_UP((uint64_t)file.size_bytes + 1, BOOT_PAGE_SIZE);
    status = boot_alloc(platform, rounded, type, &copy);
    if (status != OK)
        return status;
    memcpy(copy, file.data, file.size_bytes);
    memset((char *)copy + file.size_bytes, 0, rounded - file.size_bytes);
    *file_out = (struct boot_file){ copy, file.size_bytes };
    return OK;
}

static enum status direct_memory_map(struct boot_platform *platform, struct boot_map *map_out)
{
    memcpy(map_out, &direct_of(platform)->map, sizeof(*map_out));
    return OK;
}

void direct_init(struct direct *direct)
{
    direct->platform.alloc_pages = direct_alloc_pages;
    direct->platform.read_file = direct_read_file;
    direct->platform.memory_map = direct_memory_map;
    direct->platform.exit_firmware = direct_memory_map;
    direct_add_part(direct, direct_bundle, (uint64_t)(direct_bundle_end - direct_bundle), NULL);
}

void direct_set_cmdline(struct direct *direct, const char *cmdline, bool cut)
{
    direct->platform.cmdline = cmdline;
    boot_console_init(&direct->platform);
    if (cut)
        boot_fail("the command line is longer than %u bytes", (unsigned)strlen(cmdline));
}

void direct_add_range(struct direct *direct, uint64_t base, uint64_t size_bytes, uint64_t type)
{
    if (boot_map_add(&direct->map, base, size_bytes, type) != OK)
        boot_fail("the machine's memory map is malformed");
}

void direct_add_part(struct direct *direct, const void *data, uint64_t size_bytes, const char *name)
{
    uint64_t limit = direct->platform.identity_limit;
    uint64_t base = (uint64_t)(uintptr_t)data;

    if (size_bytes == 0)
        return;
    if (direct->part_count == DIRECT_PART_MAX)
        boot_fail("too many boot modules");
    if (base + size_bytes < base || (limit != 0 && base + size_bytes > limit))
        boot_fail("a boot module lies outside the memory that can be reached");
    if (cpio_is_archive(data, size_bytes))
        name = NULL;
    else if (name == NULL || name[0] != '/')
        boot_fail("a boot module is no cpio archive, and has no path for a name");
    direct->part[direct->part_count++] = (struct direct_part){ data, size_bytes, name };
    direct_add_range(direct, base, size_bytes, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
}

void direct_main(struct direct *direct)
{
    if (boot_map_finish(&direct->map, &scratch) != OK)
        boot_fail("the machine's memory map has too many ranges");
    boot_main(&direct->platform);
}

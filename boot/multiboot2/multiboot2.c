/* Multiboot2: what GRUB tells, made into what the core wants. Modules are cpio archives, or single
 * files whose name is their path on the boot volume.
 */

#include "multiboot2_info.h"

#include "../pvh/start.h"

#include <base/bytes.h>

enum { MULTIBOOT2_LOADER_MAGIC = 0x36d76289 };

static struct multiboot2_info info;

void multiboot2_read(struct direct *direct, uint32_t magic, uint32_t physical)
{
    struct boot_platform *platform = &direct->platform;
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)physical;

    if (magic != MULTIBOOT2_LOADER_MAGIC || physical == 0 ||
        physical > platform->identity_limit - 8)
        boot_fail("it was not started by a Multiboot2 loader");
    uint32_t size_bytes = load_le32(bytes);
    if (size_bytes > platform->identity_limit - physical ||
        multiboot2_parse(bytes, size_bytes, &info) != OK)
        boot_fail("the Multiboot2 information is malformed");

    platform->firmware_type = LIMINE_FIRMWARE_TYPE_X86BIOS;
    platform->rsdp = (uint64_t)(uintptr_t)info.rsdp;
    platform->framebuffer_present = info.framebuffer_present;
    platform->framebuffer = info.framebuffer;
    direct_set_cmdline(direct, info.cmdline, info.cmdline_cut);
    for (size_t i = 0; i < info.map.count; i++)
        direct_add_range(direct, info.map.range[i].base, info.map.range[i].size_bytes,
                         info.map.range[i].type);
    /* It holds the only RSDP that we know of, so it is kept like the other ACPI tables. */
    direct_add_range(direct, physical, size_bytes, LIMINE_MEMMAP_ACPI_RECLAIMABLE);
    for (size_t i = 0; i < info.module_count; i++)
        direct_add_part(direct, (const void *)(uintptr_t)info.module[i].base,
                        info.module[i].size_bytes,
                        info.module[i].name[0] != 0 ? info.module[i].name : NULL);
}

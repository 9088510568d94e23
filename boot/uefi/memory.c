/* Memory from the firmware, its map, and the end of the firmware (UEFI 7.2, 7.4.6). */
#include "uefi.h"
#include "uefi_cpu.h"

/* ExitBootServices refuses a stale map, and its first attempt runs the firmware's own handlers,
 * which may change the map. More than a second attempt is generosity.
 */
enum { EXIT_ATTEMPT_MAX = 4 };

static uint64_t type_from_efi(const struct efi_memory_descriptor *descriptor)
{
    switch (descriptor->type) {
    case EFI_CONVENTIONAL_MEMORY:
        return (descriptor->attribute & EFI_MEMORY_WB) != 0 ? LIMINE_MEMMAP_USABLE
                                                            : LIMINE_MEMMAP_RESERVED;
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_SERVICES_CODE: /* our stack and the page tables that we run on are in one */
    case EFI_BOOT_SERVICES_DATA:
        return LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE;
    case EFI_ACPI_RECLAIM_MEMORY:
        return LIMINE_MEMMAP_ACPI_RECLAIMABLE;
    case EFI_ACPI_NVS_MEMORY:
        return LIMINE_MEMMAP_ACPI_NVS;
    case EFI_UNUSABLE_MEMORY:
        return LIMINE_MEMMAP_BAD_MEMORY;
    default:
        return LIMINE_MEMMAP_RESERVED;
    }
}

/* Code, because the core runs some of what it puts into these pages, and firmware may forbid that
 * for data. Page 0 is kept and asked for again: to the core it means "none".
 */
static uint64_t uefi_alloc_pages(struct boot_platform *platform, uint64_t page_count,
                                 uint64_t limit)
{
    struct efi_boot_services *boot = uefi_of(platform)->system->boot;
    enum efi_allocate_type how = limit == 0 ? EFI_ALLOCATE_ANY_PAGES : EFI_ALLOCATE_MAX_ADDRESS;

    for (unsigned attempt = 0; attempt < 2; attempt++) {
        uint64_t address = limit - 1; /* the last byte that may be used; unused for "any" */
        if (boot->allocate_pages(how, EFI_LOADER_CODE, page_count, &address) != EFI_SUCCESS)
            return 0;
        if (address != 0)
            return address;
    }
    return 0;
}

static enum status fetch_map(struct uefi *uefi)
{
    uint32_t version = 0;
    uefi->map_size_bytes = sizeof(uefi->map);
    uint64_t efi_status = uefi->system->boot->get_memory_map(
        &uefi->map_size_bytes, (struct efi_memory_descriptor *)(void *)uefi->map, &uefi->map_key,
        &uefi->descriptor_size_bytes, &version);

    if (efi_status == EFI_BUFFER_TOO_SMALL)
        return ERR_LIMIT;
    if (efi_status != EFI_SUCCESS || uefi->map_size_bytes > sizeof(uefi->map) ||
        uefi->descriptor_size_bytes < sizeof(struct efi_memory_descriptor) ||
        uefi->descriptor_size_bytes % 8 != 0)
        return ERR_DEVICE;
    return OK;
}

/* Page 0 counts as reserved, whatever firmware uses it for: no kernel wants to find it free one
 * day. */
static enum status add_range(struct boot_map *map, const struct boot_range *range)
{
    enum status status = OK;
    if (range->base == 0 && range->size_bytes != 0)
        status = boot_map_add(map, 0, EFI_PAGE_BYTES, LIMINE_MEMMAP_RESERVED);
    if (status == OK)
        status = boot_map_add(map, range->base, range->size_bytes, range->type);
    return status;
}

/* Firmware maps are long but mostly made of neighbours of one type: join them, or a map of a few
 * hundred descriptors would exceed the core's limit for no reason.
 */
static enum status convert_map(const struct uefi *uefi, struct boot_map *map_out)
{
    struct boot_range last = { 0 };

    map_out->count = 0;
    for (uint64_t at = 0; at + sizeof(struct efi_memory_descriptor) <= uefi->map_size_bytes;
         at += uefi->descriptor_size_bytes) {
        const struct efi_memory_descriptor *descriptor =
            (const struct efi_memory_descriptor *)(const void *)(uefi->map + at);
        uint64_t type = type_from_efi(descriptor);
        if (descriptor->page_count > UINT64_MAX / EFI_PAGE_BYTES)
            return ERR_RANGE;
        uint64_t size_bytes = descriptor->page_count * EFI_PAGE_BYTES;

        if (type == last.type && descriptor->physical_start == last.base + last.size_bytes) {
            last.size_bytes += size_bytes;
            continue;
        }
        enum status status = add_range(map_out, &last);
        if (status != OK)
            return status;
        last = (struct boot_range){ descriptor->physical_start, size_bytes, type };
    }
    return add_range(map_out, &last);
}

static enum status uefi_memory_map(struct boot_platform *platform, struct boot_map *map_out)
{
    struct uefi *uefi = uefi_of(platform);
    enum status status = fetch_map(uefi);
    return status == OK ? convert_map(uefi, map_out) : status;
}

static enum status uefi_exit_firmware(struct boot_platform *platform, struct boot_map *map_out)
{
    struct uefi *uefi = uefi_of(platform);

    uefi->exiting = true;
    for (unsigned attempt = 0; attempt < EXIT_ATTEMPT_MAX; attempt++) {
        enum status status = fetch_map(uefi);
        if (status != OK)
            return status;
        if (uefi->system->boot->exit_boot_services(uefi->image, uefi->map_key) == EFI_SUCCESS) {
            /* The handlers behind the interrupts that the firmware left enabled are gone. */
            cpu_mask_interrupts();
            return convert_map(uefi, map_out);
        }
    }
    return ERR_DEVICE;
}

void uefi_memory_init(struct uefi *uefi)
{
    uefi->platform.alloc_pages = uefi_alloc_pages;
    uefi->platform.memory_map = uefi_memory_map;
    uefi->platform.exit_firmware = uefi_exit_firmware;
}

/* What the firmware knows about the machine: tables, time, framebuffer. None is required: what is
 * not there, or makes no sense, is left out, and the kernel decides whether it can do without.
 */
#include "uefi.h"

enum {
    FDT_BYTES_MIN = 40, /* the header */
    FDT_BYTES_MAX = 2 * 1024 * 1024,
    FRAMEBUFFER_SIDE_MAX = 16384,
};

static const uint32_t fdt_magic = 0xd00dfeed;

static const struct efi_guid acpi_20_table = EFI_ACPI_20_TABLE;
static const struct efi_guid acpi_10_table = EFI_ACPI_10_TABLE;
static const struct efi_guid dtb_table = EFI_DTB_TABLE;
static const struct efi_guid smbios_table = EFI_SMBIOS_TABLE;
static const struct efi_guid smbios3_table = EFI_SMBIOS3_TABLE;
static const struct efi_guid graphics_protocol = EFI_GRAPHICS_OUTPUT_PROTOCOL;

static bool guid_equal(const struct efi_guid *a, const struct efi_guid *b)
{
    bool equal = a->a == b->a && a->b == b->b && a->c == b->c;
    for (size_t i = 0; i < sizeof(a->d); i++)
        equal = equal && a->d[i] == b->d[i];
    return equal;
}

/* The physical address of a table, 0 if there is none. */
static uint64_t find_table(const struct efi_system_table *system, const struct efi_guid *guid)
{
    for (uint64_t i = 0; i < system->table_count; i++) {
        if (guid_equal(&system->tables[i].guid, guid))
            return (uint64_t)(uintptr_t)system->tables[i].table;
    }
    return 0;
}

static uint32_t read_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void find_device_tree(struct uefi *uefi)
{
    uint64_t address = find_table(uefi->system, &dtb_table);
    if (address == 0)
        return;
    const uint8_t *header = (const uint8_t *)(uintptr_t)address;
    uint32_t size_bytes = read_be32(header + 4);
    if (read_be32(header) != fdt_magic || size_bytes < FDT_BYTES_MIN || size_bytes > FDT_BYTES_MAX)
        return;
    uefi->platform.dtb = address;
    uefi->platform.dtb_size_bytes = size_bytes;
}

static void find_tables(struct uefi *uefi)
{
    struct boot_platform *platform = &uefi->platform;

    platform->efi_system_table = (uint64_t)(uintptr_t)uefi->system;
    platform->rsdp = find_table(uefi->system, &acpi_20_table);
    if (platform->rsdp == 0)
        platform->rsdp = find_table(uefi->system, &acpi_10_table);
    platform->smbios_32 = find_table(uefi->system, &smbios_table);
    platform->smbios_64 = find_table(uefi->system, &smbios3_table);
    find_device_tree(uefi);
}

/* Days from 1 January 1970 in the Gregorian calendar, counting years from March so that the leap
 * day is the last one.
 */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    if (month < 3) {
        year--;
        month += 12;
    }
    int64_t day_of_year = (153 * (month - 3) + 2) / 5 + day - 1;
    return 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

enum status uefi_time_to_unix(const struct efi_time *time, int64_t *time_s_out)
{
    if (time->year < 1970 || time->year > 9999 || time->month < 1 || time->month > 12 ||
        time->day < 1 || time->day > 31 || time->hour > 23 || time->minute > 59 ||
        time->second > 59)
        return ERR_RANGE;

    int64_t days = days_from_date(time->year, time->month, time->day);
    int64_t time_s = ((days * 24 + time->hour) * 60 + time->minute) * 60 + time->second;
    if (time->time_zone_minutes != EFI_TIME_ZONE_UNSPECIFIED) {
        if (time->time_zone_minutes < -1440 || time->time_zone_minutes > 1440)
            return ERR_RANGE;
        time_s += (int64_t)time->time_zone_minutes * 60;
    }
    *time_s_out = time_s;
    return OK;
}

static void find_time(struct uefi *uefi)
{
    struct efi_time time = { 0 };
    uefi->platform.boot_time_known = uefi->system->runtime->get_time(&time, NULL) == EFI_SUCCESS &&
                                     uefi_time_to_unix(&time, &uefi->platform.boot_time_s) == OK;
}

/* One colour's bits within a pixel; false if they are not one run. */
static bool colour_from_mask(uint32_t mask, uint8_t *size_out, uint8_t *shift_out)
{
    if (mask == 0)
        return false;
    unsigned shift = (unsigned)__builtin_ctz(mask);
    uint64_t run = (uint64_t)(mask >> shift) + 1;
    if ((run & (run - 1)) != 0)
        return false;
    *size_out = (uint8_t)__builtin_ctzll(run);
    *shift_out = (uint8_t)shift;
    return true;
}

static bool framebuffer_colours(const struct efi_graphics_mode_info *info,
                                struct limine_framebuffer *framebuffer)
{
    uint32_t red = 0x0000ff;
    uint32_t green = 0x00ff00;
    uint32_t blue = 0xff0000;

    if (info->format == EFI_PIXEL_BGR_RESERVED) {
        red = 0xff0000;
        blue = 0x0000ff;
    } else if (info->format == EFI_PIXEL_BIT_MASK) {
        red = info->red_mask;
        green = info->green_mask;
        blue = info->blue_mask;
        uint32_t all = red | green | blue | info->reserved_mask;
        framebuffer->bpp = all > 0xffffff ? 32 : all > 0xffff ? 24 : 16;
    } else if (info->format != EFI_PIXEL_RGB_RESERVED) {
        return false;
    }
    return colour_from_mask(red, &framebuffer->red_mask_size, &framebuffer->red_mask_shift) &&
           colour_from_mask(green, &framebuffer->green_mask_size, &framebuffer->green_mask_shift) &&
           colour_from_mask(blue, &framebuffer->blue_mask_size, &framebuffer->blue_mask_shift);
}

/* The mode that the firmware has set: changing it would only lose what is on the screen. */
static void find_framebuffer(struct uefi *uefi)
{
    void *interface = NULL;
    if (uefi->system->boot->locate_protocol(&graphics_protocol, NULL, &interface) != EFI_SUCCESS)
        return;
    const struct efi_graphics_mode *mode = ((struct efi_graphics_output *)interface)->mode;
    if (mode == NULL || mode->info == NULL || mode->framebuffer_base == 0)
        return;
    const struct efi_graphics_mode_info *info = mode->info;

    struct limine_framebuffer framebuffer = {
        .address = (void *)(uintptr_t)mode->framebuffer_base,
        .width = info->width,
        .height = info->height,
        .bpp = 32,
        .memory_model = LIMINE_FRAMEBUFFER_RGB,
    };
    if (!framebuffer_colours(info, &framebuffer))
        return;
    framebuffer.pitch = (uint64_t)info->pixels_per_line * framebuffer.bpp / 8;
    if (info->width == 0 || info->width > FRAMEBUFFER_SIDE_MAX || info->height == 0 ||
        info->height > FRAMEBUFFER_SIDE_MAX || info->pixels_per_line < info->width ||
        framebuffer.pitch * info->height > mode->framebuffer_size)
        return;
    uefi->platform.framebuffer = framebuffer;
    uefi->platform.framebuffer_present = true;
}

void uefi_facts_init(struct uefi *uefi)
{
    uefi->platform.firmware_type = LIMINE_FIRMWARE_TYPE_UEFI64;
    find_tables(uefi);
    find_time(uefi);
    find_framebuffer(uefi);
}

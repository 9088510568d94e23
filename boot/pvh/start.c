/* x86_64 without UEFI: the front end behind entry.S, for both ways to get there. */

#include "start.h"

#include <boot/console_pc.h>

extern const char loader_start[], loader_end[];

static struct direct direct;

void start(uint32_t magic, uint32_t info)
{
    struct boot_platform *platform = &direct.platform;
    platform->put = serial_put;
    platform->identity_limit = UINT64_C(1) << 32; /* what entry.S maps */
    boot_console_init(platform);
    serial_begin(platform); /* also for the kernel, whose first line shall be one */

    uint64_t base = (uint64_t)(uintptr_t)loader_start;
    direct_init(&direct);
    direct_add_range(&direct, base, (uint64_t)(uintptr_t)loader_end - base,
                     LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE);
    rtc_read(platform);
    if (magic == 0)
        pvh_read(&direct, info);
    else
        multiboot2_read(&direct, magic, info);
    direct_main(&direct);
}

/* Where the description of the machine comes from, and which of two wins. */
#include "firmware.h"

#include <arch/platform.h>
#include <kernel/boot_info.h>
#include <kernel/log.h>

struct platform_info platform;

/* A tree larger than this is damaged. */
enum { FDT_BYTES_MAX = 2 << 20 };

/* The tree first: where a machine has both, it describes the machine without a second language. */
void arch_platform_init(const struct boot_info *info)
{
    if (info->dtb != NULL) {
        enum status status = fdt_parse(info->dtb, FDT_BYTES_MAX, &platform);
        if (status != OK)
            log_error("device tree: %s", status_text(status));
        else if (platform.gic_version != 0)
            return;
    }
    if (info->rsdp.raw == 0)
        return;
    platform = (struct platform_info){ .uart = UART_NONE };
    enum status status = arm_acpi_parse(info->rsdp, platform_map_firmware, NULL, &platform);
    if (status != OK)
        log_error("acpi: %s", status_text(status));
}

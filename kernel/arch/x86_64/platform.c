/* A PC's firmware describes it by ACPI. */
#include "firmware.h"

#include <arch/platform.h>
#include <kernel/boot_info.h>
#include <kernel/log.h>

struct platform_info platform;

void arch_platform_init(const struct boot_info *info)
{
    if (info->rsdp.raw == 0)
        return;
    enum status status = x86_acpi_parse(info->rsdp, platform_map_firmware, NULL, &platform);
    if (status != OK)
        log_error("acpi: %s", status_text(status));
}

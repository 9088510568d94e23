/* Where the tables come from, and which of them wins. */
#include <kernel/boot_info.h>
#include <kernel/kmap.h>
#include <kernel/log.h>
#include <kernel/platform.h>

/* A tree larger than this is damaged; the parser reads no further than the size that its header
 * says. */
enum { FDT_BYTES_MAX = 2 << 20 };

struct platform_info platform;

static const void *map_firmware(void *context, paddr_t pa, size_t size_bytes)
{
    const void *kernel;
    (void)context;
    return kmap_firmware(pa, size_bytes, &kernel) == OK ? kernel : NULL;
}

/* The tree first: where a machine has both, it describes the machine without a second language. */
void platform_init(const struct boot_info *info)
{
    if (info->dtb != NULL) {
        enum status status = fdt_parse(info->dtb, FDT_BYTES_MAX, &platform);
        if (status != OK)
            log_error("device tree: %s", status_text(status));
        else if (platform.gic_version != 0)
            return;
    }
    if (info->rsdp.raw != 0) {
        platform = (struct platform_info){ .uart = UART_NONE };
        enum status status = acpi_parse(info->rsdp, map_firmware, NULL, &platform);
        if (status != OK)
            log_error("acpi: %s", status_text(status));
    }
}

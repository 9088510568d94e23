/* How readers of tables reach them. */
#include <kernel/acpi.h>
#include <kernel/kmap.h>

const void *platform_map_firmware(void *context, paddr_t pa, size_t size_bytes)
{
    const void *kernel;
    (void)context;
    return kmap_firmware(pa, size_bytes, &kernel) == OK ? kernel : NULL;
}

/* The description of the machine, and how its readers reach the tables. */
#include <kernel/kmap.h>
#include <kernel/platform.h>

struct platform_info platform;

const void *platform_map_firmware(void *context, paddr_t pa, size_t size_bytes)
{
    const void *kernel;
    (void)context;
    return kmap_firmware(pa, size_bytes, &kernel) == OK ? kernel : NULL;
}

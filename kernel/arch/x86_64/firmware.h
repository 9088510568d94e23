/* The reader of what firmware says of the machine: bytes in, no hardware touched, so that it runs
 * on the host under sanitizers and fuzzers too. `out` comes zeroed.
 */
#pragma once

#include <kernel/platform.h>

enum status x86_acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                           struct platform_info *out);

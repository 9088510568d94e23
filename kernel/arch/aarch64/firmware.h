/* The readers of what firmware says of the machine: bytes in, no hardware touched, so that they run
 * on the host under sanitizers and fuzzers too. `out` comes zeroed; a reader sets what it finds.
 */
#pragma once

#include <kernel/platform.h>

enum status arm_acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                           struct platform_info *out);

/* Reads no further than the size in the blob's header, so `size_bytes` may be just a bound for
 * that. ERR_TRUNCATED, ERR_FORMAT or ERR_UNSUPPORTED if the tree cannot be read.
 */
enum status fdt_parse(const void *blob, size_t size_bytes, struct platform_info *out);

/* Memory maps: sorting out what firmware says, and taking pages from the result.
 *
 * Nothing here touches the memory that is described; it is plain arithmetic on untrusted numbers.
 */
#pragma once

#include <boot/platform.h>

/* Room that boot_map_finish() works in: too large for a stack. */
struct boot_map_scratch {
    struct boot_map map;
    uint64_t edge[2 * BOOT_RANGE_MAX];
};

/* Bring `map` into the form that the protocol promises: sorted, page aligned, nothing overlapping,
 * neighbours of one type joined, page 0 not usable. ERR_LIMIT if the result has too many ranges.
 */
enum status boot_map_finish(struct boot_map *map, struct boot_map_scratch *scratch);

/* Take pages off a usable range of a finished map, ending at or below `limit`; they are then in no
 * range. Returns their address, or 0.
 */
uint64_t boot_map_take(struct boot_map *map, uint64_t page_count, uint64_t limit);

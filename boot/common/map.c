/* The memory map: whatever firmware says, in any order and overlapping, made into what the protocol
 * promises. Where ranges overlap the more cautious type wins, so order never matters.
 */

#include <base/checked.h>
#include <base/string.h>
#include <boot/map.h>

/* Higher wins. Bad memory wins over everything; usable memory loses against everything. */
static unsigned map_rank(uint64_t type)
{
    switch (type) {
    case LIMINE_MEMMAP_USABLE:
        return 0;
    case LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE:
        return 1;
    case LIMINE_MEMMAP_KERNEL_AND_MODULES:
        return 2;
    case LIMINE_MEMMAP_ACPI_RECLAIMABLE:
        return 3;
    case LIMINE_MEMMAP_ACPI_NVS:
        return 4;
    case LIMINE_MEMMAP_FRAMEBUFFER: /* lies in memory that firmware reserved for it */
        return 6;
    case LIMINE_MEMMAP_BAD_MEMORY:
        return 7;
    default:
        return 5;
    }
}

enum status boot_map_add(struct boot_map *map, uint64_t base, uint64_t size_bytes, uint64_t type)
{
    uint64_t end;
    if (size_bytes == 0)
        return OK;
    if (!checked_add_u64(base, size_bytes, &end))
        return ERR_RANGE;
    if (map->count == BOOT_RANGE_MAX)
        return ERR_LIMIT;
    map->range[map->count++] = (struct boot_range){ base, size_bytes, type };
    return OK;
}

/* Usable memory shrinks to whole pages, everything else grows to whole pages: then no page is both.
 */
static void map_round(struct boot_range *range)
{
    uint64_t last_page = ALIGN_DOWN(UINT64_MAX, BOOT_PAGE_SIZE);
    uint64_t end = range->base + range->size_bytes;

    if (range->type == LIMINE_MEMMAP_USABLE) {
        uint64_t base;
        end = ALIGN_DOWN(end, BOOT_PAGE_SIZE);
        if (!checked_align_up_u64(range->base, BOOT_PAGE_SIZE, &base) || base >= end)
            base = end;
        range->size_bytes = end - base;
        range->base = base;
        return;
    }
    range->base = ALIGN_DOWN(range->base, BOOT_PAGE_SIZE);
    if (!checked_align_up_u64(end, BOOT_PAGE_SIZE, &end))
        end = last_page;
    range->size_bytes = end - range->base;
}

/* Insertion sort: maps are short and nearly sorted. */
static void map_sort_edges(uint64_t *edge, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t value = edge[i];
        size_t at = i;
        for (; at > 0 && edge[at - 1] > value; at--)
            edge[at] = edge[at - 1];
        edge[at] = value;
    }
}

/* The type that holds on [from, to), which no edge cuts; false where nothing is described. */
static bool map_winner(const struct boot_map *map, uint64_t from, uint64_t *type_out)
{
    bool found = false;
    for (size_t i = 0; i < map->count; i++) {
        const struct boot_range *range = &map->range[i];
        if (from < range->base || from - range->base >= range->size_bytes)
            continue;
        if (!found || map_rank(range->type) > map_rank(*type_out))
            *type_out = range->type;
        found = true;
    }
    return found;
}

/* Append to a sorted map, joining with the neighbour of the same type. */
static enum status map_append(struct boot_map *map, uint64_t base, uint64_t end, uint64_t type)
{
    struct boot_range *last = map->count > 0 ? &map->range[map->count - 1] : NULL;
    if (last != NULL && last->type == type && last->base + last->size_bytes == base) {
        last->size_bytes += end - base;
        return OK;
    }
    return boot_map_add(map, base, end - base, type);
}

enum status boot_map_finish(struct boot_map *map, struct boot_map_scratch *scratch)
{
    size_t edges = 0;
    struct boot_map *out = &scratch->map;

    /* The first page is never usable: NULL must stay what it is. */
    for (size_t i = 0; i < map->count; i++) {
        struct boot_range *range = &map->range[i];
        map_round(range);
        if (range->type == LIMINE_MEMMAP_USABLE && range->base == 0 && range->size_bytes > 0) {
            range->base = BOOT_PAGE_SIZE;
            range->size_bytes -= BOOT_PAGE_SIZE;
        }
        scratch->edge[edges++] = range->base;
        scratch->edge[edges++] = range->base + range->size_bytes;
    }
    map_sort_edges(scratch->edge, edges);

    out->count = 0;
    for (size_t i = 0; i + 1 < edges; i++) {
        uint64_t from = scratch->edge[i], to = scratch->edge[i + 1], type = 0;
        if (from == to || !map_winner(map, from, &type))
            continue;
        enum status status = map_append(out, from, to, type);
        if (status != OK)
            return status;
    }
    map->count = out->count;
    memcpy(map->range, out->range, out->count * sizeof(out->range[0]));
    return OK;
}

/* From the top, so that low memory stays free for what needs it. */
uint64_t boot_map_take(struct boot_map *map, uint64_t page_count, uint64_t limit)
{
    uint64_t size_bytes;
    if (page_count == 0 || !checked_mul_u64(page_count, BOOT_PAGE_SIZE, &size_bytes))
        return 0;
    limit = ALIGN_DOWN(limit, BOOT_PAGE_SIZE);

    for (size_t i = map->count; i-- > 0;) {
        struct boot_range *range = &map->range[i];
        uint64_t end = MIN(range->base + range->size_bytes, limit);
        if (range->type != LIMINE_MEMMAP_USABLE || end <= range->base ||
            end - range->base < size_bytes)
            continue;

        uint64_t base = end - size_bytes;
        uint64_t above = range->base + range->size_bytes - end;
        /* What is cut off above `limit` becomes a range of its own; without room for it, look on.
         */
        if (above > 0 && boot_map_add(map, end, above, LIMINE_MEMMAP_USABLE) != OK)
            continue;
        range->size_bytes = base - range->base;
        return base;
    }
    return 0;
}

/* Memory of the loader: every page that the core holds is in one record with its type, and the
 * record is laid over the firmware's last word about memory.
 */

#include <base/checked.h>
#include <base/string.h>
#include <boot/alloc.h>
#include <boot/platform.h>

static struct boot_map held;

/* Extend a neighbour of the same type, so that a hundred page tables are one range. */
static bool alloc_join(uint64_t base, uint64_t size_bytes, uint64_t type)
{
    for (size_t i = 0; i < held.count; i++) {
        struct boot_range *range = &held.range[i];
        if (range->type != type)
            continue;
        if (range->base + range->size_bytes == base) {
            range->size_bytes += size_bytes;
            return true;
        }
        if (base + size_bytes == range->base) {
            range->base = base;
            range->size_bytes += size_bytes;
            return true;
        }
    }
    return false;
}

enum status boot_alloc_below(struct boot_platform *platform, uint64_t size_bytes, uint64_t type,
                             uint64_t limit, void **memory_out)
{
    uint64_t rounded;
    if (size_bytes == 0 || !checked_align_up_u64(size_bytes, BOOT_PAGE_SIZE, &rounded))
        return ERR_NO_MEMORY;
    uint64_t base = platform->alloc_pages(platform, rounded / BOOT_PAGE_SIZE, limit);
    if (base == 0)
        return ERR_NO_MEMORY;
    if (!alloc_join(base, rounded, type)) {
        enum status status = boot_map_add(&held, base, rounded, type);
        if (status != OK)
            return status;
    }
    *memory_out = (void *)(uintptr_t)base;
    return OK;
}

enum status boot_alloc(struct boot_platform *platform, uint64_t size_bytes, uint64_t type,
                       void **memory_out)
{
    return boot_alloc_below(platform, size_bytes, type, 0, memory_out);
}

enum status boot_alloc_overlay(struct boot_map *map)
{
    for (size_t i = 0; i < held.count; i++) {
        const struct boot_range *range = &held.range[i];
        enum status status = boot_map_add(map, range->base, range->size_bytes, range->type);
        if (status != OK)
            return status;
    }
    return OK;
}

void boot_alloc_forget(void)
{
    held.count = 0;
}

void *arena_take(struct arena *arena, uint64_t size_bytes)
{
    enum { ARENA_CHUNK = 64 * 1024 };
    uint64_t rounded = ALIGN_UP(size_bytes, 16);

    if (rounded > arena->left_bytes) {
        void *chunk;
        uint64_t chunk_bytes = MAX(rounded, (uint64_t)ARENA_CHUNK);
        if (boot_alloc(arena->platform, chunk_bytes, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
                       &chunk) != OK)
            boot_fail("not enough memory for the loader's own tables");
        arena->next = chunk;
        arena->left_bytes = chunk_bytes;
    }
    void *taken = arena->next;
    arena->next += rounded;
    arena->left_bytes -= rounded;
    memset(taken, 0, rounded);
    return taken;
}

char *arena_text(struct arena *arena, const char *text)
{
    size_t size_bytes = strlen(text) + 1;
    char *copy = arena_take(arena, size_bytes);
    memcpy(copy, text, size_bytes);
    return copy;
}

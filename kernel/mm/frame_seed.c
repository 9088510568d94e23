/* From the boot loader's memory map to a working frame allocator.
 *
 * Everything goes by ranges: the only work for each frame is one store that sets its state, so that
 * a large machine boots as fast as a small one. The allocator's own tables take the end of one
 * usable region; what is left of all of them becomes buddy blocks.
 */
#include "frame_impl.h"
#include "words.h"
#include <kernel/boot_info.h>

/* Part of a section that has frame structures, in frame numbers within the section. */
struct span {
    uint64_t section;
    uint32_t first;
    uint32_t end;
};

struct metadata {
    uint64_t base; /* physical */
    uint64_t pool_bytes;
    uint64_t granule_bytes;
    uint64_t section_bytes;
};

struct frame_pool frame_pool;

/* The end of what we can manage of a region. */
static uint64_t region_end(const struct boot_region *region)
{
    uint64_t size_bytes = region->size_bytes;

    if (region->base >= FRAME_PA_LIMIT)
        return region->base;
    return region->base + MIN(size_bytes, FRAME_PA_LIMIT - region->base);
}

/* The first span at or after *cursor; moves the cursor behind its section. */
static bool span_next(const struct boot_info *info, uint64_t *cursor, struct span *span_out)
{
    uint64_t section_end = 0;

    for (size_t i = 0; i < info->region_count; i++) {
        const struct boot_region *region = &info->region[i];
        uint64_t start = MAX(region->base, *cursor);
        uint64_t end = region_end(region);
        if (!boot_region_is_free(region) || start >= end)
            continue;
        if (section_end == 0) {
            uint64_t section = start >> SECTION_SHIFT;
            uint32_t offset = (uint32_t)((start >> PAGE_SHIFT) & (SECTION_FRAMES - 1));
            *span_out = (struct span){ section, ALIGN_DOWN(offset, GRANULE_FRAMES), 0 };
            section_end = (section + 1) << SECTION_SHIFT;
        }
        if (start >= section_end)
            break;
        end = MIN(end, section_end) - (section_end - BIT64(SECTION_SHIFT));
        span_out->end = ALIGN_UP((uint32_t)(end >> PAGE_SHIFT), GRANULE_FRAMES);
    }
    if (section_end == 0)
        return false;
    *cursor = section_end;
    return true;
}

static struct metadata metadata_measure(const struct boot_info *info)
{
    uint64_t cursor = 0;
    uint64_t frames = 0;
    uint64_t sections = 0;
    struct span span;

    while (span_next(info, &cursor, &span)) {
        frames += span.end - span.first;
        sections = span.section + 1;
    }
    frame_pool.frame_count = frames;
    frame_pool.section_count = sections;
    return (struct metadata){
        .pool_bytes = ALIGN_UP(frames * sizeof(struct frame), PAGE_SIZE),
        .granule_bytes = ALIGN_UP(frames / GRANULE_FRAMES * sizeof(uint32_t), PAGE_SIZE),
        .section_bytes = ALIGN_UP(sections * sizeof(struct frame_section), PAGE_SIZE),
    };
}

static uint64_t metadata_size(const struct metadata *metadata)
{
    return metadata->pool_bytes + metadata->granule_bytes + metadata->section_bytes;
}

/* At the end of the highest usable region that has room: low memory is wanted by old devices. */
static enum status metadata_place(const struct boot_info *info, struct metadata *metadata)
{
    uint64_t size_bytes = metadata_size(metadata);

    for (size_t i = info->region_count; i > 0; i--) {
        const struct boot_region *region = &info->region[i - 1];
        uint64_t end = region_end(region);
        if (region->kind != BOOT_REGION_USABLE || end - region->base < size_bytes)
            continue;
        metadata->base = end - size_bytes;
        return OK;
    }
    return ERR_NO_MEMORY;
}

/* Lay the tables out and connect them. Only the frame structures themselves are not written yet. */
static void metadata_build(const struct boot_info *info, const struct metadata *metadata)
{
    uint64_t at = metadata->base;
    uint64_t cursor = 0;
    uint64_t next = 0;
    struct span span;

    frame_pool.frame = paddr_to_kernel(paddr(at));
    at += metadata->pool_bytes;
    frame_pool.granule_number = paddr_to_kernel(paddr(at));
    at += metadata->granule_bytes;
    frame_pool.section = paddr_to_kernel(paddr(at));
    words_fill(frame_pool.section, metadata->section_bytes, 0);

    while (span_next(info, &cursor, &span)) {
        uint64_t granule =
            ((span.section << SECTION_SHIFT) >> GRANULE_SHIFT) + span.first / GRANULE_FRAMES;
        frame_pool.section[span.section] = (struct frame_section){
            .frame = &frame_pool.frame[next],
            .first = span.first,
            .count = span.end - span.first,
        };
        for (uint32_t i = span.first; i < span.end; i += GRANULE_FRAMES) {
            frame_pool.granule_number[next / GRANULE_FRAMES] = (uint32_t)granule++;
            next += GRANULE_FRAMES;
        }
    }
}

static void seed_words(struct frame *first, uint64_t count, uint64_t word)
{
    struct frame *end = first + count;

    for (; end - first >= 8; first += 8) {
        first[0].word = word, first[1].word = word, first[2].word = word, first[3].word = word;
        first[4].word = word, first[5].word = word, first[6].word = word, first[7].word = word;
    }
    while (first < end)
        (first++)->word = word;
}

/* The first frame of what there is to use of a region, and how many; false if there is none. Page 0
 * stays out: physical address 0 means "none" in too many places.
 */
static bool region_frames(const struct boot_region *region, uint64_t limit,
                          struct frame **first_out, uint64_t *count_out)
{
    uint64_t base = MAX(region->base, (uint64_t)PAGE_SIZE);
    uint64_t end = MIN(region_end(region), limit);

    if (base >= end)
        return false;
    *first_out = frame_pool_find(paddr(base));
    *count_out = (end - base) >> PAGE_SHIFT;
    return true;
}

/* Of a usable region, without the tables: these lie at the end of one. */
static bool usable_frames(const struct boot_region *region, const struct metadata *metadata,
                          struct frame **first_out, uint64_t *count_out)
{
    bool has_tables = region_end(region) == metadata->base + metadata_size(metadata);

    return region->kind == BOOT_REGION_USABLE &&
           region_frames(region, has_tables ? metadata->base : UINT64_MAX, first_out, count_out);
}

/* First every structure gets its state, in order, because a block that becomes free looks at its
 * neighbours; then what is usable goes to the buddy lists.
 */
static void seed_all(const struct boot_info *info, const struct metadata *metadata)
{
    struct frame *next = frame_pool.frame;
    struct frame *first;
    uint64_t count;

    for (size_t i = 0; i < info->region_count; i++) {
        if (!usable_frames(&info->region[i], metadata, &first, &count))
            continue;
        seed_words(next, (uint64_t)(first - next), FRAME_WORD(0, 0, FRAME_RESERVED));
        seed_words(first, count, FRAME_WORD(0, 0, FRAME_FREE_TAIL));
        next = first + count;
    }
    seed_words(next, (uint64_t)(frame_pool.frame + frame_pool.frame_count - next),
               FRAME_WORD(0, 0, FRAME_RESERVED));
    for (size_t i = 0; i < info->region_count; i++) {
        if (usable_frames(&info->region[i], metadata, &first, &count))
            frame_seed_range(first, count);
    }
}

enum status frame_init(const struct boot_info *info)
{
    struct metadata metadata = metadata_measure(info);
    enum status status = metadata_place(info, &metadata);

    if (status != OK)
        return status;
    metadata_build(info, &metadata);
    seed_all(info, &metadata);
    return OK;
}

uint64_t frame_reclaim_bootloader(const struct boot_info *info)
{
    uint64_t gained = 0;

    for (size_t i = 0; i < info->region_count; i++) {
        struct frame *first;
        uint64_t count;
        if (info->region[i].kind != BOOT_REGION_LOADER ||
            !region_frames(&info->region[i], UINT64_MAX, &first, &count))
            continue;
        seed_words(first, count, FRAME_WORD(0, 0, FRAME_FREE_TAIL));
        frame_seed_range(first, count);
        gained += count;
    }
    return gained;
}

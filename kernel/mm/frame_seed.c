/* From the boot loader's memory map to a working frame allocator.
 *
 * Everything goes by ranges: the only work for each frame is one store that sets its state, so that
 * a large machine boots as fast as a small one. The bitmap gathers what is usable and what the
 * allocator's own tables take out of it; its runs become buddy blocks, and then it is freed too.
 */
#include "frame_impl.h"
#include "words.h"
#include <kernel/boot_info.h>
#include <kernel/log.h>

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
    uint64_t bitmap_bytes;
};

struct frame_pool frame_pool;

static bool region_has_frames(const struct boot_region *region)
{
    return region->kind == BOOT_REGION_USABLE || region->kind == BOOT_REGION_LOADER;
}

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
        if (!region_has_frames(region) || start >= end)
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
        .bitmap_bytes = ALIGN_UP(frames / 8, PAGE_SIZE),
    };
}

static uint64_t metadata_size(const struct metadata *metadata)
{
    return metadata->pool_bytes + metadata->granule_bytes + metadata->section_bytes +
           metadata->bitmap_bytes;
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

/* Lay the tables out and connect them; returns the bitmap. Only the frame structures themselves are
 * not written yet.
 */
static uint64_t *metadata_build(const struct boot_info *info, const struct metadata *metadata)
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
    at += metadata->section_bytes;
    words_fill(frame_pool.section, metadata->section_bytes, 0);
    words_fill(paddr_to_kernel(paddr(at)), metadata->bitmap_bytes, 0);

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
    return paddr_to_kernel(paddr(at));
}

/* Set or clear the bits of [base, base + size), a word at a time. The range has frame structures.
 */
static void bitmap_mark(uint64_t *bitmap, uint64_t base, uint64_t size_bytes, bool usable)
{
    if (size_bytes == 0)
        return;
    uint64_t bit = (uint64_t)(frame_pool_find(paddr(base)) - frame_pool.frame);
    uint64_t end = bit + (size_bytes >> PAGE_SHIFT);

    while (bit < end) {
        unsigned shift = (unsigned)(bit % 64);
        uint64_t count = MIN(64 - shift, end - bit);
        uint64_t mask = (count == 64 ? UINT64_MAX : BIT64(count) - 1) << shift;
        if (usable)
            bitmap[bit / 64] |= mask;
        else
            bitmap[bit / 64] &= ~mask;
        bit += count;
    }
}

/* How many bits from `bit` on, up to `end`, are the same. */
static uint64_t bitmap_run(const uint64_t *bitmap, uint64_t bit, uint64_t end)
{
    uint64_t flip = (bitmap[bit / 64] >> (bit % 64) & 1) != 0 ? UINT64_MAX : 0;
    uint64_t at = bit;

    while (at < end) {
        uint64_t other = (bitmap[at / 64] ^ flip) >> (at % 64);
        if (other != 0) {
            at += (unsigned)__builtin_ctzll(other);
            break;
        }
        at += 64 - at % 64;
    }
    return MIN(at, end) - bit;
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

/* Run by run through one section: first every structure gets its state, because a block that
 * becomes free looks at its neighbours; in a second walk what is usable goes to the buddy lists.
 */
static void seed_section(const struct frame_section *section, const uint64_t *bitmap, bool release)
{
    uint64_t bit = (uint64_t)(section->frame - frame_pool.frame);
    uint64_t end = bit + section->count;

    while (bit < end) {
        uint64_t count = bitmap_run(bitmap, bit, end);
        struct frame *first = &frame_pool.frame[bit];
        bool usable = (bitmap[bit / 64] >> (bit % 64) & 1) != 0;
        if (!release)
            seed_words(first, count, FRAME_WORD(0, 0, usable ? FRAME_FREE_TAIL : FRAME_RESERVED));
        else if (usable)
            frame_seed_range(first, count);
        bit += count;
    }
}

static void seed_sections(const uint64_t *bitmap, bool release)
{
    for (uint64_t i = 0; i < frame_pool.section_count; i++) {
        if (frame_pool.section[i].count != 0)
            seed_section(&frame_pool.section[i], bitmap, release);
    }
}

/* What was out of bounds so far. */
static void seed_reserved(uint64_t base, uint64_t count)
{
    struct frame *first = frame_pool_find(paddr(base));

    seed_words(first, count, FRAME_WORD(0, 0, FRAME_FREE_TAIL));
    frame_seed_range(first, count);
}

enum status frame_init(const struct boot_info *info)
{
    struct metadata metadata = metadata_measure(info);
    enum status status = metadata_place(info, &metadata);

    if (status != OK)
        return status;
    uint64_t *bitmap = metadata_build(info, &metadata);
    for (size_t i = 0; i < info->region_count; i++) {
        const struct boot_region *region = &info->region[i];
        /* Page 0 stays out: physical address 0 means "none" in too many places. */
        uint64_t base = MAX(region->base, (uint64_t)PAGE_SIZE);
        uint64_t end = region_end(region);
        if (region->kind == BOOT_REGION_USABLE && base < end)
            bitmap_mark(bitmap, base, end - base, true);
    }
    bitmap_mark(bitmap, metadata.base, metadata_size(&metadata), false);
    seed_sections(bitmap, false);
    seed_sections(bitmap, true);
    seed_reserved(paddr_of_direct(bitmap).raw, metadata.bitmap_bytes >> PAGE_SHIFT);
    return OK;
}

uint64_t frame_reclaim_bootloader(const struct boot_info *info)
{
    uint64_t gained = 0;

    for (size_t i = 0; i < info->region_count; i++) {
        const struct boot_region *region = &info->region[i];
        uint64_t base = MAX(region->base, (uint64_t)PAGE_SIZE);
        uint64_t end = region_end(region);
        if (region->kind != BOOT_REGION_LOADER || base >= end)
            continue;
        uint64_t count = (end - base) >> PAGE_SHIFT;
        seed_reserved(base, count);
        gained += count;
    }
    return gained;
}

/* Memory maps: against cases, and against a map drawn page by page. */
#include <base/string.h>
#include <base/test.h>
#include <boot/map.h>

static struct boot_map_scratch scratch;
static struct boot_map map;

static void add(uint64_t base, uint64_t size_bytes, uint64_t type)
{
    EXPECT_EQ(boot_map_add(&map, base, size_bytes, type), OK);
}

TEST(ranges_that_overflow_are_refused)
{
    map.count = 0;
    EXPECT_EQ(boot_map_add(&map, UINT64_MAX, 2, LIMINE_MEMMAP_RESERVED), ERR_RANGE);
    EXPECT_EQ(boot_map_add(&map, 4096, UINT64_MAX, LIMINE_MEMMAP_USABLE), ERR_RANGE);
    EXPECT_EQ(map.count, 0);
    EXPECT_EQ(boot_map_add(&map, 4096, 0, LIMINE_MEMMAP_USABLE), OK);
    EXPECT_EQ(map.count, 0);
}

TEST(a_full_map_refuses_more)
{
    map.count = 0;
    for (uint64_t i = 0; i < BOOT_RANGE_MAX; i++)
        add(i * 8192, 4096, LIMINE_MEMMAP_RESERVED);
    EXPECT_EQ(boot_map_add(&map, 1, 1, LIMINE_MEMMAP_RESERVED), ERR_LIMIT);
}

TEST(a_map_that_splits_into_too_many_ranges_is_refused)
{
    map.count = 0;
    add(0, UINT64_C(1) << 40, LIMINE_MEMMAP_USABLE);
    for (uint64_t i = 1; i < BOOT_RANGE_MAX; i++)
        add(i * 8192, 4096, LIMINE_MEMMAP_RESERVED);
    EXPECT_EQ(boot_map_finish(&map, &scratch), ERR_LIMIT);
}

TEST(usable_memory_shrinks_to_pages_and_the_rest_grows)
{
    map.count = 0;
    add(0x1800, 0x3000, LIMINE_MEMMAP_USABLE);
    add(0x9fc00, 0x400, LIMINE_MEMMAP_RESERVED);
    EXPECT_EQ(boot_map_finish(&map, &scratch), OK);
    EXPECT_EQ(map.count, 2);
    EXPECT_EQ(map.range[0].base, 0x2000);
    EXPECT_EQ(map.range[0].size_bytes, 0x2000);
    EXPECT_EQ(map.range[1].base, 0x9f000);
    EXPECT_EQ(map.range[1].size_bytes, 0x1000);
}

TEST(page_zero_is_never_usable)
{
    map.count = 0;
    add(0, 0x10000, LIMINE_MEMMAP_USABLE);
    EXPECT_EQ(boot_map_finish(&map, &scratch), OK);
    EXPECT_EQ(map.count, 1);
    EXPECT_EQ(map.range[0].base, 0x1000);
}

TEST(the_end_of_the_address_space_does_not_wrap)
{
    map.count = 0;
    add(UINT64_MAX - 0x1800, 0x1800, LIMINE_MEMMAP_RESERVED);
    add(UINT64_MAX - 0x800, 0x800, LIMINE_MEMMAP_USABLE);
    EXPECT_EQ(boot_map_finish(&map, &scratch), OK);
    EXPECT_EQ(map.count, 1);
    EXPECT_EQ(map.range[0].base, UINT64_MAX - 0x1fff);
    EXPECT_EQ(map.range[0].size_bytes, 0x1000);
}

TEST(the_cautious_type_wins_in_any_order)
{
    static const uint64_t order[] = {
        LIMINE_MEMMAP_USABLE,
        LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
        LIMINE_MEMMAP_KERNEL_AND_MODULES,
        LIMINE_MEMMAP_ACPI_RECLAIMABLE,
        LIMINE_MEMMAP_ACPI_NVS,
        LIMINE_MEMMAP_RESERVED,
        LIMINE_MEMMAP_FRAMEBUFFER,
        LIMINE_MEMMAP_BAD_MEMORY,
    };
    for (size_t low = 0; low < ARRAY_LEN(order); low++) {
        for (size_t high = low + 1; high < ARRAY_LEN(order); high++) {
            for (int swapped = 0; swapped < 2; swapped++) {
                map.count = 0;
                add(0x10000, 0x4000, swapped ? order[high] : order[low]);
                add(0x10000, 0x4000, swapped ? order[low] : order[high]);
                EXPECT_EQ(boot_map_finish(&map, &scratch), OK);
                EXPECT_EQ(map.count, 1);
                EXPECT_EQ(map.range[0].type, order[high]);
            }
        }
    }
}

/* 64 pages: what each is, by the rules, drawn one after another. */
enum { MODEL_PAGES = 64, NOTHING = 99 };

static unsigned model_rank(uint64_t type)
{
    static const uint64_t rank[] = { 0, 5, 3, 4, 7, 1, 2, 6 };
    return (unsigned)rank[type];
}

static void model_draw(uint64_t *page, uint64_t base, uint64_t size_bytes, uint64_t type)
{
    for (uint64_t i = 0; i < MODEL_PAGES; i++) {
        uint64_t from = i * 4096, to = from + 4096;
        bool whole = base <= from && base + size_bytes >= to;
        bool touched = base < to && base + size_bytes > from;
        if (type == LIMINE_MEMMAP_USABLE ? !whole || i == 0 : !touched)
            continue;
        if (page[i] == NOTHING || model_rank(type) > model_rank(page[i]))
            page[i] = type;
    }
}

static void model_compare(const uint64_t *page)
{
    uint64_t covered = 0;
    for (size_t i = 0; i < map.count; i++) {
        const struct boot_range *range = &map.range[i];
        EXPECT(range->base % 4096 == 0 && range->size_bytes % 4096 == 0 && range->size_bytes > 0);
        EXPECT(i == 0 || map.range[i - 1].base + map.range[i - 1].size_bytes <= range->base);
        for (uint64_t at = range->base; at < range->base + range->size_bytes; at += 4096) {
            EXPECT_EQ(page[at / 4096], range->type);
            covered++;
        }
    }
    for (uint64_t i = 0; i < MODEL_PAGES; i++)
        covered -= page[i] != NOTHING;
    EXPECT_EQ(covered, 0);
}

TEST(random_maps_agree_with_a_map_drawn_by_pages)
{
    uint64_t random = test_seed();
    for (unsigned round = 0; round < 2000 && !test_has_failed(); round++) {
        uint64_t page[MODEL_PAGES];
        uint64_t count = test_random(&random) % 12;
        map.count = 0;
        for (size_t i = 0; i < MODEL_PAGES; i++)
            page[i] = NOTHING;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t base = test_random(&random) % ((MODEL_PAGES - 20) * 4096);
            uint64_t size_bytes = 1 + test_random(&random) % (20 * 4096);
            uint64_t type = test_random(&random) % 8;
            if (test_random(&random) % 2 == 0)
                base -= base % 4096, size_bytes += 4095 - (size_bytes + 4095) % 4096;
            add(base, size_bytes, type);
            model_draw(page, base, size_bytes, type);
        }
        EXPECT_EQ(boot_map_finish(&map, &scratch), OK);
        model_compare(page);
    }
}

TEST(pages_are_taken_once_and_below_the_limit)
{
    uint64_t random = test_seed();
    map.count = 0;
    add(0x1000, 0x9e000, LIMINE_MEMMAP_USABLE);
    add(0x100000, 0x100000, LIMINE_MEMMAP_USABLE);
    add(0x180000, 0x1000, LIMINE_MEMMAP_RESERVED);
    EXPECT_EQ(boot_map_finish(&map, &scratch), OK);

    static bool taken[0x200];
    memset(taken, 0, sizeof(taken));
    unsigned total = 0;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t count = 1 + test_random(&random) % 5;
        uint64_t limit = test_random(&random) % 2 == 0 ? 0x100000 : 0x200800;
        uint64_t base = boot_map_take(&map, count, limit);
        if (base == 0)
            continue;
        EXPECT(base % 4096 == 0 && base + count * 4096 <= limit);
        for (uint64_t page = base / 4096; page < base / 4096 + count; page++) {
            EXPECT(!taken[page] && page != 0x180 && page != 0);
            taken[page] = true;
            total++;
        }
    }
    while (boot_map_take(&map, 1, UINT64_MAX) != 0)
        total++;
    EXPECT_EQ(total, 0x9e + 0x100 - 1);
    EXPECT_EQ(boot_map_take(&map, 0, UINT64_MAX), 0);
    EXPECT_EQ(boot_map_take(&map, UINT64_MAX, UINT64_MAX), 0);
}

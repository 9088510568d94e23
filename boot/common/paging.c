/* Four-level page tables, the same tree on both architectures; only the entries differ. */

#include <base/string.h>
#include <boot/paging.h>

enum { TABLE_ENTRIES = 512, TABLE_CHUNK = 16, LEVEL_ROOT = 3 };

static const uint64_t address_mask = 0x0000fffffffff000;

static uint64_t level_bytes(unsigned level)
{
    return (uint64_t)BOOT_PAGE_SIZE << (9 * level);
}

static size_t level_index(uint64_t address, unsigned level)
{
    return (size_t)(address / level_bytes(level)) % TABLE_ENTRIES;
}

/* Below 4 GiB: a CPU that starts in 32-bit mode loads the root as a 32-bit number. */
static uint64_t *table_create(struct page_tables *tables)
{
    if (tables->spare_count == 0) {
        void *chunk;
        uint64_t size_bytes = (uint64_t)TABLE_CHUNK * BOOT_PAGE_SIZE;
        if (boot_alloc_below(tables->platform, size_bytes, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
                             UINT64_C(1) << 32, &chunk) != OK &&
            boot_alloc(tables->platform, size_bytes, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE,
                       &chunk) != OK)
            boot_fail("not enough memory for page tables");
        tables->spare = chunk;
        tables->spare_count = TABLE_CHUNK;
    }
    void *table = tables->spare;
    tables->spare += BOOT_PAGE_SIZE;
    tables->spare_count--;
    return memset(table, 0, BOOT_PAGE_SIZE);
}

void page_tables_init(struct page_tables *tables, struct boot_platform *platform)
{
    *tables = (struct page_tables){ .platform = platform };
    tables->root_high = table_create(tables);
    tables->root_low = arch_root_shared ? tables->root_high : table_create(tables);
}

/* The entry for `address` at `level`, with tables made on the way. */
static uint64_t *page_entry(struct page_tables *tables, uint64_t address, unsigned level)
{
    uint64_t *table = address >> 63 ? tables->root_high : tables->root_low;
    for (unsigned at = LEVEL_ROOT; at > level; at--) {
        uint64_t *entry = &table[level_index(address, at)];
        if (*entry == 0)
            *entry = arch_table((uint64_t)(uintptr_t)table_create(tables));
        table = (uint64_t *)(uintptr_t)(*entry & address_mask);
    }
    return &table[level_index(address, level)];
}

static unsigned page_level(uint64_t address, uint64_t physical, uint64_t size_bytes,
                           unsigned level_max)
{
    unsigned level = level_max;
    while (level > 0 &&
           (!IS_ALIGNED(address | physical, level_bytes(level)) || size_bytes < level_bytes(level)))
        level--;
    return level;
}

void page_map(struct page_tables *tables, uint64_t address, uint64_t physical, uint64_t size_bytes,
              unsigned flags, unsigned level_max)
{
    while (size_bytes > 0) {
        unsigned level = page_level(address, physical, size_bytes, level_max);
        *page_entry(tables, address, level) = arch_leaf(physical, flags, level);
        address += level_bytes(level);
        physical += level_bytes(level);
        size_bytes -= level_bytes(level);
    }
}

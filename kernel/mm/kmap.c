/* The kernel's address space.
 *
 *   direct_map_offset   RAM and firmware tables, read-write, never executable
 *   area + 0            stacks: slots of fixed size, each with its guard below what is mapped
 *   area + 1 GiB        device registers and firmware tables outside RAM, mapped for good
 *   image               the kernel's sections
 *
 * The pages of the kernel's code and constants are read-only in the direct map too, so that no
 * alias can change them.
 *
 * The area is one entry of the top-level table, chosen when the direct map is known. User roots
 * copy or share the top level, so nothing is ever added to it after kmap_init. What is mapped stays
 * mapped: stacks are CPUs', devices and tables are found once, so there is no unmapping here.
 */
#include "ptable.h"
#include <arch/mmu.h>
#include <base/checked.h>
#include <kernel/boot_info.h>
#include <kernel/kmap.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>

enum { STACK_SLOT_SHIFT = 17, STACK_SLOT_COUNT = 2048 };
#define STACK_SLOT_BYTES (BIT64(STACK_SLOT_SHIFT))
#define AREA_DEVICES     BIT64(30)
#define AREA_BYTES       BIT64(39)
#define KERNEL_HALF      UINT64_C(0xffff000000000000)
#define KERNEL_INDEX_MIN (PT_ENTRIES / 2)

extern const char image_start[], image_end[];
extern const char image_text_start[], image_text_end[];
extern const char image_rodata_start[], image_rodata_end[];
extern const char image_data_start[], image_data_end[];

static struct spinlock kmap_lock = SPINLOCK_INIT(RANK_KMAP);
static struct pte *root;     /* constant after kmap_init */
static uint64_t area;        /* constant after kmap_init; 0: the top level may still grow */
static uint64_t device_next; /* under kmap_lock */
/* Pages of the stack in each slot, 0 from the first free one on. Changed under kmap_lock, read
 * without it by panics. */
static uint8_t stack_pages[STACK_SLOT_COUNT];

static uint64_t address_of(const char *symbol)
{
    return (uint64_t)(uintptr_t)symbol;
}

/* ---- Tables ---- */

/* The slot for `at` in a table of `level`, with all tables on the way; NULL if there is no memory.
 */
static struct pte *slot_create(uint64_t at, unsigned level)
{
    struct pte *table = root;

    for (unsigned l = PT_LEVELS - 1; l > level; l--) {
        struct pte *slot = &table[pt_index(at, l)];
        struct pte *child;
        if (arch_pte_present(pte_read(slot))) {
            ASSERT(!arch_pte_is_leaf(pte_read(slot), l));
            child = ptable_of(pte_read(slot));
        } else {
            ASSERT(l < PT_LEVELS - 1 || area == 0);
            if (payer_alloc_page(NULL, &child) != OK)
                return NULL;
            ptable_link(table, slot, child);
        }
        table = child;
    }
    return &table[pt_index(at, level)];
}

/* Map [at, at + size) to `pa`, with blocks where both are aligned; one walk for each table filled.
 */
static enum status map_range(uint64_t at, uint64_t pa, uint64_t size_bytes, unsigned perm)
{
    uint64_t end = at + size_bytes;

    while (at != end) {
        bool block = IS_ALIGNED(at | pa, ptable_span(1)) && end - at >= ptable_span(1);
        unsigned level = block ? 1 : 0;
        uint64_t span = ptable_span(level);
        struct pte *slot = slot_create(at, level);
        if (slot == NULL)
            return ERR_NO_MEMORY;
        /* To the end of the table; small pages only to where a block may begin. */
        uint64_t count = MIN(PT_ENTRIES - pt_index(at, level), (end - at) / span);
        for (uint64_t i = 0; i < count; i++) {
            pte_write(&slot[i], pte_leaf(paddr(pa), perm | PERM_GLOBAL, level));
            at += span;
            pa += span;
        }
    }
    return OK;
}

/* ---- Beginning ---- */

static bool region_is_direct(const struct boot_region *region)
{
    return boot_region_is_free(region) || region->kind == BOOT_REGION_IMAGE ||
           region->kind == BOOT_REGION_FIRMWARE;
}

static enum status map_direct(uint64_t pa, uint64_t end, unsigned perm)
{
    return pa < end ? map_range(pa + direct_map_offset, pa, end - pa, perm) : OK;
}

/* Physical [pa, end), of which [read_only, read_only_end) holds the kernel's code and constants. */
static enum status map_direct_run(uint64_t pa, uint64_t end, uint64_t read_only,
                                  uint64_t read_only_end)
{
    uint64_t middle = MIN(MAX(read_only, pa), end);
    uint64_t upper = MIN(MAX(read_only_end, pa), end);
    enum status status = map_direct(pa, middle, PERM_READ | PERM_WRITE);

    if (status == OK)
        status = map_direct(middle, upper, PERM_READ);
    if (status == OK)
        status = map_direct(upper, end, PERM_READ | PERM_WRITE);
    return status;
}

/* Regions that touch are mapped as one, so that blocks may span them. */
static enum status map_ram(const struct boot_info *info)
{
    uint64_t image_offset = info->image_virtual - info->image_base.raw;
    uint64_t read_only = address_of(image_text_start) - image_offset;
    uint64_t read_only_end = address_of(image_rodata_end) - image_offset;
    uint64_t start = 0;
    uint64_t end = 0;

    for (size_t i = 0; i < info->region_count; i++) {
        const struct boot_region *region = &info->region[i];
        if (!region_is_direct(region))
            continue;
        /* Regions other than usable ones were rounded outwards and may overlap by a page. */
        if (region->base > end) {
            enum status status = map_direct_run(start, end, read_only, read_only_end);
            if (status != OK)
                return status;
            start = region->base;
        }
        end = MAX(end, region->base + region->size_bytes);
    }
    return map_direct_run(start, end, read_only, read_only_end);
}

static enum status map_section(const struct boot_info *info, const char *start, const char *end,
                               unsigned perm)
{
    uint64_t at = address_of(start);
    uint64_t pa = info->image_base.raw + (at - info->image_virtual);

    return map_range(at, pa, ALIGN_UP(address_of(end), PAGE_SIZE) - at, perm);
}

static enum status map_image(const struct boot_info *info)
{
    enum status status =
        map_section(info, image_text_start, image_text_end, PERM_READ | PERM_EXECUTE);

    if (status == OK)
        status = map_section(info, image_rodata_start, image_rodata_end, PERM_READ);
    if (status == OK)
        status = map_section(info, image_data_start, image_data_end, PERM_READ | PERM_WRITE);
    return status;
}

/* The highest free entry of the top level's upper half; below it a table for every use to come. */
static enum status area_create(void)
{
    unsigned index = PT_ENTRIES - 1;

    while (index > KERNEL_INDEX_MIN && arch_pte_present(root[index]))
        index--;
    uint64_t base = KERNEL_HALF | (uint64_t)index * AREA_BYTES;
    if (arch_pte_present(root[index]))
        return ERR_LIMIT;
    if (slot_create(base, PT_LEVELS - 2) == NULL)
        return ERR_NO_MEMORY;
    device_next = base + AREA_DEVICES;
    area = base;
    return OK;
}

enum status kmap_init(const struct boot_info *info)
{
    enum status status = payer_alloc_page(NULL, &root);

    if (status == OK)
        status = map_ram(info);
    if (status == OK)
        status = map_image(info);
    if (status == OK)
        status = area_create();
    if (status != OK)
        return status;
    arch_pte_publish();
    arch_kernel_root_activate(paddr_of_direct(root));
    return OK;
}

/* ---- Devices and firmware ---- */

/* The whole pages around [pa, pa + size); false if that is nothing, or beyond physical memory. */
static bool pages_around(paddr_t pa, size_t size_bytes, uint64_t *base_out, uint64_t *end_out)
{
    uint64_t end;

    if (size_bytes == 0 || !checked_add_u64(pa.raw, size_bytes, &end) || end > BIT64(48))
        return false;
    *base_out = ALIGN_DOWN(pa.raw, (uint64_t)PAGE_SIZE);
    *end_out = ALIGN_UP(end, PAGE_SIZE);
    return true;
}

/* Where memory runs out, what is mapped already stays: nobody learns its address. */
static enum status map_area(uint64_t base, uint64_t end, unsigned perm, uint64_t *at_out)
{
    enum status status = ERR_LIMIT;

    spinlock_acquire(&kmap_lock);
    *at_out = device_next;
    if (end - base <= area + AREA_BYTES - device_next) {
        device_next += end - base;
        status = map_range(*at_out, base, end - base, perm);
    }
    spinlock_release(&kmap_lock);
    arch_pte_publish();
    return status;
}

enum status kmap_device(paddr_t pa, size_t size_bytes, void **kernel_out)
{
    uint64_t base, end, at;

    if (!pages_around(pa, size_bytes, &base, &end) || end - base > AREA_BYTES)
        return ERR_RANGE;
    for (at = base; at < end; at += PAGE_SIZE) {
        if (frame_of(paddr(at)) != NULL)
            return ERR_INVALID;
    }
    enum status status = map_area(base, end, PERM_READ | PERM_WRITE | PERM_DEVICE, &at);
    if (status == OK)
        *kernel_out = (void *)(uintptr_t)(at + (pa.raw - base));
    return status;
}

/* True if the pages can be read through the direct map. */
static bool is_direct(uint64_t base, uint64_t end)
{
    for (; base < end; base += PAGE_SIZE) {
        paddr_t found;
        unsigned perm;
        if (kmap_query(vaddr(base + direct_map_offset), &found, &perm) != OK || found.raw != base)
            return false;
    }
    return true;
}

enum status kmap_firmware(paddr_t pa, size_t size_bytes, const void **kernel_out)
{
    uint64_t base, end;

    if (!pages_around(pa, size_bytes, &base, &end))
        return ERR_RANGE;
    uint64_t at = base + direct_map_offset;
    if (!is_direct(base, end)) {
        enum status status = map_area(base, end, PERM_READ, &at);
        if (status != OK)
            return status;
    }
    *kernel_out = (const void *)(uintptr_t)(at + (pa.raw - base));
    return OK;
}

/* ---- Stacks ---- */

static uint64_t slot_end(size_t slot)
{
    return area + (slot + 1) * STACK_SLOT_BYTES;
}

/* A slot lies below one table, so what can fail comes first. */
static enum status map_stack(uint64_t end, size_t size_bytes)
{
    struct frame *frame;

    if (slot_create(end - size_bytes, 0) == NULL)
        return ERR_NO_MEMORY;
    enum status status =
        frame_alloc((unsigned)__builtin_ctzll(size_bytes >> PAGE_SHIFT), 0, &frame);
    if (status == OK)
        status =
            map_range(end - size_bytes, frame_paddr(frame).raw, size_bytes, PERM_READ | PERM_WRITE);
    arch_pte_publish();
    return status;
}

enum status kmap_stack_create(size_t size_bytes, void **top_out)
{
    enum status status = ERR_LIMIT;
    size_t slot = 0;

    ASSERT(size_bytes >= PAGE_SIZE && size_bytes < STACK_SLOT_BYTES);
    ASSERT((size_bytes & (size_bytes - 1)) == 0);
    spinlock_acquire(&kmap_lock);
    while (slot < STACK_SLOT_COUNT && stack_pages[slot] != 0)
        slot++;
    if (slot < STACK_SLOT_COUNT)
        status = map_stack(slot_end(slot), size_bytes);
    if (status == OK) {
        stack_pages[slot] = (uint8_t)(size_bytes >> PAGE_SHIFT);
        *top_out = (void *)(uintptr_t)slot_end(slot);
    }
    spinlock_release(&kmap_lock);
    return status;
}

bool kmap_is_guard(vaddr_t at)
{
    uint64_t slot = (at.raw - area) / STACK_SLOT_BYTES;

    if (area == 0 || at.raw < area || slot >= STACK_SLOT_COUNT || stack_pages[slot] == 0)
        return false;
    uint64_t bottom = slot_end(slot) - stack_pages[slot] * PAGE_SIZE;
    return at.raw < bottom && at.raw >= bottom - PAGE_SIZE;
}

/* Without lock: a panic asks, and tables of the kernel's half never go away. */
enum status kmap_query(vaddr_t at, paddr_t *pa_out, unsigned *perm_out)
{
    const struct pte *table = root;

    if (root == NULL || at.raw < KERNEL_HALF)
        return ERR_NOT_FOUND;
    for (unsigned level = PT_LEVELS - 1;; level--) {
        struct pte pte = pte_read(&table[pt_index(at.raw, level)]);
        if (!arch_pte_present(pte))
            return ERR_NOT_FOUND;
        if (arch_pte_is_leaf(pte, level)) {
            *pa_out = paddr(arch_pte_paddr(pte).raw + (at.raw & (ptable_span(level) - 1)));
            *perm_out = arch_pte_perm(pte) & ~(unsigned)PERM_GLOBAL;
            return OK;
        }
        table = ptable_of(pte);
    }
}

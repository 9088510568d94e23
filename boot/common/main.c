/* The loader from its front end to the kernel: what happens in which order. Everything that can
 * fail is done while the firmware still runs; what follows exit_firmware() cannot.
 */

#include "boot_impl.h"

#include <base/string.h>

static struct boot boot_state;

#define FOUR_GIB (UINT64_C(1) << 32)

/* What memory is, now: the firmware's word, the screen, and what the core holds. */
static void main_sort_map(struct boot *boot)
{
    const struct limine_framebuffer *screen = &boot->platform->framebuffer;
    enum status status = OK;

    if (boot->platform->framebuffer_present)
        status = boot_map_add(&boot->map, (uint64_t)(uintptr_t)screen->address,
                              screen->pitch * screen->height, LIMINE_MEMMAP_FRAMEBUFFER);
    if (status == OK)
        status = boot_alloc_overlay(&boot->map);
    if (status == OK)
        status = boot_map_finish(&boot->map, &boot->scratch);
    if (status != OK)
        boot_fail("the machine's memory map has too many ranges");
}

/* Map [base, end) of physical memory; the screen within it is not cached like memory. */
static void main_map_direct(struct boot *boot, uint64_t base, uint64_t end, unsigned level_max)
{
    const struct boot_platform *platform = boot->platform;
    uint64_t screen = 0, screen_end = 0;

    if (platform->framebuffer_present) {
        screen = ALIGN_DOWN((uint64_t)(uintptr_t)platform->framebuffer.address, BOOT_PAGE_SIZE);
        screen_end = ALIGN_UP((uint64_t)(uintptr_t)platform->framebuffer.address +
                                  platform->framebuffer.pitch * platform->framebuffer.height,
                              BOOT_PAGE_SIZE);
    }
    while (base < end) {
        bool on_screen = base >= screen && base < screen_end;
        uint64_t stop = on_screen ? MIN(end, screen_end) : end;
        if (base < screen && screen < end)
            stop = screen;
        page_map(&boot->tables, base + arch_hhdm_base, base, stop - base,
                 LEAF_WRITE | LEAF_EXEC | (on_screen ? LEAF_FRAMEBUFFER : 0), level_max);
        base = stop;
    }
}

/* The first 4 GiB whatever is there, and above them all that is memory. */
static void main_map_memory(struct boot *boot)
{
    unsigned level_max = arch_leaf_level_max();

    main_map_direct(boot, 0, FOUR_GIB, MIN(level_max, arch_hhdm_level));
    for (size_t i = 0; i < boot->map.count; i++) {
        const struct boot_range *range = &boot->map.range[i];
        uint64_t base = MAX(range->base, FOUR_GIB);
        uint64_t end = range->base + range->size_bytes;
        if (range->type != LIMINE_MEMMAP_RESERVED && range->type != LIMINE_MEMMAP_BAD_MEMORY &&
            base < end)
            main_map_direct(boot, base, MIN(end, arch_physical_limit), level_max);
    }
}

static void main_map_kernel(struct boot *boot)
{
    const struct elf_image *image = &boot->image;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segment[i];
        uint64_t base = ALIGN_DOWN(segment->address, BOOT_PAGE_SIZE);
        uint64_t end = ALIGN_UP(segment->address + segment->memory_bytes, BOOT_PAGE_SIZE);
        page_map(&boot->tables, base,
                 (uint64_t)(uintptr_t)boot->image_memory + (base - image->base), end - base,
                 (segment->write ? LEAF_WRITE : 0u) | (segment->exec ? LEAF_EXEC : 0u), 0);
    }
}

static void main_address_space(struct boot *boot)
{
    if (boot->platform->memory_map(boot->platform, &boot->map) != OK)
        boot_fail("the firmware's memory map cannot be read");
    main_sort_map(boot);

    page_tables_init(&boot->tables, boot->platform);
    main_map_memory(boot);
    main_map_kernel(boot);

    arch_prepare(boot->platform, &boot->handoff);
    uint64_t page = (uint64_t)(uintptr_t)boot->handoff.page;
    page_map(&boot->tables, page, page, BOOT_PAGE_SIZE, LEAF_WRITE | LEAF_EXEC, 0);
    boot->handoff.root_low = (uint64_t)(uintptr_t)boot->tables.root_low;
    boot->handoff.root_high = (uint64_t)(uintptr_t)boot->tables.root_high;
}

static void main_leave_firmware(struct boot *boot)
{
    boot->map.count = 0;
    if (boot->platform->exit_firmware(boot->platform, &boot->map) != OK)
        boot_fail("the firmware cannot be left");
    main_sort_map(boot);
    boot_answer_memmap(boot);
}

void boot_main(struct boot_platform *platform)
{
    struct boot *boot = &boot_state;

    memset(boot, 0, sizeof(*boot));
    boot_console_init(platform);
    boot->platform = platform;
    boot->arena.platform = platform;

    boot_load_config(boot);
    boot_load_kernel(boot);
    boot_load_modules(boot);
    boot_answer(boot);
    boot_cpus_prepare(boot);
    boot->handoff.stack_top = boot_stack_create(boot);
    main_address_space(boot);

    main_leave_firmware(boot);
    arch_quiesce(platform, &boot->handoff);
    boot_cpus_start(boot);
    arch_enter(&boot->handoff);
}

/* The answers to the kernel's requests. All of it is reclaimable memory, pointed to through the
 * direct map; a request that cannot be answered is left as the kernel wrote it.
 */

#include "boot_impl.h"

#include <base/string.h>
#include <boot/fdt.h>

#define LOADER_NAME    "ThemeliOS boot"
#define LOADER_VERSION "1"

/* Allocate the response of the request `name`, hang it on, and leave it in `response`; skips the
 * block that follows if there is no such request.
 */
#define ANSWER(boot, name)                                                                         \
    for (struct limine_##name##_response *response =                                               \
             (boot)->request.name != NULL ? arena_take(&(boot)->arena, sizeof(*response)) : NULL;  \
         response != NULL && ((boot)->request.name->response = boot_virtual(response), true);      \
         response = NULL)

static void answer_base_revision(struct boot *boot)
{
    uint64_t *revision = boot->request.base_revision;
    if (revision == NULL || *revision == 0)
        boot_fail("the kernel %s wants base revision 0, which is too old", boot->kernel_path);
    if (*revision <= LIMINE_BASE_REVISION_SUPPORTED)
        *revision = 0;
}

static void answer_identity(struct boot *boot)
{
    ANSWER(boot, bootloader_info)
    {
        response->name = boot_virtual(arena_text(&boot->arena, LOADER_NAME));
        response->version = boot_virtual(arena_text(&boot->arena, LOADER_VERSION));
    }
    if (boot->platform->firmware_type != BOOT_FIRMWARE_NONE) {
        ANSWER(boot, firmware_type)
        {
            response->firmware_type = boot->platform->firmware_type;
        }
    }
    if (boot->platform->boot_time_known) {
        ANSWER(boot, boot_time)
        {
            response->boot_time = boot->platform->boot_time_s;
        }
    }
}

static void answer_entry(struct boot *boot)
{
    boot->handoff.entry = boot->image.entry;
    ANSWER(boot, entry_point)
    {
        uint64_t entry = (uint64_t)(uintptr_t)boot->request.entry_point->entry;
        if (!elf_executable_at(&boot->image, entry))
            boot_fail("the kernel %s asks for an entry point outside its code", boot->kernel_path);
        boot->handoff.entry = entry;
    }

    boot->stack_bytes = STACK_BYTES_MIN;
    ANSWER(boot, stack_size)
    {
        uint64_t wanted = boot->request.stack_size->stack_size;
        boot->stack_bytes = MAX(boot->stack_bytes, wanted);
    }
}

static void answer_layout(struct boot *boot)
{
    ANSWER(boot, hhdm)
    {
        response->offset = arch_hhdm_base;
    }
    ANSWER(boot, kernel_address)
    {
        response->physical_base = (uint64_t)(uintptr_t)boot->image_memory;
        response->virtual_base = boot->image.base;
    }
    ANSWER(boot, paging_mode)
    {
        const struct limine_paging_mode_request *request = boot->request.paging_mode;
        if (request->revision >= 1 && request->min_mode > LIMINE_PAGING_MODE_DEFAULT)
            boot_fail("the kernel %s insists on five-level paging", boot->kernel_path);
        response->mode = LIMINE_PAGING_MODE_DEFAULT;
    }
}

static struct limine_file *answer_file(struct boot *boot, const struct boot_file *file,
                                       const char *path, const char *cmdline)
{
    struct limine_file *answer = arena_take(&boot->arena, sizeof(*answer));
    answer->address = boot_virtual(file->data);
    answer->size = file->size_bytes;
    answer->path = boot_virtual(arena_text(&boot->arena, path));
    answer->cmdline = boot_virtual(arena_text(&boot->arena, cmdline));
    answer->media_type = LIMINE_MEDIA_TYPE_GENERIC;
    return boot_virtual(answer);
}

static void answer_files(struct boot *boot)
{
    ANSWER(boot, kernel_file)
    {
        response->kernel_file = answer_file(boot, &boot->kernel, boot->kernel_path, boot->cmdline);
    }
    ANSWER(boot, module)
    {
        size_t count = boot->config.module_count;
        struct limine_file **modules =
            arena_take(&boot->arena, (count + 1) * sizeof(struct limine_file *));
        for (size_t i = 0; i < count; i++)
            modules[i] = answer_file(boot, &boot->module[i], boot->module_path[i],
                                     boot->config.module[i].cmdline);
        response->module_count = count;
        response->modules = boot_virtual(modules);
    }
}

static void *answer_address(uint64_t physical)
{
    return physical != 0 ? boot_virtual((const void *)(uintptr_t)physical) : NULL;
}

/* A copy without memory nodes: the memory map replaces them. A tree that cannot be read is not
 * passed on: what the kernel gets has been walked once to its end.
 */
static void answer_device_tree(struct boot *boot)
{
    const struct boot_platform *platform = boot->platform;
    uint64_t size_bytes = platform->dtb_size_bytes;
    void *copy;

    if (platform->dtb == 0)
        return;
    if (boot_alloc(boot->platform, size_bytes, LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE, &copy) != OK)
        boot_fail("not enough memory for the device tree");
    memcpy(copy, (const void *)(uintptr_t)platform->dtb, size_bytes);
    if (fdt_erase_memory(copy, size_bytes) != OK)
        return;
    ANSWER(boot, dtb)
    {
        response->dtb_ptr = boot_virtual(copy);
    }
}

static void answer_firmware_tables(struct boot *boot)
{
    const struct boot_platform *platform = boot->platform;

    if (platform->rsdp != 0) {
        ANSWER(boot, rsdp)
        {
            response->address = answer_address(platform->rsdp);
        }
    }
    if (platform->smbios_32 != 0 || platform->smbios_64 != 0) {
        ANSWER(boot, smbios)
        {
            response->entry_32 = answer_address(platform->smbios_32);
            response->entry_64 = answer_address(platform->smbios_64);
        }
    }
    if (platform->efi_system_table != 0) {
        ANSWER(boot, efi_system_table)
        {
            response->address = answer_address(platform->efi_system_table);
        }
    }
}

static struct limine_video_mode *answer_mode(struct boot *boot,
                                             const struct limine_framebuffer *screen)
{
    struct limine_video_mode *mode = arena_take(&boot->arena, sizeof(*mode));
    *mode = (struct limine_video_mode){
        .pitch = screen->pitch,
        .width = screen->width,
        .height = screen->height,
        .bpp = screen->bpp,
        .memory_model = screen->memory_model,
        .red_mask_size = screen->red_mask_size,
        .red_mask_shift = screen->red_mask_shift,
        .green_mask_size = screen->green_mask_size,
        .green_mask_shift = screen->green_mask_shift,
        .blue_mask_size = screen->blue_mask_size,
        .blue_mask_shift = screen->blue_mask_shift,
    };
    return mode;
}

static void answer_framebuffer(struct boot *boot)
{
    if (!boot->platform->framebuffer_present)
        return;
    ANSWER(boot, framebuffer)
    {
        struct limine_framebuffer *screen = arena_take(&boot->arena, sizeof(*screen));
        struct limine_framebuffer **screens = arena_take(&boot->arena, sizeof(void *));
        struct limine_video_mode **modes = arena_take(&boot->arena, sizeof(void *));

        *screen = boot->platform->framebuffer;
        screen->address = boot_virtual(screen->address);
        screen->mode_count = 1;
        modes[0] = boot_virtual(answer_mode(boot, screen));
        screen->modes = boot_virtual(modes);
        screens[0] = boot_virtual(screen);
        response->revision = 1;
        response->framebuffer_count = 1;
        response->framebuffers = boot_virtual(screens);
    }
}

/* The room for the entries must be there before the map is final: taking it changes the map. */
static void answer_memmap_reserve(struct boot *boot)
{
    ANSWER(boot, memmap)
    {
        struct limine_memmap_entry **pointers =
            arena_take(&boot->arena, BOOT_RANGE_MAX * sizeof(struct limine_memmap_entry *));
        struct limine_memmap_entry *entries =
            arena_take(&boot->arena, BOOT_RANGE_MAX * sizeof(*entries));
        for (size_t i = 0; i < BOOT_RANGE_MAX; i++)
            pointers[i] = boot_virtual(&entries[i]);
        response->entries = boot_virtual(pointers);
        boot->memmap_entries = entries;
        boot->memmap_response = response;
    }
}

void boot_answer(struct boot *boot)
{
    answer_base_revision(boot);
    answer_identity(boot);
    answer_entry(boot);
    answer_layout(boot);
    answer_files(boot);
    answer_firmware_tables(boot);
    answer_device_tree(boot);
    answer_framebuffer(boot);
    answer_memmap_reserve(boot);
}

void boot_answer_memmap(struct boot *boot)
{
    if (boot->memmap_response == NULL)
        return;
    for (size_t i = 0; i < boot->map.count; i++) {
        const struct boot_range *range = &boot->map.range[i];
        boot->memmap_entries[i] =
            (struct limine_memmap_entry){ range->base, range->size_bytes, range->type };
    }
    boot->memmap_response->entry_count = boot->map.count;
}

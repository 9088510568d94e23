/* The Limine boot protocol's kernel side: the requests, and what the responses say, copied and
 * checked.
 *
 * Everything the responses point to lies in the loader's memory, which is given back later: nothing
 * here keeps a pointer into it, except to the CPUs that wait in it.
 */
#include <base/checked.h>
#include <kernel/boot_info.h>
#include <limine.h>

struct boot_info boot_info;
uint64_t direct_map_offset;

#define REQUEST      USED SECTION(".requests") static volatile
#define MARKER(name) USED SECTION(".requests_" #name) static volatile const

MARKER(start) uint64_t requests_start[4] = LIMINE_REQUESTS_START_MARKER;
MARKER(end) uint64_t requests_end[2] = LIMINE_REQUESTS_END_MARKER;

REQUEST uint64_t base_revision[3] = LIMINE_BASE_REVISION(2);
REQUEST struct limine_paging_mode_request paging_request = {
    .id = LIMINE_PAGING_MODE_REQUEST,
    .revision = 1,
    .mode = LIMINE_PAGING_MODE_X86_64_4LVL,
    .max_mode = LIMINE_PAGING_MODE_X86_64_4LVL,
    .min_mode = LIMINE_PAGING_MODE_X86_64_4LVL,
};
REQUEST struct limine_smp_request smp_request = { .id = LIMINE_SMP_REQUEST,
                                                  .flags = LIMINE_SMP_X2APIC };

#define PLAIN_REQUEST(what, ID)                                                                    \
    REQUEST struct limine_##what##_request what##_request = { .id = LIMINE_##ID##_REQUEST }

PLAIN_REQUEST(bootloader_info, BOOTLOADER_INFO);
PLAIN_REQUEST(firmware_type, FIRMWARE_TYPE);
PLAIN_REQUEST(hhdm, HHDM);
PLAIN_REQUEST(memmap, MEMMAP);
PLAIN_REQUEST(kernel_file, KERNEL_FILE);
PLAIN_REQUEST(kernel_address, KERNEL_ADDRESS);
PLAIN_REQUEST(module, MODULE);
PLAIN_REQUEST(rsdp, RSDP);
PLAIN_REQUEST(dtb, DTB);
PLAIN_REQUEST(boot_time, BOOT_TIME);

/* ---- Memory map ---- */

static enum boot_region_kind region_kind(uint64_t type)
{
    switch (type) {
    case LIMINE_MEMMAP_USABLE:
        return BOOT_REGION_USABLE;
    case LIMINE_MEMMAP_BOOTLOADER_RECLAIMABLE:
        return BOOT_REGION_LOADER;
    case LIMINE_MEMMAP_KERNEL_AND_MODULES:
        return BOOT_REGION_IMAGE;
    case LIMINE_MEMMAP_ACPI_RECLAIMABLE:
    case LIMINE_MEMMAP_ACPI_NVS:
        return BOOT_REGION_FIRMWARE;
    case LIMINE_MEMMAP_FRAMEBUFFER:
        return BOOT_REGION_FRAMEBUFFER;
    default:
        return BOOT_REGION_RESERVED;
    }
}

/* Whole pages: memory that may be used is rounded inwards, everything else outwards. */
static bool region_set(struct boot_region *region, const struct limine_memmap_entry *entry)
{
    uint64_t end;
    if (!checked_add_u64(entry->base, entry->length, &end) || end > UINT64_MAX - PAGE_SIZE)
        return false;
    region->kind = region_kind(entry->type);
    bool inwards = boot_region_is_free(region);
    uint64_t first =
        inwards ? ALIGN_UP(entry->base, PAGE_SIZE) : ALIGN_DOWN(entry->base, PAGE_SIZE);
    uint64_t last = inwards ? ALIGN_DOWN(end, PAGE_SIZE) : ALIGN_UP(end, PAGE_SIZE);
    if (first >= last)
        return false;
    region->base = first;
    region->size_bytes = last - first;
    return true;
}

static enum status read_memory_map(const struct limine_memmap_response *response)
{
    for (uint64_t i = 0; i < response->entry_count; i++) {
        if (boot_info.region_count == BOOT_REGION_MAX)
            return ERR_LIMIT;
        if (region_set(&boot_info.region[boot_info.region_count], response->entries[i]))
            boot_info.region_count++;
    }
    return boot_info.region_count == 0 ? ERR_FORMAT : OK;
}

extern const char image_start[], image_end[];

/* True also where base and size make no sense. */
static bool overlaps_free_memory(uint64_t base, uint64_t size_bytes)
{
    uint64_t end;
    if (!checked_add_u64(base, size_bytes, &end))
        return true;
    for (size_t i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.region[i];
        if (boot_region_is_free(region) && base < region->base + region->size_bytes &&
            region->base < end)
            return true;
    }
    return false;
}

/* In order, and no usable region overlaps another, or the kernel: the frame allocator would hand it
 * out.
 */
static bool memory_map_is_sound(void)
{
    uint64_t start = 0, end = 0, free_end = 0;
    for (size_t i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.region[i];
        bool is_free = boot_region_is_free(region);
        if (region->base < start || region->base < (is_free ? end : free_end))
            return false;
        start = region->base;
        end = MAX(end, region->base + region->size_bytes);
        free_end = is_free ? end : free_end;
    }
    return !overlaps_free_memory(boot_info.image_base.raw, (uint64_t)(image_end - image_start));
}

/* ---- Strings, modules, CPUs ---- */

/* A copy of a string of the loader's; false if it had to be cut. */
static bool copy_text(char *to, size_t size_bytes, const char *from)
{
    size_t i = 0;
    for (; from != NULL && from[i] != '\0' && i + 1 < size_bytes; i++)
        to[i] = from[i];
    to[i] = '\0';
    return from == NULL || from[i] == '\0';
}

static enum status read_module(struct boot_module *module, const struct limine_file *file)
{
    uint64_t at = (uint64_t)(uintptr_t)file->address;
    if (at < direct_map_offset || !IS_ALIGNED(at, PAGE_SIZE))
        return ERR_FORMAT;
    module->base = paddr(at - direct_map_offset);
    module->size_bytes = file->size;
    if (overlaps_free_memory(module->base.raw, module->size_bytes))
        return ERR_FORMAT;
    return copy_text(module->path, sizeof(module->path), file->path) ? OK : ERR_LIMIT;
}

static enum status read_modules(void)
{
    const struct limine_module_response *response = module_request.response;
    if (response == NULL)
        return OK;
    if (response->module_count > BOOT_MODULE_MAX)
        return ERR_LIMIT;
    for (uint64_t i = 0; i < response->module_count; i++) {
        enum status status = read_module(&boot_info.module[i], response->modules[i]);
        if (status != OK)
            return status;
        boot_info.module_count++;
    }
    return OK;
}

/* The boot CPU becomes number 0, whatever place the loader gave it. CPUs beyond CPU_MAX stay
 * parked. */
static void read_cpus(void)
{
    const struct limine_smp_response *response = smp_request.response;
    boot_info.cpu_count = 1;
    if (response == NULL)
        return;

    boot_info.x2apic = (response->flags & LIMINE_SMP_X2APIC) != 0;
    boot_info.cpu[0].hardware_id = LIMINE_SMP_BOOT_CPU_ID(response);
    for (uint64_t i = 0; i < response->cpu_count; i++) {
        struct limine_smp_info *info = response->cpus[i];
        if (LIMINE_SMP_HARDWARE_ID(info) == boot_info.cpu[0].hardware_id)
            continue;
        if (boot_info.cpu_count == CPU_MAX) {
            boot_info.parked_count++;
            continue;
        }
        boot_info.cpu[boot_info.cpu_count++] = (struct boot_cpu){
            .hardware_id = LIMINE_SMP_HARDWARE_ID(info),
            .loader_cpu = info,
        };
    }
}

static const char *firmware_name(void)
{
    const struct limine_firmware_type_response *response = firmware_type_request.response;
    if (response == NULL)
        return "none";
    return response->firmware_type == LIMINE_FIRMWARE_TYPE_X86BIOS ? "bios" : "uefi";
}

/* The specification says that pointers carry the direct map's offset; early loaders of base
 * revision 2 may leave firmware pointers physical, so both are taken.
 */
static paddr_t firmware_paddr(const void *address)
{
    uint64_t raw = (uint64_t)(uintptr_t)address;
    return paddr(raw >= direct_map_offset ? raw - direct_map_offset : raw);
}

/* False if it is too long. Its beginning is taken all the same: the panic obeys it. */
static bool read_cmdline(void)
{
    const struct limine_kernel_file_response *file = kernel_file_request.response;
    return copy_text(boot_info.cmdline, sizeof(boot_info.cmdline),
                     file == NULL ? NULL : file->kernel_file->cmdline);
}

static void read_optional(void)
{
    const struct limine_bootloader_info_response *loader = bootloader_info_request.response;
    (void)copy_text(boot_info.loader, sizeof(boot_info.loader),
                    loader == NULL ? "unknown" : loader->name);
    boot_info.firmware = firmware_name();
    if (rsdp_request.response != NULL)
        boot_info.rsdp = firmware_paddr(rsdp_request.response->address);
    if (dtb_request.response != NULL)
        boot_info.dtb = paddr_to_kernel(firmware_paddr(dtb_request.response->dtb_ptr));
    if (boot_time_request.response != NULL)
        boot_info.boot_time_s = boot_time_request.response->boot_time;
}

enum status boot_info_init(const char **problem_out)
{
    *problem_out = "the loader does not speak base revision 2 of the protocol";
    if (base_revision[2] != 0)
        return ERR_UNSUPPORTED;
    *problem_out = "the loader answers no direct map, memory map or kernel address request";
    if (hhdm_request.response == NULL || memmap_request.response == NULL ||
        kernel_address_request.response == NULL)
        return ERR_NOT_FOUND;

    direct_map_offset = hhdm_request.response->offset;
    boot_info.image_base = paddr(kernel_address_request.response->physical_base);
    boot_info.image_virtual = kernel_address_request.response->virtual_base;
    bool cmdline_whole = read_cmdline();
    read_optional();
    read_cpus();

    *problem_out = "the memory map is empty or has too many entries";
    enum status status = read_memory_map(memmap_request.response);
    if (status != OK)
        return status;
    *problem_out = "the memory map is out of order, or overlaps itself or the kernel";
    if (!memory_map_is_sound())
        return ERR_FORMAT;
    *problem_out = "too many modules, or one in free memory, outside the direct map, or with a "
                   "path that is too long";
    status = read_modules();
    if (status != OK)
        return status;
    *problem_out = "the command line is longer than 1023 bytes";
    _Static_assert(BOOT_CMDLINE_MAX == 1024, "the text above");
    return cmdline_whole ? OK : ERR_LIMIT;
}

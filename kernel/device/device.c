/* Ranges of device registers and ports: what a capability covers, and what the kernel keeps. */
#include <arch/device.h>
#include <kernel/boot_info.h>
#include <kernel/device.h>
#include <kernel/memory.h>
#include <kernel/panic.h>
#include <object_info.h>

struct device device_memory, device_ports;
static const struct boot_info *boot; /* [C] its memory map */

static unsigned unit_shift(const struct device *device)
{
    return device->ports ? 0 : PAGE_SHIFT;
}

static void device_info(struct object *object, struct object_info *info)
{
    const struct device *device = object_as_device(object);
    struct span span = span_of_badge(info->badge, device->whole);
    unsigned shift = unit_shift(device);

    info->detail.device = (struct object_info_device){ .first = span.first << shift,
                                                       .size = span.count << shift,
                                                       .ports = device->ports };
}

/* Mappings are all that exists through a device. */
static enum status device_detach(struct object *object, struct capability *capability,
                                 struct work *work)
{
    struct memory *registers = object_as_device(object)->registers;

    return registers == NULL ? OK : memory_detach(registers, capability, work);
}

static const struct object_ops device_ops = {
    .type = OBJECT_DEVICE,
    .detach = device_detach,
    .info = device_info,
    .uses_stay = true,
};

static void device_create(struct device *device, bool ports, uint64_t whole)
{
    enum status status = OK;

    object_init(&device->object, &device_ops);
    device->ports = ports;
    device->whole = whole;
    if (!ports)
        status = memory_create_physical(NULL, paddr(0), whole << PAGE_SHIFT, PERM_DEVICE,
                                        &device->registers);
    if (status != OK)
        panic("devices: %s", status_text(status));
}

void device_init(const struct boot_info *info)
{
    boot = info;
    device_create(&device_memory, false, MIN(arch_physical_end(), MEMORY_SIZE_MAX) >> PAGE_SHIFT);
    device_create(&device_ports, true, arch_port_count());
}

/* Memory that firmware calls reserved may be registers (it says so of PCI's configuration space),
 * and a framebuffer is a device. Everything else in the map is RAM.
 */
static bool is_ram(const struct boot_region *region)
{
    return region->kind != BOOT_REGION_RESERVED && region->kind != BOOT_REGION_FRAMEBUFFER;
}

static bool touches_ram(uint64_t base, uint64_t size_bytes)
{
    for (size_t i = 0; i < boot->region_count; i++) {
        const struct boot_region *region = &boot->region[i];
        if (is_ram(region) && base < region->base + region->size_bytes &&
            region->base < base + size_bytes)
            return true;
    }
    return false;
}

static enum status span_allowed(const struct device *device, struct span span)
{
    if (device->ports)
        return arch_port_reserved((uint32_t)span.first, (uint32_t)span.count) ? ERR_ACCESS : OK;
    uint64_t base = span.first << PAGE_SHIFT;
    uint64_t size_bytes = span.count << PAGE_SHIFT;
    return touches_ram(base, size_bytes) || arch_mmio_reserved(base, size_bytes) ? ERR_ACCESS : OK;
}

static enum status part_of(const struct device *device, uint64_t badge, uint64_t offset,
                           uint64_t size, struct span *part_out)
{
    unsigned shift = unit_shift(device);

    if (!IS_ALIGNED(offset | size, UINT64_C(1) << shift))
        return ERR_RANGE;
    enum status status =
        span_part(span_of_badge(badge, device->whole), offset >> shift, size >> shift, part_out);
    return status == OK ? span_allowed(device, *part_out) : status;
}

enum status device_part(const struct object *object, uint64_t badge, uint64_t offset, uint64_t size,
                        uint64_t *part_out)
{
    struct span part;
    enum status status =
        part_of(CONTAINER_OF(object, const struct device, object), badge, offset, size, &part);

    if (status == OK)
        *part_out = span_badge(part);
    return status;
}

enum status device_at(const struct object *object, bool ports, uint64_t badge, uint64_t offset,
                      uint64_t size, uint64_t *at_out)
{
    const struct device *device = CONTAINER_OF(object, const struct device, object);
    struct span part;

    if (device->ports != ports || device->whole == 0)
        return ERR_UNSUPPORTED;
    enum status status = part_of(device, badge, offset, size, &part);
    if (status == OK)
        *at_out = part.first << unit_shift(device);
    return status;
}

/* What the loader wants of a device tree: memory, CPUs, PSCI, the console and the clock, and what
 * the monitor put into /chosen.
 */

#include <base/bytes.h>
#include <base/string.h>
#include <boot/acpi.h>
#include <boot/fdt.h>

enum { FDT_NOP_TOKEN = 4, FDT_RESERVE_AT = 16, FDT_RESERVE_BYTES = 16 };

struct reader {
    struct fdt_info *info;
    enum status status; /* the first thing that went wrong */
};

/* One address or size of one or two cells. */
static bool property_number(const struct fdt_property *property, size_t *at, uint32_t cells,
                            uint64_t *number_out)
{
    if (cells < 1 || cells > 2 || property->size_bytes < *at ||
        property->size_bytes - *at < (size_t)cells * 4)
        return false;
    const uint8_t *data = property->data + *at;
    *number_out = cells == 2 ? load_be64(data) : load_be32(data);
    *at += (size_t)cells * 4;
    return true;
}

/* The next range of `reg`. */
static bool node_range(const struct fdt_node *node, size_t *at, uint64_t *base_out,
                       uint64_t *size_out)
{
    return node->parent != NULL && node->reg.data != NULL &&
           property_number(&node->reg, at, node->parent->address_cells, base_out) &&
           property_number(&node->reg, at, node->parent->size_cells, size_out);
}

/* True if `text` is one of the property's strings. */
static bool property_has(const struct fdt_property *property, const char *text)
{
    size_t length = strlen(text) + 1;
    size_t at = 0;
    if (property->data == NULL)
        return false;
    while (at < property->size_bytes) {
        const char *item = (const char *)property->data + at;
        size_t left = property->size_bytes - at;
        size_t item_length = strnlen(item, left) + 1;
        if (item_length == length && length <= left && memcmp(item, text, length) == 0)
            return true;
        at += item_length;
    }
    return false;
}

static bool node_disabled(const struct fdt_node *node)
{
    return node->status.data != NULL && !property_has(&node->status, "okay") &&
           !property_has(&node->status, "ok");
}

static bool node_is_memory(const struct fdt_node *node)
{
    return property_has(&node->device_type, "memory") && node->parent != NULL &&
           node->parent->parent == NULL;
}

static void read_ranges(struct reader *reader, const struct fdt_node *node, uint64_t type)
{
    uint64_t base, size_bytes;
    size_t at = 0;
    while (reader->status == OK && node_range(node, &at, &base, &size_bytes))
        reader->status = boot_map_add(&reader->info->map, base, size_bytes, type);
}

static void read_cpu(struct reader *reader, const struct fdt_node *node)
{
    uint64_t id;
    size_t at = 0;
    if (!node_disabled(node) && node->reg.data != NULL &&
        property_number(&node->reg, &at, node->parent->address_cells, &id))
        boot_cpu_list_add(&reader->info->cpus, id, 0);
}

/* 32 or 64 bits, as the writer liked. */
static uint64_t chosen_address(const struct fdt_property *property)
{
    size_t at = 0;
    uint64_t address = 0;
    if (property->data == NULL ||
        !property_number(property, &at, property->size_bytes / 4, &address))
        return 0;
    return address;
}

static void read_chosen(struct reader *reader, const struct fdt_node *node)
{
    struct fdt_info *info = reader->info;
    uint64_t start = chosen_address(&node->initrd_start), end = chosen_address(&node->initrd_end);

    if (start < end) {
        info->initrd = start;
        info->initrd_bytes = end - start;
    }
    if (node->bootargs.data != NULL) {
        size_t length = strnlen((const char *)node->bootargs.data, node->bootargs.size_bytes);
        info->cmdline_cut = length > sizeof(info->cmdline) - 1;
        length = MIN(length, sizeof(info->cmdline) - 1);
        memcpy(info->cmdline, node->bootargs.data, length);
        info->cmdline[length] = 0;
    }
}

static void read_device(const struct fdt_node *node, const char *compatible, uint64_t *base)
{
    uint64_t at_base, size_bytes;
    size_t at = 0;
    if (*base == 0 && property_has(&node->compatible, compatible) && !node_disabled(node) &&
        node_range(node, &at, &at_base, &size_bytes))
        *base = at_base;
}

static void read_psci(struct reader *reader, const struct fdt_node *node)
{
    if (!property_has(&node->compatible, "arm,psci-0.2") &&
        !property_has(&node->compatible, "arm,psci-1.0"))
        return;
    if (property_has(&node->method, "hvc"))
        reader->info->psci = FDT_PSCI_HVC;
    else if (property_has(&node->method, "smc"))
        reader->info->psci = FDT_PSCI_SMC;
}

static void read_node(void *context, const struct fdt_node *node)
{
    struct reader *reader = context;
    const struct fdt_node *parent = node->parent;

    if (parent == NULL)
        return;
    if (node_is_memory(node) && !node_disabled(node))
        read_ranges(reader, node, LIMINE_MEMMAP_USABLE);
    else if (strcmp(parent->name, "reserved-memory") == 0 && !node_disabled(node))
        read_ranges(reader, node, LIMINE_MEMMAP_RESERVED);
    else if (strcmp(parent->name, "cpus") == 0 && property_has(&node->device_type, "cpu"))
        read_cpu(reader, node);
    else if (parent->parent == NULL && strcmp(node->name, "chosen") == 0)
        read_chosen(reader, node);
    read_device(node, "arm,pl011", &reader->info->pl011);
    read_device(node, "arm,pl031", &reader->info->pl031);
    read_psci(reader, node);
}

/* The block of reserved ranges in front of the tree ends with an empty one. */
static enum status read_reservations(const uint8_t *blob, size_t size_bytes, struct boot_map *map)
{
    size_t at = load_be32(blob + FDT_RESERVE_AT);
    for (; at <= size_bytes && size_bytes - at >= FDT_RESERVE_BYTES; at += FDT_RESERVE_BYTES) {
        uint64_t base = load_be64(blob + at), bytes = load_be64(blob + at + 8);
        if (base == 0 && bytes == 0)
            return OK;
        enum status status = boot_map_add(map, base, bytes, LIMINE_MEMMAP_RESERVED);
        if (status != OK)
            return status;
    }
    return ERR_TRUNCATED;
}

enum status fdt_read(const void *blob, size_t size_bytes, struct fdt_info *info_out)
{
    struct reader reader = { info_out, OK };

    memset(info_out, 0, sizeof(*info_out));
    enum status status = fdt_walk(blob, size_bytes, read_node, &reader);
    if (status == OK)
        status = reader.status;
    if (status == OK)
        status = read_reservations(blob, size_bytes, &info_out->map);
    return status;
}

static void erase_node(void *context, const struct fdt_node *node)
{
    static const uint8_t nop[4] = { 0, 0, 0, FDT_NOP_TOKEN };
    uint8_t *blob = context;
    if (!node_is_memory(node))
        return;
    for (size_t at = node->begin; at + 4 <= node->end; at += 4)
        memcpy(blob + at, nop, sizeof(nop));
}

/* Behind the walker only: what is erased has been visited. */
enum status fdt_erase_memory(void *blob, size_t size_bytes)
{
    return fdt_walk(blob, size_bytes, erase_node, blob);
}

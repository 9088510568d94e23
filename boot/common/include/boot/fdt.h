/* Flattened device trees (Devicetree Specification 0.4, chapter 5), no more than a loader needs.
 * The blob is firmware's: every offset, size and depth is checked.
 */
#pragma once

#include <boot/arch.h>
#include <boot/map.h>

enum { FDT_DEPTH_MAX = 32 };

struct fdt_property {
    const uint8_t *data; /* NULL: not there */
    uint32_t size_bytes;
};

/* The properties that are looked at. */
#define FDT_PROPERTIES(PROPERTY)                                                                   \
    PROPERTY(compatible, "compatible")                                                             \
    PROPERTY(reg, "reg")                                                                           \
    PROPERTY(device_type, "device_type")                                                           \
    PROPERTY(status, "status")                                                                     \
    PROPERTY(method, "method")                                                                     \
    PROPERTY(no_map, "no-map")                                                                     \
    PROPERTY(bootargs, "bootargs")                                                                 \
    PROPERTY(initrd_start, "linux,initrd-start")                                                   \
    PROPERTY(initrd_end, "linux,initrd-end")

struct fdt_node {
    const char *name; /* ended by 0 inside the blob; "" for the root */
    const struct fdt_node *parent;
    size_t begin, end;                  /* byte offsets in the blob; `end` is behind the node */
    uint32_t address_cells, size_cells; /* of its children */
#define PROPERTY(field, text) struct fdt_property field;
    FDT_PROPERTIES(PROPERTY)
#undef PROPERTY
};

/* Call `visit` for each node, children before their parents. ERR_FORMAT, ERR_TRUNCATED. */
typedef void fdt_visit(void *context, const struct fdt_node *node);
enum status fdt_walk(const void *blob, size_t size_bytes, fdt_visit *visit, void *context);

/* The blob's own size, if it begins like one. ERR_FORMAT. */
enum status fdt_size(const void *blob, size_t size_bytes, size_t *size_bytes_out);

enum fdt_psci { FDT_PSCI_NONE, FDT_PSCI_HVC, FDT_PSCI_SMC };

enum { FDT_CMDLINE_MAX = 1024 };

/* What a tree says. */
struct fdt_info {
    struct boot_map map;
    struct boot_cpu_list cpus;
    enum fdt_psci psci;
    uint64_t pl011; /* base addresses, 0 if there is none */
    uint64_t pl031;
    uint64_t initrd;
    uint64_t initrd_bytes;
    char cmdline[FDT_CMDLINE_MAX];
    bool cmdline_cut; /* it is longer */
};

enum status fdt_read(const void *blob, size_t size_bytes, struct fdt_info *info_out);

/* Blank out the memory nodes: the memory map says more, and says it right. */
enum status fdt_erase_memory(void *blob, size_t size_bytes);

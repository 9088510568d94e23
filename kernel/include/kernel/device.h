/* Devices: the registers that drivers may reach, in physical memory or as I/O ports.
 *
 * There are two objects, one for memory and one for ports; a capability covers a span of one (see
 * span.h), in pages or in ports. Neither holds what the kernel uses itself, nor any RAM, so a span
 * that touches those can be neither split off nor mapped nor read.
 *
 * Locking: none of its own; the objects last as long as the kernel.
 */
#pragma once

#include <kernel/cspace.h>
#include <kernel/span.h>

struct boot_info;

struct device {
    struct object object;     /* first */
    bool ports;               /* [C] else physical memory */
    uint64_t whole;           /* [C] units: pages or ports */
    struct memory *registers; /* [C] what mappings show: page p is at p; NULL for ports */
};

/* Once, with the memory map, before there is a program. */
void device_init(const struct boot_info *info);
/* The whole of each; ports are empty where the machine has none. */
extern struct device device_memory, device_ports;

/* What a capability for part of it would be stamped with. `offset` and `size` are bytes for memory,
 * ports for ports. ERR_RANGE: unaligned, or not within; ERR_ACCESS: RAM, or the kernel's.
 */
enum status device_part(const struct object *object, uint64_t badge, uint64_t offset, uint64_t size,
                        uint64_t *part_out);
/* The physical address, or the port, where such a part begins. Errors also ERR_UNSUPPORTED: it is
 * the other kind, or there are none.
 */
enum status device_at(const struct object *object, bool ports, uint64_t badge, uint64_t offset,
                      uint64_t size, uint64_t *at_out);

OBJECT_TYPE(device);

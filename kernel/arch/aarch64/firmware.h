/* What the kernel must know of the machine, read from ACPI or the flattened device tree: its
 * interrupt controller, timer, debug serial port and power registers, and nothing else (drivers
 * live outside).
 *
 * The tables come from firmware: every length and offset is checked, a bad table is skipped with a
 * log line. The readers: bytes in, no hardware touched, so that they run on the host under
 * sanitizers and fuzzers too.
 */
#pragma once

#include <kernel/acpi.h>

enum { PLATFORM_GICR_MAX = 256 };

struct platform_gicr_region {
    uint64_t base;
    uint64_t size_bytes;
};

enum platform_uart_kind { UART_NONE, UART_16550_MMIO, UART_PL011 };

/* From the device tree, or MADT, GTDT, FADT and SPCR. */
struct platform_info {
    unsigned gic_version; /* 0: none found */
    uint64_t gicd_base;
    uint64_t gicc_base; /* GICv2 */
    size_t gicr_count;
    struct platform_gicr_region gicr[PLATFORM_GICR_MAX]; /* GICv3 */
    uint32_t timer_intid;                                /* virtual timer */
    bool psci_present;
    bool psci_hvc; /* else smc */
    enum platform_uart_kind uart;
    uint64_t uart_base;
    uint32_t uart_irq; /* INTID */
};

extern struct platform_info platform;

/* `out` comes zeroed; a reader sets what it finds. */
enum status arm_acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                           struct platform_info *out);

/* Reads no further than the size in the blob's header, so `size_bytes` may be just a bound for
 * that. ERR_TRUNCATED, ERR_FORMAT or ERR_UNSUPPORTED if the tree cannot be read.
 */
enum status fdt_parse(const void *blob, size_t size_bytes, struct platform_info *out);

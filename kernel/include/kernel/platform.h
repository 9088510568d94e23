/* What the kernel must know of the machine, read from ACPI or the flattened device tree: its
 * interrupt controller, timer, debug serial port and power registers, and nothing else (drivers
 * live outside).
 *
 * The tables come from firmware: every length and offset is checked, a bad table is skipped with a
 * log line. The readers are kernel/arch's, since each device here belongs to one architecture; what
 * they share of ACPI is kernel/acpi.h.
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

enum { PLATFORM_IOAPIC_MAX = 16, PLATFORM_OVERRIDE_MAX = 32, PLATFORM_GICR_MAX = 256 };

struct platform_ioapic {
    uint64_t base;
    uint32_t first_gsi;
};

struct platform_override { /* ISA interrupt source override (MADT type 2) */
    uint8_t isa_irq;
    uint32_t gsi;
    bool active_low;
    bool level;
};

struct platform_gicr_region {
    uint64_t base;
    uint64_t size_bytes;
};

enum platform_uart_kind { UART_NONE, UART_16550_PORT, UART_16550_MMIO, UART_PL011 };

struct platform_info {
    /* x86_64 (MADT, FADT) */
    uint64_t lapic_base;
    size_t ioapic_count;
    struct platform_ioapic ioapic[PLATFORM_IOAPIC_MAX];
    size_t override_count;
    struct platform_override override[PLATFORM_OVERRIDE_MAX];
    uint16_t pm_timer_port;      /* 0: none */
    bool reset_register_present; /* FADT */
    uint64_t reset_register_address;
    uint8_t reset_register_space; /* 0 memory, 1 I/O port */
    uint8_t reset_value;
    uint16_t pm1a_control_port;
    uint64_t hpet_base; /* 0: none */

    /* aarch64 (FDT, or MADT + GTDT + FADT) */
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
    uint32_t uart_irq; /* GSI or INTID */
};

extern struct platform_info platform;

/* How a reader of tables reaches physical memory: NULL if it cannot. */
typedef const void *platform_map(void *context, paddr_t pa, size_t size_bytes);

/* Through kmap_firmware; no context. */
platform_map platform_map_firmware;

/* What the kernel must know of the machine, read from ACPI: its
 * interrupt controller, timer, debug serial port and power registers, and nothing else (drivers
 * live outside).
 *
 * The tables come from firmware: every length and offset is checked, a bad table is skipped with a
 * log line. The reader: bytes in, no hardware touched, so that it runs on the host under sanitizers
 * and fuzzers too.
 */
#pragma once

#include <kernel/acpi.h>

enum { PLATFORM_IOAPIC_MAX = 16, PLATFORM_OVERRIDE_MAX = 32 };

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

enum platform_uart_kind { UART_NONE, UART_16550_PORT, UART_16550_MMIO };

/* From MADT, FADT, HPET and SPCR. */
struct platform_info {
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
    enum platform_uart_kind uart;
    uint64_t uart_base;
    uint32_t uart_irq; /* GSI */
};

extern struct platform_info platform;

/* `out` comes zeroed. */
enum status x86_acpi_parse(paddr_t rsdp, platform_map *map, void *context,
                           struct platform_info *out);

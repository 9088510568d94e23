/* What the kernel keeps of this machine's registers and ports. */
#include "firmware.h"
#include "regs.h"
#include "x86.h"
#include <arch/device.h>
#include <kernel/boot_info.h>

enum { PORT_COUNT = 0x10000, UART_PORTS = 8, COM1_PORT = 0x3f8, DEBUG_EXIT_PORT = 0xf4 };

/* Writes to the local controller's megabyte are interrupts. */
#define LAPIC_WINDOW_BYTES UINT64_C(0x100000)
#define LAPIC_WINDOW       UINT64_C(0xfee00000)
#define APIC_BASE_ADDRESS  UINT64_C(0x000ffffffffff000)

struct kept {
    uint64_t first;
    uint64_t count;
};

static bool touches(struct kept kept, uint64_t first, uint64_t count)
{
    return first < kept.first + kept.count && kept.first < first + count;
}

static struct kept page_of(uint64_t at)
{
    return (struct kept){ ALIGN_DOWN(at, (uint64_t)PAGE_SIZE), PAGE_SIZE };
}

uint64_t arch_physical_end(void)
{
    unsigned bits = cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
    return BIT64(MIN(bits, 48u));
}

static bool is_power_register(uint64_t base, uint64_t size_bytes)
{
    return platform.reset_register_present && platform.reset_register_space == 0 &&
           touches(page_of(platform.reset_register_address), base, size_bytes);
}

bool arch_mmio_reserved(uint64_t base, uint64_t size_bytes)
{
    struct kept window = { LAPIC_WINDOW, LAPIC_WINDOW_BYTES };

    if (touches(window, base, size_bytes) ||
        touches(page_of(rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS), base, size_bytes))
        return true;
    for (size_t i = 0; i < platform.ioapic_count; i++) {
        if (touches(page_of(platform.ioapic[i].base), base, size_bytes))
            return true;
    }
    if (platform.uart == UART_16550_MMIO && touches(page_of(platform.uart_base), base, size_bytes))
        return true;
    return is_power_register(base, size_bytes);
}

/* ---- Ports ---- */

uint32_t arch_port_count(void)
{
    return PORT_COUNT;
}

/* The 8259s with the edge and level registers, the console, and the sleep register. QEMU's debug
 * exit is the tests' alone. The port of the chipset's reset lies inside PCI's configuration
 * address, which drivers need.
 */
bool arch_port_reserved(uint32_t first, uint32_t count)
{
    uint64_t uart = platform.uart == UART_16550_PORT ? platform.uart_base : COM1_PORT;
    const struct kept kept[] = {
        { 0x20, 2 },
        { 0xa0, 2 },
        { 0x4d0, 2 },
        { DEBUG_EXIT_PORT, 4 },
        { uart, UART_PORTS },
        { platform.pm1a_control_port, platform.pm1a_control_port != 0 ? 2 : 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (touches(kept[i], first, count))
            return true;
    }
    return false;
}

uint32_t arch_port_read(uint16_t port, unsigned width_bytes)
{
    switch (width_bytes) {
    case 1:
        return in8(port);
    case 2:
        return in16(port);
    default:
        return in32(port);
    }
}

void arch_port_write(uint16_t port, unsigned width_bytes, uint32_t value)
{
    switch (width_bytes) {
    case 1:
        out8(port, (uint8_t)value);
        break;
    case 2:
        out16(port, (uint16_t)value);
        break;
    default:
        out32(port, value);
        break;
    }
}

/* Registers and ports of the simulated machine: one page is the kernel's, and so is one port. */
#include <arch/device.h>
#include <arch/simulation.h>

enum { PORT_COUNT = 0x10000 };

static uint8_t port_byte[PORT_COUNT];

uint64_t arch_physical_end(void)
{
    return BIT64(48);
}

bool arch_mmio_reserved(uint64_t base, uint64_t size_bytes)
{
    return base < SIMULATION_KEPT_PAGE + PAGE_SIZE && SIMULATION_KEPT_PAGE < base + size_bytes;
}

uint32_t arch_port_count(void)
{
    return PORT_COUNT;
}

bool arch_port_reserved(uint32_t first, uint32_t count)
{
    return first <= SIMULATION_KEPT_PORT && SIMULATION_KEPT_PORT < first + count;
}

uint32_t arch_port_read(uint16_t port, unsigned width_bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < width_bytes; i++)
        value |= (uint32_t)port_byte[port + i] << (8 * i);
    return value;
}

void arch_port_write(uint16_t port, unsigned width_bytes, uint32_t value)
{
    for (unsigned i = 0; i < width_bytes; i++)
        port_byte[port + i] = (uint8_t)(value >> (8 * i));
}

/* What the kernel keeps of this machine's registers. There are no ports. */
#include "firmware.h"
#include <arch/device.h>
#include <arch_impl/sysreg.h>
#include <kernel/panic.h>

/* Room for every frame of either version. */
enum { GICD_BYTES = 0x10000, GICC_BYTES = 0x2000 };

static bool touches(uint64_t first, uint64_t size_bytes, uint64_t base, uint64_t count)
{
    return base < first + size_bytes && first < base + count;
}

/* ID_AA64MMFR0_EL1.PARange; what is beyond 48 bits takes tables of another form. */
uint64_t arch_physical_end(void)
{
    static const uint8_t bits[] = { 32, 36, 40, 42, 44, 48 };
    uint64_t range = SYSREG_READ(id_aa64mmfr0_el1) & 0xf;
    return BIT64(range < ARRAY_LEN(bits) ? bits[range] : 48);
}

bool arch_mmio_reserved(uint64_t base, uint64_t size_bytes)
{
    if (touches(platform.gicd_base, GICD_BYTES, base, size_bytes))
        return true;
    if (platform.gic_version == 2 && touches(platform.gicc_base, GICC_BYTES, base, size_bytes))
        return true;
    for (size_t i = 0; i < platform.gicr_count; i++) {
        if (touches(platform.gicr[i].base, platform.gicr[i].size_bytes, base, size_bytes))
            return true;
    }
    return platform.uart == UART_PL011 &&
           touches(ALIGN_DOWN(platform.uart_base, (uint64_t)PAGE_SIZE), PAGE_SIZE, base,
                   size_bytes);
}

uint32_t arch_port_count(void)
{
    return 0;
}

bool arch_port_reserved(uint32_t first, uint32_t count)
{
    (void)first;
    (void)count;
    return true;
}

uint32_t arch_port_read(uint16_t port, unsigned width_bytes)
{
    panic("no port %u of %u bytes", port, width_bytes);
}

void arch_port_write(uint16_t port, unsigned width_bytes, uint32_t value)
{
    panic("no port %u of %u bytes for %#x", port, width_bytes, value);
}

/* What of the machine belongs to drivers, and what the kernel keeps. */
#pragma once

#include <kernel/addr.h>

/* No physical address is as high as this. */
uint64_t arch_physical_end(void);
/* True if [base, base + size_bytes), which does not wrap, touches registers that the kernel uses:
 * interrupt controllers, the console, the power register. */
bool arch_mmio_reserved(uint64_t base, uint64_t size_bytes);

/* I/O ports; 0 where there are none. */
uint32_t arch_port_count(void);
/* The same for ports. */
bool arch_port_reserved(uint32_t first, uint32_t count);
/* `width_bytes` is 1, 2 or 4. */
uint32_t arch_port_read(uint16_t port, unsigned width_bytes);
void arch_port_write(uint16_t port, unsigned width_bytes, uint32_t value);

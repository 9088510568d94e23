/* What differs between the CPUs: x86_64/cpu.c and aarch64/cpu.c. */
#pragma once

#include <boot/platform.h>

void cpu_mask_interrupts(void);

/* The serial port, for the time after the firmware. `init` looks for it while the firmware runs;
 * `put` gives up on a port that is not there or never ready.
 */
void cpu_serial_init(const struct boot_platform *platform);
void cpu_serial_put(struct boot_platform *platform, char c);

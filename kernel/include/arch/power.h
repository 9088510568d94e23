/* Ends of the machine. */
#pragma once

#include <base/compiler.h>

/* Each returns only if the machine cannot do it. */
void arch_reboot(void);
void arch_power_off(void);
/* Tell QEMU an exit code (isa-debug-exit, semihosting): 0 is success. Returns where there is no
 * such device. On x86_64 QEMU ends with 2 * code + 33 or so: tests/ maps it; see docs.
 */
void arch_exit_emulator(unsigned code);

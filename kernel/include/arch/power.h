/* Ends of the machine. */
#pragma once

/* Each returns only if the machine cannot do it. */
void arch_reboot(void);
void arch_power_off(void);
/* End QEMU (isa-debug-exit on x86_64, semihosting on aarch64): its exit status is 33 if `code` is
 * 0, else 35. Returns where there is no such device.
 */
void arch_exit_emulator(unsigned code);

/* Ends of the machine: PSCI (DEN 0022) by the conduit that firmware names, and QEMU's semihosting.
 */
#include "firmware.h"
#include <arch/cpu.h>
#include <arch/power.h>

enum { SEMIHOSTING_PASS = 33, SEMIHOSTING_FAIL = 35 };
#define PSCI_SYSTEM_OFF   UINT64_C(0x84000008)
#define PSCI_SYSTEM_RESET UINT64_C(0x84000009)

/* Registers that a call may change (SMC calling convention, DEN 0028). */
#define PSCI_CLOBBERS                                                                              \
    "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17"

void semihosting_exit(uint64_t code);

static void psci_call(uint64_t function)
{
    if (!platform.psci_present)
        return;
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = 0;
    register uint64_t x2 __asm__("x2") = 0;
    register uint64_t x3 __asm__("x3") = 0;
    if (platform.psci_hvc)
        __asm__ volatile("hvc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                         :
                         : "memory", PSCI_CLOBBERS);
    else
        __asm__ volatile("smc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                         :
                         : "memory", PSCI_CLOBBERS);
}

void arch_reboot(void)
{
    psci_call(PSCI_SYSTEM_RESET);
}

void arch_power_off(void)
{
    psci_call(PSCI_SYSTEM_OFF);
}

/* The callers ask only where the command line says that an emulator listens (exit=emulator,
 * panic=exit). Without one the instruction is undefined, and its fix-up comes back.
 */
void arch_exit_emulator(unsigned code)
{
    semihosting_exit(code == 0 ? SEMIHOSTING_PASS : SEMIHOSTING_FAIL);
}

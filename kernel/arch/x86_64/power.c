/* Ends of the machine: the ACPI reset register, the chipset's reset port, the keyboard controller,
 * and as the last resort a fault that cannot be delivered.
 */
#include "firmware.h"
#include "regs.h"
#include "x86.h"
#include <arch/power.h>
#include <kernel/kmap.h>

enum { RESET_PORT = 0xcf9, KEYBOARD_PORT = 0x64, DEBUG_EXIT_PORT = 0xf4 };
enum { RESET_SPACE_MEMORY = 0, RESET_SPACE_PORT = 1 };

/* PM1 control. Which sleep type means soft-off stands in AML, which the kernel does not read: it is
 * 0 under QEMU and 5 or 7 with most firmware.
 */
enum { PM1_SLEEP_ENABLE = 1 << 13, PM1_SLEEP_TYPE_SHIFT = 10, PM1_SLEEP_TYPE_MASK = 7 << 10 };
static const uint8_t sleep_types[] = { 0, 5, 7 };

static void wait_a_little(void)
{
    for (unsigned i = 0; i < 100 * 1000; i++)
        arch_relax();
}

static void reset_by_acpi(void)
{
    uint64_t at = platform.reset_register_address;
    void *mapped;
    if (!platform.reset_register_present)
        return;
    if (platform.reset_register_space == RESET_SPACE_PORT && at <= UINT16_MAX)
        out8((uint16_t)at, platform.reset_value);
    else if (platform.reset_register_space == RESET_SPACE_MEMORY &&
             kmap_device(paddr(ALIGN_DOWN(at, (uint64_t)PAGE_SIZE)), PAGE_SIZE, &mapped) == OK)
        *((volatile uint8_t *)mapped + (at & PAGE_MASK)) = platform.reset_value;
    wait_a_little();
}

static void reset_by_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } PACKED no_table = { 0, 0 };
    __asm__ volatile("lidt %0; ud2" : : "m"(no_table) : "memory");
}

void arch_reboot(void)
{
    reset_by_acpi();
    out8(RESET_PORT, 0x02);
    out8(RESET_PORT, 0x06);
    wait_a_little();
    out8(KEYBOARD_PORT, 0xfe);
    wait_a_little();
    reset_by_fault();
}

void arch_power_off(void)
{
    if (platform.pm1a_control_port == 0)
        return;
    unsigned kept = in16(platform.pm1a_control_port) & ~(unsigned)PM1_SLEEP_TYPE_MASK;
    for (size_t i = 0; i < ARRAY_LEN(sleep_types); i++) {
        unsigned type = (unsigned)sleep_types[i] << PM1_SLEEP_TYPE_SHIFT;
        out16(platform.pm1a_control_port, (uint16_t)(kept | type | PM1_SLEEP_ENABLE));
        wait_a_little();
    }
}

/* QEMU's isa-debug-exit ends with 2 * value + 1: 33 for success, 35 for anything else. */
void arch_exit_emulator(unsigned code)
{
    out32(DEBUG_EXIT_PORT, code == 0 ? 0x10 : 0x11);
}

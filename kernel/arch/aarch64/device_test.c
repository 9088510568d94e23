/* QEMU's virt machine, for the tests of devices. */
#include "firmware.h"
#include <arch/device_test.h>

struct test_machine arch_test_machine(void)
{
    return (struct test_machine){
        .has_gic = true,
        .timer_line = platform.timer_intid,
        .console_line = platform.uart_irq,
        .controller = platform.gicd_base,
        .registers = UINT64_C(0x09010000), /* the clock chip */
    };
}

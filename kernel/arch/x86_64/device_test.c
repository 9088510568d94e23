/* A PC, for the tests of devices. */
#include "firmware.h"
#include <arch/device_test.h>

enum { COM1_LINE = 4 };

struct test_machine arch_test_machine(void)
{
    return (struct test_machine){
        .console_line = platform.uart != UART_NONE ? platform.uart_irq : COM1_LINE,
        .controller = platform.lapic_base,
        .registers = platform.hpet_base,
    };
}

/* What the tests of devices know of an architecture's machines. */
#pragma once

#ifdef CONFIG_TESTS
#include <stdbool.h>
#include <stdint.h>

struct test_machine {
    bool has_gic;          /* and with it a clock chip whose interrupt stays until it is cleared */
    unsigned timer_line;   /* of the kernel's timer, where that is one of the controller's */
    unsigned console_line; /* of the serial port */
    uint64_t controller;   /* registers of the interrupt controller, which the kernel keeps */
    uint64_t registers;    /* of a device, that can be read without harm; 0: none */
};

struct test_machine arch_test_machine(void);
#endif

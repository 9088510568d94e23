/* Interrupts that nobody meant. */
#include "gic.h"

#include <arch/irq.h>
#include <kernel/cpu.h>
#include <kernel/test.h>

/* Left pending by whoever ran before the kernel, say. It stops nobody: the test goes on. */
GUEST_TEST(a_stop_interrupt_that_nobody_asked_for_stops_nobody)
{
    EXPECT_EQ(arch_stop_requested, 0);
    for (uint32_t i = 0; i < cpu_count; i++) {
        gic->send_sgi(cpu_get(i), GIC_SGI_STOP);
        arch_ipi_send(cpu_get(i));
    }
    arch_stop_here();
}

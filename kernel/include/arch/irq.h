/* Interrupt controller. Acknowledging is done by the architecture's entry code before trap_irq. */
#pragma once

#include <base/status.h>
#include <kernel/cpu.h>

/* Unmask a line, routed to the boot CPU. ERR_RANGE if the controller has no such line. */
enum status arch_irq_enable(unsigned line);
void arch_irq_disable(unsigned line);
/* Interrupt `cpu` so that it calls trap_ipi. */
void arch_ipi_send(struct cpu *cpu);
/* Stop every other CPU wherever it is, masked or not where the hardware can (NMI on x86_64). Panic
 * only. */
void arch_stop_others(void);

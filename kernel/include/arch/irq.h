/* Interrupt controller. Acknowledging is done by the architecture's entry code before trap_irq. */
#pragma once

#include <base/status.h>
#include <kernel/cpu.h>
#include <kernel/irq.h>

/* Prepare a line, masked and routed to the boot CPU; *edge_out says how it signals. ERR_RANGE if
 * the controller has no such line, ERR_LIMIT if it can take no more, ERR_UNSUPPORTED if it cannot
 * be told so.
 */
enum status arch_irq_configure(unsigned line, enum irq_trigger trigger, bool *edge_out);
/* Unmask and mask a line that is prepared. Messages cannot be masked here. */
void arch_irq_enable(unsigned line);
void arch_irq_disable(unsigned line);
/* What a device writes, and where, to signal a message line. ERR_UNSUPPORTED: there are none. */
enum status arch_irq_message(unsigned line, uint64_t *address_out, uint64_t *data_out);
#ifdef CONFIG_TESTS
/* Make this CPU see the line, as if its device had asked once. */
void arch_irq_raise(unsigned line);
#endif
/* Interrupt `cpu` so that it calls trap_ipi. */
void arch_ipi_send(struct cpu *cpu);
/* Stop every other CPU wherever it is, masked or not where the hardware can (NMI on x86_64). Panic
 * only. */
void arch_stop_others(void);

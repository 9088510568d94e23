/* Interrupt lines, by the number that the interrupt controller knows (GSI on x86_64, INTID on
 * aarch64). The architecture masks and acknowledges; a handler here runs with interrupts masked and
 * is short.
 */
#pragma once

#include <base/status.h>
#include <stdint.h>

enum { IRQ_MAX = 1024 };

/* One handler a line, for good. Enables the line, routed to the boot CPU. ERR_EXISTS if it has one,
 * ERR_RANGE if there is no such line.
 */
enum status irq_register(unsigned line, void (*handler)(void *context), void *context);
/* From trap_irq. A line without handler is counted and disabled. */
void irq_dispatch(unsigned line);
/* How often a line has interrupted, for the shell. */
uint64_t irq_count(unsigned line);

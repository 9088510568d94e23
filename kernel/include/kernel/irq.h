/* Interrupt lines, by the number that the interrupt controller knows (GSI on x86_64, INTID on
 * aarch64). The architecture masks and acknowledges; a handler here runs with interrupts masked and
 * is short.
 */
#pragma once

#include <abi_syscalls.h>
#include <base/status.h>
#include <irq.h>
#include <stdbool.h>
#include <stdint.h>

/* One handler a line, for good. Enables the line, routed to the boot CPU. ERR_EXISTS if it has one,
 * ERR_RANGE if there is no such line.
 */
enum status irq_register(unsigned line, void (*handler)(void *context), void *context);
/* The same for a while, with a trigger; the line stays masked until arch_irq_enable. *edge_out: how
 * it signals. Afterwards a handler that was called already may still be running on another CPU.
 * Errors as arch_irq_configure and irq_register.
 */
enum status irq_attach(unsigned line, enum irq_trigger trigger, void (*handler)(void *context),
                       void *context, bool *edge_out);
void irq_detach(unsigned line);
/* True if a handler has it. */
bool irq_is_taken(unsigned line);
/* From trap_irq. A line without handler is counted and disabled. */
void irq_dispatch(unsigned line);
/* How often a line has interrupted, for the shell. */
uint64_t irq_count(unsigned line);

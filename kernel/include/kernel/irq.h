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

/* One handler a line: ERR_EXISTS if it has one, ERR_RANGE if there is no such line. It stays masked
 * until arch_irq_enable, which routes it to the boot CPU. *edge_out: how it signals. Errors also as
 * arch_irq_configure. Afterwards a handler that was called already may still be running on another
 * CPU.
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

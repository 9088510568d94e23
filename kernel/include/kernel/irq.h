/* Interrupt lines, by the number that the interrupt controller knows (GSI on x86_64, INTID on
 * aarch64). The architecture masks and acknowledges; a handler here runs with interrupts masked and
 * is short.
 */
#pragma once

#include <abi_syscalls.h>
#include <base/status.h>
#include <irq.h>
#include <kernel/spinlock.h>
#include <stdbool.h>
#include <stdint.h>

/* Over lines and handlers, and what drivers bind to them; held while a handler runs. */
extern struct spinlock irq_lock;

/* One handler a line: ERR_EXISTS if it has one, ERR_RANGE if there is no such line. It stays masked
 * until arch_irq_enable, which routes it to the boot CPU. *edge_out: how it signals. Errors also as
 * arch_irq_configure.
 */
enum status irq_attach(unsigned line, enum irq_trigger trigger, void (*handler)(void *context),
                       void *context, bool *edge_out) REQUIRES(irq_lock);
void irq_detach(unsigned line) REQUIRES(irq_lock);
/* What it was attached with, if by this handler; else NULL. */
void *irq_attached(unsigned line, void (*handler)(void *context)) REQUIRES(irq_lock);
/* From trap_irq. A line without handler is counted and disabled. */
void irq_dispatch(unsigned line);
/* True if a handler has it. */
bool irq_is_taken(unsigned line);
/* How often a line has interrupted, for the shell. */
uint64_t irq_count(unsigned line);

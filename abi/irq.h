/* The lines that a capability for interrupts can cover: those of the interrupt controller by its
 * own numbers (GSI on x86_64, INTID on aarch64), then those that devices signal by a message.
 */
#pragma once

enum { IRQ_MESSAGE_FIRST = 1024, IRQ_MESSAGE_COUNT = 128, IRQ_MAX = 1024 + 128 };

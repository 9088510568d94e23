/* Interrupts that drivers take: a line bound to a notification.
 *
 * One object stands for all lines, those of the controller and those that devices signal by a
 * message; a capability covers a span of them (span.h) and, once it was split off with a trigger,
 * says how the line signals. A line can be bound through a capability for that line alone, once at
 * a time, and stays bound until that capability goes: then it is masked.
 *
 * A line that interrupted signals once and then waits for its acknowledgement. A level is masked
 * meanwhile. An edge is not, because one that comes while the line is masked is lost: the next one
 * is remembered, and masks the line. So each acknowledgement allows two interrupts at most.
 *
 *            interrupt: signal              interrupt (edge): remember, mask
 *     QUIET ------------------> SIGNALLED -------------------> REMEMBERED
 *       ^                        |     ^                            |
 *       +----- acknowledge ------+     +--- acknowledge: signal ----+
 *
 * Locking: [L] the lock of bindings, inside the object's.
 */
#pragma once

#include <kernel/cspace.h>
#include <kernel/irq.h>
#include <kernel/notification.h>
#include <kernel/span.h>

extern struct object irq_object;

/* Once. */
void irq_object_init(void);
/* What a capability for `count` lines from the `offset`th of `badge`'s would be stamped with.
 * ERR_RANGE: not within, or a trigger for more than one line. ERR_STATE: the trigger was chosen
 * before. ERR_ACCESS: a line that the kernel uses.
 */
enum status irq_part(uint64_t badge, uint64_t offset, uint64_t count, enum irq_trigger trigger,
                     uint64_t *part_out);
/* Signal `bits` when the line of this capability, which is acquired, interrupts; the line is
 * unmasked. What the capability was bound to before is forgotten. ERR_RANGE: it covers several.
 * ERR_BUSY: the line is bound. ERR_ACCESS: the kernel has it. ERR_UNSUPPORTED: the controller
 * cannot be told so. ERR_LIMIT, ERR_NO_MEMORY, ERR_DEAD.
 */
enum status irq_bind(struct capability *capability, struct notification *notification,
                     uint64_t bits);
/* Let the line come again. ERR_RANGE: several lines. ERR_STATE: it is not bound. */
enum status irq_acknowledge(uint64_t badge);

/* Cross calls: run a short function on other CPUs.
 *
 * The function runs on the target with interrupts masked, perhaps in the middle of its wait for a
 * spinlock: it may take no lock and must be bounded. Used for TLB shootdown, rescheduling and stop.
 */
#pragma once

#include <kernel/cpu.h>

/* Run `function` on every online CPU of `mask` but this one, and wait until all have. Safe with
 * locks held. May itself serve other CPUs' calls meanwhile.
 */
void ipi_call(const struct cpu_mask *mask, void (*function)(void *argument), void *argument);

/* Make `cpu` look at its run queue soon; returns at once. */
void ipi_reschedule(struct cpu *cpu);

/* Serve what others have asked of this CPU. Called by the IPI handler and by every wait loop. */
void ipi_poll(void);

/* The common cases of arch_thread_switch and arch_vspace_activate, inline for the short way of a
 * message. arch_impl/switch.h defines both, and leaves what is not common to the functions.
 */
#pragma once

#include <arch/context.h>
#include <arch/mmu.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/thread.h>

static inline void arch_thread_switch_quickly(struct cpu *cpu, struct thread *previous,
                                              struct thread *next);
/* `vspace` is not the one that is loaded. */
static inline void arch_vspace_activate_quickly(struct cpu *cpu, struct vspace *vspace);

/* From a handler straight to the kernel exit, without the way back through its callers. May return:
 * then that is the way. */
static inline void arch_exit_quickly(void);

#include <arch_impl/switch.h>

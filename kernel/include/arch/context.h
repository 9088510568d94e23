/* What belongs to a thread beside its trap frame: thread pointer and vector state.
 * arch_impl/context.h defines struct arch_thread.
 *
 * Vector state is never in the kernel's way (the kernel uses general registers only). A thread gets
 * a state area at its first vector instruction; until then the unit is off for it. The state is
 * saved when the CPU goes to another thread and it was in use, and nothing of it is left in the
 * registers for somebody else to see.
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

struct guest_registers;
struct thread;

void arch_thread_init(struct thread *thread);
/* What it may come to own beside struct thread, at most. */
size_t arch_thread_extra_bytes(void);
void arch_thread_fini(struct thread *thread);

/* What finds thread-local storage; any value that passes the check may be set. Not running. */
bool arch_thread_pointer_ok(uint64_t value);
void arch_thread_set_pointer(struct thread *thread, uint64_t value);

/* The registers of a thread that is on no CPU. ERR_RANGE: an address that user mode cannot have; of
 * the flags, those are taken that user mode can set itself.
 */
void arch_thread_registers_read(const struct thread *thread, struct guest_registers *registers);
enum status arch_thread_registers_write(struct thread *thread,
                                        const struct guest_registers *registers);

/* The CPU goes from `previous` to `next` (either may be NULL): vector state, thread pointer, the
 * address that entry code saves to. Address spaces are arch_vspace_activate's.
 */
void arch_thread_switch(struct thread *previous, struct thread *next);

/* A second kernel stack (coroutine): save callee-saved registers and the stack pointer, load the
 * other. */
void arch_stack_swap(void **save_sp_out, void *load_sp);
/* Prepare a fresh stack so that the first swap to it calls main(argument); it must not return. */
void *arch_stack_prepare(void *stack_top, void (*main)(void *argument), void *argument);
/* Leave the current stack for good: go to the top of this CPU's kernel stack and enter user mode
 * (end of boot).
 */
NORETURN void arch_enter_scheduler(void);

#include <arch_impl/context.h>

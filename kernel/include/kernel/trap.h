/* Where the architecture's entry code meets the portable kernel.
 *
 * Entry code stores the user registers in current->frame, switches to the CPU's kernel stack, calls
 * what the event asks for, and resumes cpu.current; if cpu.need_resched is set, what sched_next
 * returns. Interrupts are masked throughout. An interrupt that arrives in the idle loop calls the
 * same functions, but goes back to the loop.
 */
#pragma once

#include <kernel/thread.h>

/* The user executed the system call instruction. */
void trap_syscall(struct thread *current);
/* A user access faulted. `access`: PERM_READ, _WRITE or _EXECUTE. */
void trap_user_page_fault(struct thread *current, uint64_t address, unsigned access);
/* Any other user exception: the thread dies. `name` is a constant, `address` what the CPU reports.
 */
void trap_user_exception(struct thread *current, const char *name, uint64_t address);

void trap_timer(void);
void trap_ipi(void);
void trap_irq(unsigned line);

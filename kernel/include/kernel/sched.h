/* The scheduler: fixed priorities, round robin within each, one run queue per CPU, idle CPUs steal.
 *
 * It decides only at the kernel exit (sched_next).
 *
 * Locking: a thread's scheduling state belongs to the run queue lock of its CPU; migration holds
 *          two, in order of CPU index.
 */
#pragma once

#include <base/status.h>
#include <kernel/cpu.h>
#include <kernel/thread.h>

enum { SCHED_SLICE_NS = 10 * 1000 * 1000 };

void sched_init_cpu(struct cpu *cpu);

/* The current thread, or the one that was chosen to run on this CPU, stops running at the kernel
 * exit, until sched_wake. False, and it goes on, if it is to die there. What threads block for is
 * to be left in other ways as well: see wait.h.
 */
bool sched_block(struct thread *thread);
/* The current thread sleeps until the deadline. */
void sched_sleep_current(uint64_t deadline_ns);
/* True if it was BLOCKED and is READY now. Any CPU, any context. */
bool sched_wake(struct thread *thread);
/* The current thread goes to the end of its priority's queue. */
void sched_yield_current(void);

/* If a CPU is on `thread`, make it come to the kernel exit soon; false. Else call `action` (NULL:
 * nothing) before any can be, with its queue locked; true.
 */
bool sched_off_cpu(struct thread *thread, void (*action)(struct thread *thread));

/* The thread runs at least with this priority until another one is lent; 0 takes it back. */
void sched_lend(struct thread *thread, uint8_t priority);
/* ERR_RANGE unless below PRIORITY_COUNT; ERR_ACCESS if above the thread's ceiling. */
enum status sched_set_priority(struct thread *thread, unsigned priority);
/* Its own priority comes down to it, if it is above; what is lent does not. Below PRIORITY_COUNT.
 */
void sched_set_ceiling(struct thread *thread, unsigned ceiling);
/* ERR_INVALID if the mask holds no online CPU. Moves the thread if it is on a forbidden CPU. */
enum status sched_set_affinity(struct thread *thread, const struct cpu_mask *affinity);

/* The slice of the current thread is over, if it is (timer interrupt). */
void sched_tick(struct cpu *cpu, uint64_t now_ns);

/* Choose what runs next and make it current, with its address space, vector state and thread
 * pointer in place; idles inside until there is something. */
struct thread *sched_next(void);

/* What only the host architecture has: the handles by which a HOST_TEST moves the simulated
 * machine. A CPU is chosen with arch_cpu_set_self. Declared for all, so that such tests compile
 * everywhere.
 */
#pragma once

#ifdef CONFIG_TESTS
#include <kernel/addr.h>

enum { SIMULATION_CPU_COUNT = 4 };

/* What the kernel keeps of the machine's registers and ports. */
#define SIMULATION_KEPT_PAGE UINT64_C(0xfee00000)
#define SIMULATION_KEPT_PORT 0x3f8u

struct boot_info;
struct vspace;

/* The clock stands still but for this (and the idle loop, which moves it to the next deadline). */
void simulation_clock_set(uint64_t now_ns);
/* The deadline this CPU's timer is programmed for. */
uint64_t simulation_timer(uint32_t cpu_index);
/* How much memory was made ready to be executed so far. */
uint64_t simulation_synced_bytes(void);
/* Do what a user program would: read or write one byte at `at`, with faults. False: it would die.
 */
bool simulation_user_access(struct vspace *vspace, uaddr_t at, unsigned access, uint8_t *byte);

/* True if the line is not masked. */
bool simulation_line_open(unsigned line);

/* CPUs that run: each has a stack, on which it goes through the kernel exit again and again. Give
 * one its turn: it takes the interrupts that are pending, then, if a thread was in user mode on it,
 * calls `event` in that thread's name (NULL: nothing), and comes back when it is in user mode or
 * idle.
 */
void simulation_cpu_run(uint32_t cpu_index, void (*event)(void *context), void *context);
/* True if it would do something by itself: an interrupt is pending, or it wants to reschedule. */
bool simulation_cpu_pending(uint32_t cpu_index);

/* All CPUs take interrupts until nothing waits for the end of a grace period; then there are none
 * any more (grace_enable).
 */
void simulation_grace_settle(void);

/* Another CPU gets its turn where this one holds no lock and is about to take its nth from now:
 * `event` is called once, as CPU `cpu_index`. So a test finds every order that two operations can
 * come in. NULL: none. Returns true if the event before has come to its turn.
 */
bool simulation_interleave(uint64_t nth, uint32_t cpu_index, void (*event)(void));
/* From the spinlocks. */
void simulation_lock_point(void);

/* True if the kernel panics in `action`, which runs in a copy of the process. */
bool simulation_panics(void (*action)(void));
#endif

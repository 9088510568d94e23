/* One stretch of kernel code with a stack of its own, on the boot CPU, that can wait: the guest
 * tests, benchmarks and the shell's long commands. Not in the release flavour.
 *
 * It runs from the kernel exit (sched_next) of the boot CPU, with interrupts masked. While it
 * waits, the CPU runs threads or idles like any other; the condition is looked at when a thread
 * ends on that CPU and at least every millisecond.
 */
#pragma once

#if defined(CONFIG_TESTS) || defined(CONFIG_SHELL)
#include <base/status.h>
#include <stdbool.h>
#include <stdint.h>

/* ERR_BUSY if one is under way, ERR_NO_MEMORY. `main` begins at the next kernel exit. */
enum status coroutine_start(void (*main)(void *argument), void *argument);
/* From inside: wait until `condition` holds (OK) or the deadline passed (ERR_TIMED_OUT). */
enum status coroutine_wait(bool (*condition)(void *argument), void *argument, uint64_t deadline_ns);
/* From sched_next. */
extern bool coroutine_wants_look;
void coroutine_poll_now(void);
static inline void coroutine_poll(void)
{
    if (coroutine_wants_look)
        coroutine_poll_now();
}
/* Something happened on this CPU that a condition may have waited for. */
void coroutine_look(void);
/* True if the caller runs inside it. */
bool coroutine_active(void);
#else
static inline void coroutine_poll(void) {}
static inline void coroutine_look(void) {}
#endif

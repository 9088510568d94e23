/* Guest and host tests of the kernel: TEST and EXPECT from <base/test.h>, plus what only the kernel
 * can check. `test=all`, `test=NAME` or `test=PREFIX*` on the command line runs them in the
 * coroutine, reports TAP, and ends the emulator with the result. Every test is bracketed by a
 * comparison of frames, threads, address spaces and slab objects in use.
 */
#pragma once

#ifdef CONFIG_TESTS
#include <base/test.h>
#include <kernel/checks.h>

/* Run what matches; returns the number of failures, or -1 if nothing matched. */
int test_run(const char *pattern);
/* Start in the coroutine what `test=` and `bench=` on the command line ask for; false if they ask
 * for nothing. With `exit=emulator` the emulator ends with the verdict afterwards.
 */
bool test_start(void);

/* Run the benchmarks that match; returns how many. */
unsigned bench_run(const char *pattern);
#endif

/* Crashes on purpose, to show what the kernel's end looks like: `crash=NAME` on the command line,
 * with
 *
 *     null-pointer      a kernel read through a null pointer
 *     stack-overflow    endless recursion, into the guard page of the stack
 *     assert            an assertion that fails
 *     panic-secondary   a panic on another CPU than the boot CPU
 *     panic-twice       a panic within the panic
 *
 * Only under CONFIG_TESTS.
 */
#pragma once

#ifdef CONFIG_TESTS
/* Returns only if the name is unknown, or the machine lacks what the crash needs. */
void crash_run(void);
#endif

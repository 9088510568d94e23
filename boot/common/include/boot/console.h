/* What the core itself needs of the console; front ends find boot_fail() in platform.h. */
#pragma once

/* What the emulator's process returns when the loader fails under `exit=emulator`. */
enum { BOOT_EXIT_FAILED = 35 };

/* Look for `exit=emulator` in a command line (may be NULL). */
void boot_console_options(const char *cmdline);

/* The serial shell of the debug flavour: `help` lists its commands. Only under CONFIG_SHELL. */
#pragma once

#ifdef CONFIG_SHELL
/* Take input from the serial port from now on. */
void shell_start(void);

struct thread;
void thread_for_each(void (*visit)(const struct thread *thread, void *context), void *context);
#endif

/* The serial port: 16550 on x86_64, PL011 on aarch64, standard output on the host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Polled; waits for room, bounded (a dead port loses characters, never the kernel). */
void arch_console_put(char c);
#ifdef CONFIG_SHELL
/* Next received character, or -1. */
int arch_console_get(void);
/* Have `handler` called when characters arrive (from an interrupt). */
void arch_console_receive(void (*handler)(void *context));
#endif

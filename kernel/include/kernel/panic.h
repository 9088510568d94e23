/* Panic: the kernel found itself wrong. Stops the other CPUs, prints the reason, registers and a
 * symbolised backtrace, then ends as the command line says (panic=halt|reboot|exit).
 */
#pragma once

#include <base/compiler.h>
#include <stddef.h>

struct kernel_registers; /* the architecture's; NULL where there are none to show */

NORETURN void panic_registers(const struct kernel_registers *registers, const char *format, ...)
    PRINTF_LIKE(2, 3);
#define panic(...) panic_registers(NULL, __VA_ARGS__)
NORETURN void assert_failed(const char *expression, const char *file, int line);

/* Programmer errors, in every flavour. Nothing that a user, device, disk or network says reaches
 * one. */
#define ASSERT(x)                                                                                  \
    do {                                                                                           \
        if (UNLIKELY(!(x)))                                                                        \
            assert_failed(#x, __FILE__, __LINE__);                                                 \
    } while (0)
#define ASSERT_UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__)

/* For the hot paths: only in the debug flavour. */
#ifdef CONFIG_DEBUG
#define DEBUG_ASSERT(x) ASSERT(x)
#else
#define DEBUG_ASSERT(x) ((void)sizeof(x))
#endif

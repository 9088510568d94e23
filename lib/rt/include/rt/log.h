/* Lines for the system's log, by the capability "log". Without one they go nowhere. */
#pragma once

#include <base/compiler.h>
#include <stddef.h>

enum { LOG_LINE_MAX = 200 };

/* One line; a longer one is cut into several. */
void rt_log_line(const char *text, size_t size_bytes);
void rt_log(const char *format, ...) PRINTF_LIKE(1, 2);

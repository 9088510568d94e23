/* The log: a ring of lines in memory, with levels; lines at or above the console level also go to
 * the serial console at once. Callable from anywhere, interrupts and panics included. A line longer
 * than LOG_LINE_MAX is cut, with "..." at its end.
 */
#pragma once

#include <base/compiler.h>
#include <stdarg.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum { LOG_LINE_MAX = 256 };

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_line_args(enum log_level level, const char *format, va_list args) PRINTF_LIKE(2, 0);
void log_set_console_level(enum log_level level);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

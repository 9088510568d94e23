/* The log: lines with levels; those at or above the console level go to the serial console at once,
 * and where there is a shell or a test to read them, all are kept (log_ring.h). Callable from
 * anywhere, interrupts and panics included. A line longer than LOG_LINE_MAX is cut, with "..." at
 * its end.
 */
#pragma once

#include <base/compiler.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum { LOG_LINE_MAX = 256 };

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* Make one line of `text`: no control characters (a user program must not move the cursor or forge
 * a line of its own), and at most LOG_LINE_MAX characters. `length` is what the whole text would
 * have had.
 */
void log_line_clean(char *text, size_t length);
/* Returns the level before. */
enum log_level log_set_console_level(enum log_level level);

/* Set the console level from `log=error|warn|info|debug`, if the command line has it. */
void log_configure(void);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

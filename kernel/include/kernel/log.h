/* The log: a ring of lines in memory, with levels; lines at or above the console level also go to
 * the serial console at once. Callable from anywhere, interrupts and panics included. A line longer
 * than LOG_LINE_MAX is cut, with "..." at its end.
 */
#pragma once

#include <base/compiler.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum { LOG_LINE_MAX = 256 };

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_line_args(enum log_level level, const char *format, va_list args) PRINTF_LIKE(2, 0);
/* Returns the level before. */
enum log_level log_set_console_level(enum log_level level);

/* Set the console level from `log=error|warn|info|debug`, if the command line has it. */
void log_configure(void);

/* One line as the ring keeps it. Sequence numbers begin at 0 and have no gaps. */
struct log_record {
    uint64_t sequence;
    enum log_level level;
    char text[LOG_LINE_MAX + 1];
};

/* Copy the oldest line whose sequence number is at least `from`; false if there is none yet. A
 * reader that asks for the number after the last one it got has lost `record_out->sequence - from`
 * lines.
 */
bool log_read(uint64_t from, struct log_record *record_out);
/* Lines that the ring no longer holds. */
uint64_t log_lost(void);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

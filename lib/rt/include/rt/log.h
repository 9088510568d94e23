/* Lines for the system's log, by the capability "log": an endpoint of who keeps it, or the System
 * itself. Without one they go nowhere, nor do they if the keeper does not answer in time.
 */
#pragma once

#include <base/compiler.h>
#include <stddef.h>

enum { LOG_LINE_MAX = 200 };

/* One line; a longer one is cut into several. Lines of several threads are not mixed. */
void rt_log_line(const char *text, size_t size_bytes);
void rt_log(const char *format, ...) PRINTF_LIKE(1, 2);

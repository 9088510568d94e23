#include <base/fmt.h>
#include <base/object_type.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdarg.h>

#define LOG_NAME "log"

void rt_log_line(const char *text, size_t size_bytes)
{
    uint64_t log = rt_handle(LOG_NAME);
    while (log != 0 && size_bytes > 0) {
        size_t part = MIN(size_bytes, (size_t)LOG_LINE_MAX);
        if (log_write(log, text, part) != OK)
            return; /* who has no log has nowhere to say so */
        text += part;
        size_bytes -= part;
    }
}

void rt_log(const char *format, ...)
{
    char line[LOG_LINE_MAX + 1];
    va_list args;
    va_start(args, format);
    size_t length = format_args(line, sizeof(line), format, args);
    va_end(args);
    rt_log_line(line, MIN(length, sizeof(line) - 1));
}

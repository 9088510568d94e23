/* Lines go to the kernel's log if "log" is the machine's object, and else in pieces to the service
 * that "log" is an endpoint of. That service may be on its way up again, so a line that was cut is
 * begun anew, a few times; a log that does not work never stops whoever writes to it for long.
 */
#include <base/fmt.h>
#include <base/object_type.h>
#include <base/string.h>
#include <protocol_log.h>
#include <rt/clock.h>
#include <rt/lock.h>
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdarg.h>

#define LOG_NAME "log"

enum { LINE_ATTEMPTS = 5, PIECE_WAIT_MS = 500 };

static struct rt_lock line_lock; /* pieces of one line follow each other */

static enum status send_line(uint64_t log, const char *text, size_t size_bytes)
{
    enum status status = OK;
    while (size_bytes > 0 && status == OK) {
        struct log_write_in in = { .level = LOG_LEVEL_INFO };
        in.text_size = MIN(size_bytes, sizeof(in.text));
        in.more = in.text_size < size_bytes;
        memcpy(in.text, text, in.text_size);
        status = log_call_write(log, clock_deadline((uint64_t)PIECE_WAIT_MS * 1000000), &in);
        text += in.text_size;
        size_bytes -= in.text_size;
    }
    return status;
}

static void send_line_again(uint64_t log, const char *text, size_t size_bytes)
{
    enum status status = ERR_DEAD;
    rt_lock(&line_lock);
    for (unsigned i = 0; i < LINE_ATTEMPTS && (status == ERR_DEAD || status == ERR_TIMED_OUT); i++)
        status = send_line(log, text, size_bytes);
    rt_unlock(&line_lock);
}

void rt_log_line(const char *text, size_t size_bytes)
{
    const struct startup_capability *log = rt_capability(LOG_NAME);
    while (log != NULL && size_bytes > 0) {
        size_t part = MIN(size_bytes, (size_t)LOG_LINE_MAX);
        if (log->type == OBJECT_ENDPOINT)
            send_line_again(log->handle, text, part);
        else if (log_write(log->handle, text, part) != OK)
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

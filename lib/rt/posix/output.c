/* Descriptors 1 and 2: text is collected until a line is complete, since the log takes lines. Both
 * go to the same log, in the order in which their lines end. */
#include <errno.h>
#include <limits.h>
#include <rt/lock.h>
#include <rt/log.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "posix.h"

struct line {
    char text[LOG_LINE_MAX];
    size_t length;
};

static struct rt_lock lock;
static struct line lines[2]; /* under lock */

static void flush(struct line *line)
{
    if (line->length > 0)
        rt_log_line(line->text, line->length);
    line->length = 0;
}

static void add(struct line *line, const char *text, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (text[i] == '\n') {
            flush(line);
            continue;
        }
        if (line->length == sizeof(line->text))
            flush(line);
        line->text[line->length++] = text[i];
    }
}

long posix_write(int descriptor, const struct iovec *parts, int count)
{
    if (descriptor != STDOUT_FILENO && descriptor != STDERR_FILENO)
        return -EBADF;
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    size_t total = 0;
    rt_lock(&lock);
    for (int i = 0; i < count; i++) {
        add(&lines[descriptor - STDOUT_FILENO], parts[i].iov_base, parts[i].iov_len);
        total += parts[i].iov_len;
    }
    rt_unlock(&lock);
    return (long)total;
}

void posix_flush(void)
{
    rt_lock(&lock);
    flush(&lines[0]);
    flush(&lines[1]);
    rt_unlock(&lock);
}

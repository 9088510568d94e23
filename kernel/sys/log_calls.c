/* log_write: a line of text from user space into the log. */
#include <kernel/log.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>

enum { LOG_WRITE_MAX = 200 };

/* What is not printable ASCII becomes '?': nothing a user writes can steer a terminal or forge a
 * line. */
static void make_printable(char *text, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
    }
}

enum status sys_log_write(const struct sys_log_write_args *args)
{
    char text[LOG_WRITE_MAX + 1];

    if (args->size_bytes == 0 || args->size_bytes > LOG_WRITE_MAX)
        return ERR_RANGE;
    enum status status = copy_from_user(text, args->text, args->size_bytes);
    if (status != OK)
        return status;
    make_printable(text, args->size_bytes);
    text[args->size_bytes] = '\0';
    log_info("%s", text);
    return OK;
}

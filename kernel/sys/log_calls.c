/* log_write: a line of text from user space into the log. */
#include <first_program.h>
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

enum status sys_log_write(struct thread *current, const struct syscall_args *args,
                          uint64_t *value_out)
{
    uint64_t handle = args->word[0];
    uint64_t size_bytes = args->word[2];
    char text[LOG_WRITE_MAX + 1];

    (void)value_out;
    if (handle != HANDLE_LOG || !current->vspace->log_allowed)
        return ERR_ACCESS;
    if (size_bytes == 0 || size_bytes > LOG_WRITE_MAX)
        return ERR_RANGE;
    enum status status = copy_from_user(text, uaddr(args->word[1]), size_bytes);
    if (status != OK)
        return status;
    make_printable(text, size_bytes);
    text[size_bytes] = '\0';
    log_info("%s", text);
    return OK;
}

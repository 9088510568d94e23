/* The log: lines made whole and harmless, and what of them the console shows. */
#include <base/fmt.h>
#include <base/string.h>
#include <kernel/cmdline.h>
#include <kernel/console.h>
#include <kernel/log.h>
#include <kernel/log_ring.h>

static enum log_level console_level = LOG_INFO;

static const char *const level_name[] = { "error", "warn", "info", "debug" };
static const char *const level_prefix[] = { "error: ", "warning: ", "", "" };

void log_line_clean(char *text, size_t length)
{
    bool cut = length > LOG_LINE_MAX;
    size_t end = cut ? LOG_LINE_MAX : length;
    while (!cut && end > 0 && text[end - 1] == '\n')
        end--;
    for (size_t i = 0; i < end; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = text[i] == '\t' ? ' ' : '?';
    }
    text[end] = '\0';
    if (cut)
        memcpy(text + end - 3, "...", 3);
}

/* The prefix goes in front, so that one console_write makes the line whole. */
void log_line(enum log_level level, const char *format, ...)
{
    char line[16 + LOG_LINE_MAX + 2];
    size_t prefix = strlcpy(line, level_prefix[level], sizeof(line));
    char *text = line + prefix;
    va_list args;

    va_start(args, format);
    log_line_clean(text, format_args(text, LOG_LINE_MAX + 1, format, args));
    va_end(args);
    log_keep(level, text);
    if (level <= READ_ONCE(console_level)) {
        size_t end = prefix + strlen(text);
        line[end] = '\n';
        console_write(line, end + 1);
    }
}

enum log_level log_set_console_level(enum log_level level)
{
    enum log_level before = READ_ONCE(console_level);
    WRITE_ONCE(console_level, level);
    return before;
}

void log_configure(void)
{
    char name[8];
    if (!cmdline_has("log"))
        return;
    if (cmdline_value("log", name, sizeof(name)) == OK) {
        for (unsigned level = 0; level < ARRAY_LEN(level_name); level++) {
            if (strcmp(name, level_name[level]) == 0) {
                log_set_console_level((enum log_level)level);
                return;
            }
        }
    }
    log_warn("log= must be one of error, warn, info, debug");
}

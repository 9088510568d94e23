/* The line editor: a state machine over characters (see shell_line.h). */
#if defined(CONFIG_SHELL) || defined(CONFIG_HOST)
#include "shell_line.h"
#include <base/compiler.h>
#include <base/string.h>

enum {
    KEY_CTRL_C = 0x03,
    KEY_CTRL_H = 0x08,
    KEY_CTRL_U = 0x15,
    KEY_ESCAPE = 0x1b,
    KEY_DELETE = 0x7f,
};

void shell_line_init(struct shell_line *line, void (*echo)(const char *text, size_t size_bytes))
{
    *line = (struct shell_line){ .echo = echo };
}

static void echo(const struct shell_line *line, const char *text)
{
    line->echo(text, strlen(text));
}

static void erase(struct shell_line *line, size_t count)
{
    for (; count > 0 && line->length > 0; count--) {
        line->text[--line->length] = '\0';
        echo(line, "\b \b");
    }
}

static void append(struct shell_line *line, char c)
{
    if (line->length + 1 == SHELL_LINE_MAX) {
        echo(line, "\a");
        return;
    }
    line->text[line->length++] = c;
    line->text[line->length] = '\0';
    line->echo(&c, 1);
}

static void show(struct shell_line *line, const char *text)
{
    erase(line, line->length);
    for (; *text != '\0'; text++)
        append(line, *text);
}

static char *history_slot(struct shell_line *line, size_t back)
{
    return line->history[(line->history_count - back) % SHELL_HISTORY_LINES];
}

static void history_up(struct shell_line *line)
{
    if (line->history_back < MIN(line->history_count, (size_t)SHELL_HISTORY_LINES))
        show(line, history_slot(line, ++line->history_back));
}

static void history_down(struct shell_line *line)
{
    if (line->history_back > 1)
        show(line, history_slot(line, --line->history_back));
    else if (line->history_back == 1) {
        line->history_back = 0;
        erase(line, line->length);
    }
}

/* Empty lines, and the same line twice, would only be in the way. */
static void history_add(struct shell_line *line)
{
    if (line->length == 0)
        return;
    if (line->history_count > 0 && strcmp(history_slot(line, 1), line->text) == 0)
        return;
    strlcpy(history_slot(line, 0), line->text, SHELL_LINE_MAX);
    line->history_count++;
}

static enum shell_line_event finish(struct shell_line *line, enum shell_line_event event)
{
    echo(line, event == SHELL_LINE_CANCELLED ? "^C\n" : "\n");
    if (event == SHELL_LINE_DONE)
        history_add(line);
    line->history_back = 0;
    line->finished = true;
    return event;
}

static enum shell_line_event feed_plain(struct shell_line *line, char c)
{
    bool after_return = line->after_return;
    line->after_return = c == '\r';
    switch (c) {
    case '\n':
        if (after_return)
            return SHELL_LINE_NONE; /* "\r\n" is one end */
        return finish(line, SHELL_LINE_DONE);
    case '\r':
        return finish(line, SHELL_LINE_DONE);
    case KEY_CTRL_C:
        return finish(line, SHELL_LINE_CANCELLED);
    case KEY_CTRL_U:
        erase(line, line->length);
        break;
    case KEY_CTRL_H:
    case KEY_DELETE:
        erase(line, 1);
        break;
    case KEY_ESCAPE:
        line->state = SHELL_LINE_ESCAPE;
        break;
    default:
        if (c >= ' ' && c < KEY_DELETE)
            append(line, c);
        break;
    }
    return SHELL_LINE_NONE;
}

enum shell_line_event shell_line_feed(struct shell_line *line, char c)
{
    bool second_end = line->after_return && c == '\n';
    if (line->finished && !second_end) {
        line->finished = false;
        line->length = 0;
        line->text[0] = '\0';
    }
    switch (line->state) {
    case SHELL_LINE_ESCAPE:
        line->state = c == '[' ? SHELL_LINE_SEQUENCE : SHELL_LINE_PLAIN;
        return SHELL_LINE_NONE;
    case SHELL_LINE_SEQUENCE:
        if (c < '@' || c > '~')
            return SHELL_LINE_NONE; /* a parameter */
        line->state = SHELL_LINE_PLAIN;
        if (c == 'A')
            history_up(line);
        else if (c == 'B')
            history_down(line);
        return SHELL_LINE_NONE;
    default:
        return feed_plain(line, c);
    }
}
#endif

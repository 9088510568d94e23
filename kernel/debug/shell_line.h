/* The line editor of the shell: characters in, echo and finished lines out. It knows nothing of the
 * serial port or of the commands.
 *
 * Keys: printable ASCII, backspace, enter, ctrl-u (erase the line), ctrl-c (give it up), arrow up
 * and down (history). Anything else is ignored; an escape sequence is swallowed whole.
 */
#pragma once

#if defined(CONFIG_TESTS) || defined(CONFIG_SHELL)
#include <stdbool.h>
#include <stddef.h>

enum { SHELL_LINE_MAX = 128, SHELL_HISTORY_LINES = 16 };

enum shell_line_event {
    SHELL_LINE_NONE,
    SHELL_LINE_DONE,     /* `text` holds the line; it is kept until the next character is fed */
    SHELL_LINE_CANCELLED /* ctrl-c */
};

enum shell_line_state { SHELL_LINE_PLAIN, SHELL_LINE_ESCAPE, SHELL_LINE_SEQUENCE };

struct shell_line {
    char text[SHELL_LINE_MAX]; /* always ended */
    size_t length;
    bool finished; /* the next character begins a new line */
    bool after_return;
    enum shell_line_state state;
    char history[SHELL_HISTORY_LINES][SHELL_LINE_MAX];
    size_t history_count; /* lines ever entered; the ring keeps the last ones */
    size_t history_back;  /* 0: the new line; n: n lines back */
    void (*echo)(const char *text, size_t size_bytes);
};

void shell_line_init(struct shell_line *line, void (*echo)(const char *text, size_t size_bytes));
enum shell_line_event shell_line_feed(struct shell_line *line, char c);
#endif

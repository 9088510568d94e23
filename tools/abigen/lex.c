/* Words of a table (see lex.h). Whatever the bytes are, the lexer ends: each step takes at least
 * one byte, names have a longest length, and texts a pool of fixed size.
 */
#include "lex.h"
#include <stdarg.h>
#include <string.h>

bool lex_failed(const struct lexer *lexer)
{
    return lexer->abi->message[0] != '\0';
}

bool lex_fail(struct lexer *lexer, unsigned line, const char *format, ...)
{
    struct abi *abi = lexer->abi;
    lexer->token = TOKEN_END;
    lexer->at = lexer->source->size_bytes;
    if (lex_failed(lexer))
        return false;
    int used =
        snprintf(abi->message, sizeof(abi->message), "%.200s:%u: ", lexer->source->path, line);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(abi->message + used, sizeof(abi->message) - (size_t)used, format, args);
    va_end(args);
    return false;
}

/* ---- Bytes ---- */

static int peek(const struct lexer *lexer, size_t ahead)
{
    size_t at = lexer->at + ahead;
    return at < lexer->source->size_bytes ? (unsigned char)lexer->source->text[at] : -1;
}

static int take(struct lexer *lexer)
{
    int c = peek(lexer, 0);
    lexer->at++;
    lexer->line += c == '\n';
    return c;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(int c)
{
    return is_name_start(c) || is_digit(c) || c == '_';
}

/* One byte more of the word that is being stored. */
static bool store(struct lexer *lexer, char c)
{
    struct abi *abi = lexer->abi;
    if (abi->pool_used == sizeof(abi->pool))
        return lex_fail(lexer, lexer->line, "the tables hold more text than fits");
    abi->pool[abi->pool_used++] = c;
    return true;
}

static char *store_start(const struct lexer *lexer)
{
    return lexer->abi->pool + lexer->abi->pool_used;
}

/* ---- Between words ---- */

/* A comment on one line heads the entries below it, up to a comment that is longer. */
static void skip_comment(struct lexer *lexer)
{
    unsigned start = lexer->line;
    char *text = store_start(lexer);
    lexer->at += 2;
    while (peek(lexer, 0) == ' ')
        lexer->at++;
    while (peek(lexer, 0) != '*' || peek(lexer, 1) != '/') {
        int c = take(lexer);
        if (c < 0) {
            lex_fail(lexer, start, "a comment without an end");
            return;
        }
        if (!store(lexer, (char)c))
            return;
    }
    lexer->at += 2;
    while (store_start(lexer) > text && store_start(lexer)[-1] == ' ')
        lexer->abi->pool_used--;
    if (store(lexer, '\0'))
        lexer->group = lexer->line == start ? text : NULL;
}

static void skip_space(struct lexer *lexer, bool over_lines)
{
    for (;;) {
        int c = peek(lexer, 0);
        if (c == '#') {
            while (peek(lexer, 0) >= 0 && peek(lexer, 0) != '\n')
                lexer->at++;
        } else if (c == '/' && peek(lexer, 1) == '*') {
            skip_comment(lexer);
        } else if (c == ' ' || c == '\t' || (c == '\n' && over_lines)) {
            (void)take(lexer);
        } else {
            return;
        }
    }
}

/* ---- Words ---- */

static void read_name(struct lexer *lexer)
{
    char *text = store_start(lexer);
    while (is_name(peek(lexer, 0)) && store(lexer, (char)peek(lexer, 0)))
        lexer->at++;
    if (lex_failed(lexer) || !store(lexer, '\0'))
        return;
    if (strlen(text) > ABI_NAME_MAX) {
        lex_fail(lexer, lexer->line, "a name of more than %d characters", ABI_NAME_MAX);
        return;
    }
    lexer->token = TOKEN_NAME;
    lexer->text = text;
}

static void read_number(struct lexer *lexer)
{
    uint64_t number = 0;
    while (is_digit(peek(lexer, 0))) {
        number = number * 10 + (uint64_t)(take(lexer) - '0');
        if (number > UINT32_MAX) {
            lex_fail(lexer, lexer->line, "a number that needs more than 32 bits");
            return;
        }
    }
    if (is_name(peek(lexer, 0))) {
        lex_fail(lexer, lexer->line, "numbers are decimal");
        return;
    }
    lexer->token = TOKEN_NUMBER;
    lexer->number = number;
}

/* What the texts may hold goes unchanged into C strings, C comments and Markdown. */
static bool is_text(const struct lexer *lexer)
{
    int c = peek(lexer, 0);
    bool ends_comment = (c == '*' && peek(lexer, 1) == '/') || (c == '/' && peek(lexer, 1) == '*');
    return c >= ' ' && c < 0x7f && c != '\\' && !ends_comment;
}

static bool read_piece(struct lexer *lexer)
{
    unsigned start = lexer->line;
    lexer->at++;
    while (peek(lexer, 0) != '"') {
        int c = peek(lexer, 0);
        if (c < 0 || c == '\n')
            return lex_fail(lexer, start, "a text without an end");
        if (!is_text(lexer))
            return lex_fail(lexer, start,
                            "a text holds what is not printable ASCII, a backslash, "
                            "or the edge of a comment");
        if (!store(lexer, (char)c))
            return false;
        lexer->at++;
    }
    lexer->at++;
    return true;
}

static void read_text(struct lexer *lexer)
{
    char *text = store_start(lexer);
    struct lexer after;
    do {
        if (!read_piece(lexer))
            return;
        after = *lexer;
        while (peek(&after, 0) == ' ' || peek(&after, 0) == '\t' || peek(&after, 0) == '\n')
            (void)take(&after);
        if (peek(&after, 0) == '"')
            *lexer = after;
    } while (peek(&after, 0) == '"');
    if (!store(lexer, '\0'))
        return;
    if (text[0] == '\0') {
        lex_fail(lexer, lexer->line, "an empty text");
        return;
    }
    lexer->token = TOKEN_TEXT;
    lexer->text = text;
}

static void read_other(struct lexer *lexer)
{
    int c = take(lexer);
    lexer->token = c == '\n' ? TOKEN_LINE : TOKEN_PUNCT;
    lexer->punct = (char)c;
    if (c < 0)
        lexer->token = TOKEN_END;
    else if (c != '\n' && c != '(' && c != ')' && c != ',')
        lex_fail(lexer, lexer->line, "the character %#x has no meaning here", (unsigned)c);
}

void lex_next(struct lexer *lexer)
{
    bool line_begins = lexer->token == TOKEN_LINE;
    skip_space(lexer, !lexer->lines_matter || line_begins);
    lexer->token_line = lexer->line;
    if (lex_failed(lexer))
        lexer->token = TOKEN_END;
    else if (is_name_start(peek(lexer, 0)))
        read_name(lexer);
    else if (is_digit(peek(lexer, 0)))
        read_number(lexer);
    else if (peek(lexer, 0) == '"')
        read_text(lexer);
    else
        read_other(lexer);
}

void lex_start(struct lexer *lexer, struct abi *abi, const struct abi_source *source,
               bool lines_matter)
{
    *lexer = (struct lexer){ .abi = abi, .source = source, .lines_matter = lines_matter };
    lexer->line = 1;
    lexer->token = TOKEN_LINE;
    lex_next(lexer);
}

/* ---- Taking ---- */

static bool expected(struct lexer *lexer, const char *what)
{
    return lex_fail(lexer, lexer->token_line, "expected %s", what);
}

bool lex_name(struct lexer *lexer, const char *what, const char **name_out)
{
    if (lexer->token != TOKEN_NAME)
        return expected(lexer, what);
    *name_out = lexer->text;
    lex_next(lexer);
    return true;
}

bool lex_number(struct lexer *lexer, const char *what, uint64_t *number_out)
{
    if (lexer->token != TOKEN_NUMBER)
        return expected(lexer, what);
    *number_out = lexer->number;
    lex_next(lexer);
    return true;
}

bool lex_text(struct lexer *lexer, const char *what, const char **text_out)
{
    if (lexer->token != TOKEN_TEXT)
        return expected(lexer, what);
    *text_out = lexer->text;
    lex_next(lexer);
    return true;
}

bool lex_punct(struct lexer *lexer, char punct)
{
    char what[] = { '\'', punct, '\'', '\0' };
    if (lexer->token != TOKEN_PUNCT || lexer->punct != punct)
        return expected(lexer, what);
    lex_next(lexer);
    return true;
}

bool lex_line_end(struct lexer *lexer)
{
    if (lex_failed(lexer))
        return false;
    if (lexer->token == TOKEN_END)
        return true;
    if (lexer->token != TOKEN_LINE)
        return expected(lexer, "the end of the line");
    lex_next(lexer);
    return true;
}

bool lex_keyword(struct lexer *lexer, const char *keyword)
{
    if (lexer->token != TOKEN_NAME || strcmp(lexer->text, keyword) != 0)
        return false;
    lex_next(lexer);
    return true;
}

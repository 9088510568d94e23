/* Words of a table. One lexer serves both forms: C-like .def files, where line ends mean nothing,
 * and .abi files, where an entry is a line. Comments are C's, or from # to the end of a line.
 */
#pragma once

#include "abigen.h"

enum token {
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_TEXT,  /* "..."; further ones after it, on the next lines too, are joined to it */
    TOKEN_PUNCT, /* one of ( ) , */
    TOKEN_LINE,  /* the end of a line that had something on it; .abi only */
    TOKEN_END,   /* of the table, or it is broken */
};

struct lexer {
    struct abi *abi;
    const struct abi_source *source;
    bool lines_matter;
    bool in_protocol; /* messages, not system calls */
    size_t at;
    unsigned line;

    enum token token; /* what stands here, not taken yet */
    unsigned token_line;
    const char *text; /* NAME, TEXT */
    uint64_t number;
    char punct;
    const char *group; /* the last comment that was a line of its own length, or NULL */
};

void lex_start(struct lexer *lexer, struct abi *abi, const struct abi_source *source,
               bool lines_matter);
void lex_next(struct lexer *lexer);

/* The first message wins; afterwards there is only TOKEN_END. Always false. */
__attribute__((format(printf, 3, 4))) bool lex_fail(struct lexer *lexer, unsigned line,
                                                    const char *format, ...);
bool lex_failed(const struct lexer *lexer);

/* Take one word of the kind, or fail. */
bool lex_name(struct lexer *lexer, const char *what, const char **name_out);
bool lex_number(struct lexer *lexer, const char *what, uint64_t *number_out);
bool lex_text(struct lexer *lexer, const char *what, const char **text_out);
bool lex_punct(struct lexer *lexer, char punct);
bool lex_line_end(struct lexer *lexer);
/* Take this very name if it stands here. */
bool lex_keyword(struct lexer *lexer, const char *keyword);

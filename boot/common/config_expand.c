/* The macros of limine.conf: `${NAME}=text` at the start of a line defines one for the whole file,
 * `${NAME}` anywhere else stands for its text, and an undefined one for nothing.
 */

#include "config_impl.h"

#include <base/string.h>

enum { MACRO_MAX = 16 };

struct macro {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
};

struct macros {
    size_t count;
    struct macro macro[MACRO_MAX];
};

static size_t line_length(const char *at, const char *end)
{
    size_t length = 0;
    while (at + length < end && at[length] != '\n')
        length++;
    return length;
}

static bool starts_macro(const char *at, const char *end)
{
    return end - at >= 2 && at[0] == '$' && at[1] == '{';
}

/* Split `${NAME}=value` in a line. */
static bool macro_definition(const char *line, size_t length, struct macro *macro_out)
{
    size_t close = 2;
    if (!starts_macro(line, line + length))
        return false;
    while (close < length && line[close] != '}')
        close++;
    if (close + 1 >= length || line[close + 1] != '=')
        return false;
    size_t value = close + 2;
    size_t end = length;
    if (end > value && line[end - 1] == '\r')
        end--;
    *macro_out = (struct macro){ line + 2, close - 2, line + value, end - value };
    return true;
}

static enum status macros_collect(struct macros *macros, const char *text, const char *end)
{
    while (text < end) {
        struct macro macro;
        size_t length = line_length(text, end);
        if (macro_definition(text, length, &macro)) {
            if (macros->count == MACRO_MAX)
                return ERR_LIMIT;
            macros->macro[macros->count++] = macro;
        }
        text += length + 1;
    }
    return OK;
}

/* The last definition wins. */
static const struct macro *macros_find(const struct macros *macros, const char *name, size_t length)
{
    for (size_t i = macros->count; i-- > 0;) {
        const struct macro *macro = &macros->macro[i];
        if (macro->name_length == length && memcmp(macro->name, name, length) == 0)
            return macro;
    }
    return NULL;
}

struct output {
    char *at;
    char *end;
};

static bool output_put(struct output *out, const char *text, size_t length)
{
    if ((size_t)(out->end - out->at) < length)
        return false;
    if (length > 0)
        memcpy(out->at, text, length);
    out->at += length;
    return true;
}

static enum status expand_line(const struct macros *macros, const char *line, size_t length,
                               struct output *out)
{
    for (size_t i = 0; i < length;) {
        if (!starts_macro(line + i, line + length)) {
            if (!output_put(out, line + i++, 1))
                return ERR_LIMIT;
            continue;
        }
        size_t name = i + 2, close = name;
        while (close < length && line[close] != '}')
            close++;
        if (close == length)
            return ERR_FORMAT;
        const struct macro *macro = macros_find(macros, line + name, close - name);
        if (macro != NULL && !output_put(out, macro->value, macro->value_length))
            return ERR_LIMIT;
        i = close + 1;
    }
    return OK;
}

enum status config_expand(const char *text, size_t size_bytes, const char *arch, char *work,
                          size_t *length_out)
{
    const char *end = text + size_bytes;
    struct output out = { work, work + CONFIG_WORK_BYTES(size_bytes) - 1 };
    struct macros macros = { 1, { { "ARCH", 4, arch, strlen(arch) } } };

    enum status status = macros_collect(&macros, text, end);
    while (text < end && status == OK) {
        struct macro definition;
        size_t length = line_length(text, end);
        if (!macro_definition(text, length, &definition))
            status = expand_line(&macros, text, length, &out);
        if (status == OK && text + length < end && !output_put(&out, "\n", 1))
            status = ERR_LIMIT;
        text += length + 1;
    }
    *out.at = 0;
    *length_out = (size_t)(out.at - work);
    return status;
}

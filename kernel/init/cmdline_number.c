/* Numbers on the command line, and in the shell: only tests and commands take any. */
#if defined(CONFIG_TESTS) || defined(CONFIG_SHELL)
#include <base/checked.h>
#include <kernel/boot_info.h>

#include "cmdline_impl.h"

static bool digit_value(char c, unsigned base, unsigned *value_out)
{
    unsigned value;
    if (c >= '0' && c <= '9')
        value = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
        value = (unsigned)(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
        value = (unsigned)(c - 'A') + 10;
    else
        return false;
    *value_out = value;
    return value < base;
}

enum status cmdline_parse_number(const char *text, size_t length, uint64_t *value_out)
{
    unsigned base = 10;
    if (length > 2 && text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
        length -= 2;
    }
    if (length == 0)
        return ERR_FORMAT;
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit;
        if (!digit_value(text[i], base, &digit))
            return ERR_FORMAT;
        if (!checked_mul_u64(value, base, &value) || !checked_add_u64(value, digit, &value))
            return ERR_RANGE;
    }
    *value_out = value;
    return OK;
}

enum status cmdline_number(const char *name, uint64_t *value_out)
{
    size_t length;
    const char *text = cmdline_find(boot_info.cmdline, name, &length);
    if (text == NULL)
        return ERR_NOT_FOUND;
    return cmdline_parse_number(text, length, value_out);
}
#endif

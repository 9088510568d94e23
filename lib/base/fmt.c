#include <base/fmt.h>
#include <base/string.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the text goes. Counts on after the room is used up. */
struct sink {
    char *to;
    size_t size_bytes;
    size_t length;
};

/* long long, size_t, ptrdiff_t and intmax_t are one size everywhere. long is that size too, except
 * in UEFI applications, where it is int's.
 */
enum length { LENGTH_INT, LENGTH_CHAR, LENGTH_SHORT, LENGTH_LONG_LONG };
enum { LONG_LENGTH = sizeof(long) == sizeof(int) ? LENGTH_INT : LENGTH_LONG_LONG };
static_assert(sizeof(size_t) == sizeof(long long) && sizeof(intmax_t) == sizeof(long long) &&
                  (sizeof(long) == sizeof(long long) || sizeof(long) == sizeof(int)),
              "two sizes");

struct spec {
    bool left;
    bool zero;
    bool alternate;
    char sign; /* what stands before a number that is not negative; 0: nothing */
    bool precise;
    size_t width;
    size_t precision;
    enum length length;
};

/* An int of decimal digits: enough for any width that makes sense. */
enum { WIDTH_MAX = 4096, DIGITS_MAX = 20 };

static void sink_put(struct sink *sink, char c)
{
    if (sink->length + 1 < sink->size_bytes)
        sink->to[sink->length] = c;
    sink->length++;
}

static void sink_repeat(struct sink *sink, char c, size_t count)
{
    for (; count > 0; count--)
        sink_put(sink, c);
}

static void sink_write(struct sink *sink, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        sink_put(sink, text[i]);
}

/* `prefix` (sign, 0x), zeros, text: padded to the width on the side that the flags say. */
static void sink_field(struct sink *sink, const struct spec *spec, const char *prefix, size_t zeros,
                       const char *text, size_t length)
{
    size_t prefix_length = strlen(prefix);
    size_t used = prefix_length + zeros + length;
    size_t padding = spec->width > used ? spec->width - used : 0;
    if (!spec->left)
        sink_repeat(sink, ' ', padding);
    sink_write(sink, prefix, prefix_length);
    sink_repeat(sink, '0', zeros);
    sink_write(sink, text, length);
    if (spec->left)
        sink_repeat(sink, ' ', padding);
}

static void sink_number(struct sink *sink, const struct spec *spec, const char *prefix,
                        uint64_t value, unsigned base, const char *digits)
{
    char text[DIGITS_MAX];
    size_t start = sizeof(text);
    for (uint64_t rest = value; rest > 0; rest /= base)
        text[--start] = digits[rest % base];

    size_t length = sizeof(text) - start;
    size_t wanted = spec->precise ? spec->precision : 1;
    if (!spec->precise && spec->zero && !spec->left) {
        size_t prefix_length = strlen(prefix);
        wanted = MAX(wanted, spec->width > prefix_length ? spec->width - prefix_length : 0);
    }
    sink_field(sink, spec, prefix, wanted > length ? wanted - length : 0, text + start, length);
}

static void sink_signed(struct sink *sink, const struct spec *spec, int64_t value)
{
    const char prefix[2] = { (char)(value < 0 ? '-' : spec->sign), '\0' };
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    sink_number(sink, spec, prefix, magnitude, 10, "0123456789");
}

static void sink_hex(struct sink *sink, const struct spec *spec, uint64_t value, char conversion)
{
    bool upper = conversion == 'X';
    const char *prefix = spec->alternate && value != 0 ? (upper ? "0X" : "0x") : "";
    sink_number(sink, spec, prefix, value, 16, upper ? "0123456789ABCDEF" : "0123456789abcdef");
}

static void sink_text(struct sink *sink, const struct spec *spec, const char *text)
{
    if (text == NULL)
        text = "(null)";
    size_t length = spec->precise ? strnlen(text, spec->precision) : strlen(text);
    sink_field(sink, spec, "", 0, text, length);
}

static size_t parse_count(const char **at)
{
    size_t count = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        count = MIN(count * 10 + (size_t)(**at - '0'), (size_t)WIDTH_MAX);
    return count;
}

static void parse_flags(struct spec *spec, const char **at)
{
    for (;; (*at)++) {
        switch (**at) {
        case '-':
            spec->left = true;
            break;
        case '0':
            spec->zero = true;
            break;
        case '#':
            spec->alternate = true;
            break;
        case '+':
            spec->sign = '+';
            break;
        case ' ':
            if (spec->sign == '\0')
                spec->sign = ' ';
            break;
        default:
            return;
        }
    }
}

/* NOLINTBEGIN(clang-analyzer-valist.Uninitialized): the analyzer cannot follow a pointer to a
 * va_list, which is the portable way to let helpers take arguments in turn.
 */
static void parse_width(struct spec *spec, const char **at, va_list *args)
{
    if (**at != '*') {
        spec->width = parse_count(at);
        return;
    }
    (*at)++;
    int width = va_arg(*args, int);
    if (width < 0)
        spec->left = true;
    spec->width = MIN((size_t)(width < 0 ? -(int64_t)width : width), (size_t)WIDTH_MAX);
}

static void parse_precision(struct spec *spec, const char **at, va_list *args)
{
    if (**at != '.')
        return;
    (*at)++;
    spec->precise = true;
    if (**at != '*') {
        spec->precision = parse_count(at);
        return;
    }
    (*at)++;
    int precision = va_arg(*args, int);
    spec->precise = precision >= 0;
    spec->precision = precision < 0 ? 0 : (size_t)precision;
}

static enum length parse_length(const char **at)
{
    char c = **at;
    bool doubled = c != '\0' && (*at)[1] == c;
    switch (c) {
    case 'h':
        *at += doubled ? 2 : 1;
        return doubled ? LENGTH_CHAR : LENGTH_SHORT;
    case 'l':
        *at += doubled ? 2 : 1;
        return doubled ? LENGTH_LONG_LONG : (enum length)LONG_LENGTH;
    case 'z':
    case 't':
    case 'j':
        (*at)++;
        return LENGTH_LONG_LONG;
    default:
        return LENGTH_INT;
    }
}

static int64_t take_signed(enum length length, va_list *args)
{
    switch (length) {
    case LENGTH_CHAR:
        return (signed char)va_arg(*args, int);
    case LENGTH_SHORT:
        return (short)va_arg(*args, int);
    case LENGTH_LONG_LONG:
        return (int64_t)va_arg(*args, long long);
    default:
        return va_arg(*args, int);
    }
}

static uint64_t take_unsigned(enum length length, va_list *args)
{
    switch (length) {
    case LENGTH_CHAR:
        return (unsigned char)va_arg(*args, unsigned);
    case LENGTH_SHORT:
        return (unsigned short)va_arg(*args, unsigned);
    case LENGTH_LONG_LONG:
        return (uint64_t)va_arg(*args, unsigned long long);
    default:
        return va_arg(*args, unsigned);
    }
}

/* One conversion. False if it is not in the subset. */
static bool convert(struct sink *sink, struct spec *spec, char conversion, va_list *args)
{
    switch (conversion) {
    case '%':
        sink_put(sink, '%');
        return true;
    case 'c': {
        char c = (char)va_arg(*args, int);
        sink_field(sink, spec, "", 0, &c, 1);
        return true;
    }
    case 's':
        sink_text(sink, spec, va_arg(*args, const char *));
        return true;
    case 'd':
    case 'i':
        sink_signed(sink, spec, take_signed(spec->length, args));
        return true;
    case 'u':
        sink_number(sink, spec, "", take_unsigned(spec->length, args), 10, "0123456789");
        return true;
    case 'x':
    case 'X':
        sink_hex(sink, spec, take_unsigned(spec->length, args), conversion);
        return true;
    case 'p':
        sink_number(sink, spec, "0x", (uint64_t)(uintptr_t)va_arg(*args, void *), 16,
                    "0123456789abcdef");
        return true;
    default:
        return false;
    }
}

/* NOLINTEND(clang-analyzer-valist.Uninitialized) */

size_t format_args(char *to, size_t size_bytes, const char *format, va_list args)
{
    struct sink sink = { .to = to, .size_bytes = size_bytes };
    va_list rest; /* a copy, because a va_list parameter may be an array, of which none takes & */
    va_copy(rest, args);
    for (const char *at = format; *at != '\0';) {
        const char *start = at;
        if (*at++ != '%') {
            sink_put(&sink, *start);
            continue;
        }
        struct spec spec = { .left = false };
        parse_flags(&spec, &at);
        parse_width(&spec, &at, &rest);
        parse_precision(&spec, &at, &rest);
        spec.length = parse_length(&at);
        if (*at == '\0' || !convert(&sink, &spec, *at, &rest)) {
            sink_write(&sink, start, strlen(start));
            break; /* what the arguments are is unknown from here on */
        }
        at++;
    }
    va_end(rest);
    if (size_bytes > 0)
        to[MIN(sink.length, size_bytes - 1)] = '\0';
    return sink.length;
}

size_t format_text(char *to, size_t size_bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = format_args(to, size_bytes, format, args);
    va_end(args);
    return length;
}

/* Freestanding memory and text functions: word by word, no vector registers, no string
 * instructions, so they cost the same on every CPU and are safe where the vector unit is off.
 */
#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

#include "string_impl.h"

/* Eight bytes, wherever they lie: both architectures load and store unaligned words in RAM. */
struct PACKED word {
    uint64_t raw;
} __attribute__((may_alias));

enum { WORD = sizeof(struct word), GROUP = 4 * WORD };

static inline void word_copy(unsigned char *to, const unsigned char *from)
{
    ((struct word *)(void *)to)->raw = ((const struct word *)(const void *)from)->raw;
}

/* Four words, all read before one is written. */
static inline void group_copy(unsigned char *to, const unsigned char *from)
{
    const struct word *source = (const struct word *)(const void *)from;
    struct word *target = (struct word *)(void *)to;
    uint64_t a = source[0].raw;
    uint64_t b = source[1].raw;
    uint64_t c = source[2].raw;
    uint64_t d = source[3].raw;
    target[0].raw = a;
    target[1].raw = b;
    target[2].raw = c;
    target[3].raw = d;
}

/* Upwards: right also for overlap if `to` lies below `from`. A group is read before it is written.
 */
static inline void copy_up(unsigned char *to, const unsigned char *from, size_t size_bytes)
{
    for (; size_bytes >= GROUP; size_bytes -= GROUP, to += GROUP, from += GROUP)
        group_copy(to, from);
    for (; size_bytes >= WORD; size_bytes -= WORD, to += WORD, from += WORD)
        word_copy(to, from);
    for (; size_bytes > 0; size_bytes--)
        *to++ = *from++;
}

static inline void copy_down(unsigned char *to, const unsigned char *from, size_t size_bytes)
{
    for (; size_bytes >= GROUP; size_bytes -= GROUP)
        group_copy(to + size_bytes - GROUP, from + size_bytes - GROUP);
    for (; size_bytes >= WORD; size_bytes -= WORD)
        word_copy(to + size_bytes - WORD, from + size_bytes - WORD);
    for (; size_bytes > 0; size_bytes--)
        to[size_bytes - 1] = from[size_bytes - 1];
}

void *memcpy(void *restrict to, const void *restrict from, size_t size_bytes)
{
    copy_up(to, from, size_bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t size_bytes)
{
    if ((uintptr_t)to <= (uintptr_t)from)
        copy_up(to, from, size_bytes);
    else
        copy_down(to, from, size_bytes);
    return to;
}

void *memset(void *to, int byte, size_t size_bytes)
{
    unsigned char *at = to;
    uint64_t pattern = (unsigned char)byte * 0x0101010101010101ULL;
    for (; size_bytes >= 2ul * GROUP; size_bytes -= 2ul * GROUP, at += 2ul * GROUP) {
        struct word *word = (struct word *)(void *)at;
        word[0].raw = pattern, word[1].raw = pattern, word[2].raw = pattern, word[3].raw = pattern;
        word[4].raw = pattern, word[5].raw = pattern, word[6].raw = pattern, word[7].raw = pattern;
    }
    for (; size_bytes >= WORD; size_bytes -= WORD, at += WORD)
        ((struct word *)(void *)at)->raw = pattern;
    for (; size_bytes > 0; size_bytes--)
        *at++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size_bytes)
{
    const unsigned char *left = a;
    const unsigned char *right = b;
    for (; size_bytes >= WORD; size_bytes -= WORD, left += WORD, right += WORD) {
        if (((const struct word *)(const void *)left)->raw !=
            ((const struct word *)(const void *)right)->raw)
            break; /* the bytes below tell which way */
    }
    for (; size_bytes > 0; size_bytes--, left++, right++) {
        if (*left != *right)
            return *left < *right ? -1 : 1;
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    return length;
}

size_t strnlen(const char *text, size_t max)
{
    size_t length = 0;
    while (length < max && text[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t max)
{
    for (size_t i = 0; i < max; i++) {
        unsigned char left = (unsigned char)a[i];
        unsigned char right = (unsigned char)b[i];
        if (left != right)
            return left < right ? -1 : 1;
        if (left == '\0')
            return 0;
    }
    return 0;
}

char *strchr(const char *text, int c)
{
    for (;; text++) {
        if (*text == (char)c)
            return (char *)(uintptr_t)text;
        if (*text == '\0')
            return NULL;
    }
}

size_t strlcpy(char *restrict to, const char *restrict from, size_t size_bytes)
{
    size_t length = strlen(from);
    if (size_bytes > 0) {
        size_t copied = MIN(length, size_bytes - 1);
        memcpy(to, from, copied);
        to[copied] = '\0';
    }
    return length;
}

#include <rt/pages.h>

enum { WORD_BITS = 64 };

bool pages_get(const struct pages *pages, size_t index)
{
    return (pages->word[index / WORD_BITS] >> (index % WORD_BITS) & 1) != 0;
}

/* The bits of one word that [first, first + count) has in it. */
static uint64_t mask_in_word(size_t first, size_t count)
{
    size_t from = first % WORD_BITS;
    size_t in_word = count < WORD_BITS - from ? count : WORD_BITS - from;
    return (in_word == WORD_BITS ? UINT64_MAX : ((uint64_t)1 << in_word) - 1) << from;
}

void pages_set(struct pages *pages, size_t first, size_t count, bool value)
{
    if (!value && count > 0 && first < pages->hint)
        pages->hint = first;
    while (count > 0) {
        uint64_t mask = mask_in_word(first, count);
        uint64_t *word = &pages->word[first / WORD_BITS];
        *word = value ? *word | mask : *word & ~mask;
        size_t done = (size_t)__builtin_popcountll(mask);
        first += done;
        count -= done;
    }
}

size_t pages_run(const struct pages *pages, size_t first, size_t end)
{
    uint64_t same = pages_get(pages, first) ? UINT64_MAX : 0;
    for (size_t at = first; at < end; at += WORD_BITS - at % WORD_BITS) {
        uint64_t others = (pages->word[at / WORD_BITS] ^ same) >> (at % WORD_BITS);
        if (others != 0) {
            size_t length = at + (size_t)__builtin_ctzll(others) - first;
            return length < end - first ? length : end - first;
        }
    }
    return end - first;
}

bool pages_take(struct pages *pages, size_t wanted, size_t *first_out)
{
    if (wanted == 0)
        return false;
    bool below_is_full = true;
    for (size_t at = pages->hint; at < pages->count && wanted <= pages->count - at;) {
        size_t end = at + wanted;
        size_t length = pages_run(pages, at, pages_get(pages, at) ? pages->count : end);
        if (!pages_get(pages, at)) {
            if (length == wanted) {
                pages_set(pages, at, wanted, true);
                if (below_is_full)
                    pages->hint = end;
                *first_out = at;
                return true;
            }
            if (below_is_full)
                pages->hint = at;
            below_is_full = false;
        }
        at += length;
    }
    return false;
}

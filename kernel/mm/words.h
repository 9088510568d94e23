/* Memory as 64-bit words: pages and slab objects, which are aligned to them.
 * Filling: the unrolled body keeps the cost near one instruction a word, which is most of what a
 * zeroed page costs.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The first that is not zero, or `end`; in tables many in a row are zero. */
static inline uint64_t *words_skip_zero(uint64_t *word, uint64_t *end)
{
    while (end - word >= 8 &&
           (word[0] | word[1] | word[2] | word[3] | word[4] | word[5] | word[6] | word[7]) == 0)
        word += 8;
    while (word < end && *word == 0)
        word++;
    return word;
}

static inline void words_fill(void *memory, size_t size_bytes, uint64_t value)
{
    uint64_t *word = memory;
    uint64_t *end = word + size_bytes / sizeof(*word);

    for (; end - word >= 32; word += 32) {
        word[0] = value, word[1] = value, word[2] = value, word[3] = value;
        word[4] = value, word[5] = value, word[6] = value, word[7] = value;
        word[8] = value, word[9] = value, word[10] = value, word[11] = value;
        word[12] = value, word[13] = value, word[14] = value, word[15] = value;
        word[16] = value, word[17] = value, word[18] = value, word[19] = value;
        word[20] = value, word[21] = value, word[22] = value, word[23] = value;
        word[24] = value, word[25] = value, word[26] = value, word[27] = value;
        word[28] = value, word[29] = value, word[30] = value, word[31] = value;
    }
    while (word < end)
        *word++ = value;
}

#include <base/compiler.h>
#include <base/string.h>
#include <rt/random.h>

enum {
    BLOCK_BYTES = 64,
    BLOCK_WORDS = BLOCK_BYTES / 4,
    KEY_WORDS = RANDOM_SEED_BYTES / 4,
    DOUBLE_ROUNDS = 10,
};

static inline uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static void quarter_round(uint32_t x[BLOCK_WORDS], unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

static void block(const uint32_t key[KEY_WORDS], uint32_t counter, uint8_t to[BLOCK_BYTES])
{
    uint32_t start[BLOCK_WORDS] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    memcpy(&start[4], key, RANDOM_SEED_BYTES);
    start[12] = counter;
    uint32_t x[BLOCK_WORDS];
    memcpy(x, start, sizeof(x));
    for (unsigned i = 0; i < DOUBLE_ROUNDS; i++) {
        for (unsigned column = 0; column < 4; column++)
            quarter_round(x, column, 4 + column, 8 + column, 12 + column);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < BLOCK_WORDS; i++)
        x[i] += start[i];
    memcpy(to, x, sizeof(x));
}

/* The first half of the first block is the next key; what follows is given out, and what is left of
 * the last block is the first that is given out next.
 */
static void take_new(struct random_state *state, uint8_t *to, size_t size_bytes)
{
    uint32_t key[KEY_WORDS];
    memcpy(key, state->key, sizeof(key));
    uint8_t bytes[BLOCK_BYTES];
    block(key, 0, bytes);
    memcpy(state->key, bytes, sizeof(state->key));

    size_t used = RANDOM_SEED_BYTES;
    for (uint32_t counter = 1;; counter++) {
        size_t part = MIN(size_bytes, BLOCK_BYTES - used);
        memcpy(to, bytes + used, part);
        to += part;
        used += part;
        size_bytes -= part;
        if (size_bytes == 0)
            break;
        block(key, counter, bytes);
        used = 0;
    }
    state->ready_count = (uint32_t)MIN(BLOCK_BYTES - used, sizeof(state->ready));
    memcpy(state->ready, bytes + BLOCK_BYTES - sizeof(state->ready), sizeof(state->ready));
    memset(state->ready, 0, sizeof(state->ready) - state->ready_count);
    memset(bytes, 0, sizeof(bytes));
    memset(key, 0, sizeof(key));
    /* Both are dead here: keep the compiler from dropping the two lines above. */
    __asm__ volatile("" : : "r"(bytes), "r"(key) : "memory");
}

/* What is ready was made from the seed before. */
void random_stir(struct random_state *state, const uint8_t seed[RANDOM_SEED_BYTES])
{
    uint32_t words[KEY_WORDS];
    memcpy(words, seed, sizeof(words));
    for (unsigned i = 0; i < KEY_WORDS; i++)
        state->key[i] ^= words[i];
    uint8_t none[1];
    take_new(state, none, 0);
    memset(state->ready, 0, sizeof(state->ready));
    state->ready_count = 0;
}

void random_take(struct random_state *state, void *to, size_t size_bytes)
{
    if (size_bytes > state->ready_count) {
        take_new(state, to, size_bytes);
        return;
    }
    uint8_t *from = state->ready + sizeof(state->ready) - state->ready_count;
    memcpy(to, from, size_bytes);
    memset(from, 0, size_bytes);
    state->ready_count -= (uint32_t)size_bytes;
}

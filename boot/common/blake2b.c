/* BLAKE2b (RFC 7693, section 3). */

#include <base/bytes.h>
#include <base/string.h>
#include <boot/blake2b.h>

enum { BLOCK_BYTES = 128, ROUNDS = 12 };

/* The fractional parts of the square roots of the first eight primes, as in SHA-512. */
static const uint64_t initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* Which message word goes where; rounds 10 and 11 begin again. */
static const uint8_t schedule[10][16] = {
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    { 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
    { 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
    { 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
    { 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
    { 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
    { 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
    { 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
    { 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
    { 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

static uint64_t rotate(uint64_t word, unsigned count)
{
    return word >> count | word << (64 - count);
}

static void mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, uint64_t x, uint64_t y)
{
    *a += *b + x;
    *d = rotate(*d ^ *a, 32);
    *c += *d;
    *b = rotate(*b ^ *c, 24);
    *a += *b + y;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 63);
}

/* Written out: with constant indices most of `v` stays in registers, on either architecture. */
static inline void mix_all(uint64_t v[16], const uint64_t word[16], const uint8_t s[16])
{
    mix(&v[0], &v[4], &v[8], &v[12], word[s[0]], word[s[1]]);
    mix(&v[1], &v[5], &v[9], &v[13], word[s[2]], word[s[3]]);
    mix(&v[2], &v[6], &v[10], &v[14], word[s[4]], word[s[5]]);
    mix(&v[3], &v[7], &v[11], &v[15], word[s[6]], word[s[7]]);
    mix(&v[0], &v[5], &v[10], &v[15], word[s[8]], word[s[9]]);
    mix(&v[1], &v[6], &v[11], &v[12], word[s[10]], word[s[11]]);
    mix(&v[2], &v[7], &v[8], &v[13], word[s[12]], word[s[13]]);
    mix(&v[3], &v[4], &v[9], &v[14], word[s[14]], word[s[15]]);
}

/* `count` is how many bytes are in, this block's included. */
static void compress(uint64_t state[8], const uint8_t *block, uint64_t count, uint64_t last)
{
    uint64_t v[16], word[16];
    for (unsigned i = 0; i < 8; i++) {
        v[i] = state[i];
        v[i + 8] = initial[i];
    }
    v[12] ^= count;
    v[14] ^= last;
    for (unsigned i = 0; i < 16; i++)
        word[i] = load_le64(block + (size_t)i * 8);

    for (unsigned round = 0; round < ROUNDS; round++)
        mix_all(v, word, schedule[round % 10]);
    for (unsigned i = 0; i < 8; i++)
        state[i] ^= v[i] ^ v[i + 8];
}

void blake2b(const void *data, size_t size_bytes, uint8_t digest[BLAKE2B_BYTES])
{
    const uint8_t *at = data;
    uint64_t state[8];
    size_t left = size_bytes;
    uint8_t tail[BLOCK_BYTES] = { 0 };

    memcpy(state, initial, sizeof(state));
    state[0] ^= 0x01010000 ^ BLAKE2B_BYTES; /* sequential, no key, length of the digest */
    for (; left > BLOCK_BYTES; at += BLOCK_BYTES, left -= BLOCK_BYTES)
        compress(state, at, size_bytes - left + BLOCK_BYTES, 0);
    if (left > 0)
        memcpy(tail, at, left);
    compress(state, tail, size_bytes, UINT64_MAX);
    memcpy(digest, state, BLAKE2B_BYTES); /* little endian, as both CPUs are */
}

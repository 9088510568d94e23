/* SHA-256 (FIPS 180-4, section 6.2). Whole words, the rounds unrolled by eight so that the working
 * variables rotate by name and not by copying: digesting a module is the loader's longest loop.
 */

#include <base/bytes.h>
#include <base/string.h>
#include <digest/sha256.h>

static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate(uint32_t word, unsigned count)
{
    return word >> count | word << (32 - count);
}

/* The sums of three rotations, by two and eleven and nine more, or six and five and fourteen more.
 */
#define SUM_A(a) rotate(rotate(rotate(a, 9) ^ (a), 11) ^ (a), 2)
#define SUM_E(e) rotate(rotate(rotate(e, 14) ^ (e), 5) ^ (e), 6)

/* One round: d and h change, the others take new names in the next one. The majority of a, b and c
 * is b where b and c are equal, else a; `b_c`, where they differ, is the last round's a and b. */
#define ROUND(a, b, c, d, e, f, g, h, at)                                                          \
    do {                                                                                           \
        uint32_t t = (h) + SUM_E(e) + ((g) ^ ((e) & ((f) ^ (g)))) + round_constant[at] + w[at];    \
        uint32_t a_b = (a) ^ (b);                                                                  \
        (d) += t;                                                                                  \
        (h) = t + SUM_A(a) + ((b) ^ (a_b & b_c));                                                  \
        b_c = a_b;                                                                                 \
    } while (0)

static void sha256_schedule(uint32_t w[64], const uint8_t *block)
{
    for (unsigned i = 0; i < 16; i++)
        w[i] = load_be32(block + (size_t)i * 4);
    for (unsigned i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] +
               (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
    }
}

static void sha256_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    uint32_t b_c = b ^ c;

    sha256_schedule(w, block);
    for (unsigned i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void store_be32(uint8_t *at, uint32_t word)
{
    word = __builtin_bswap32(word);
    memcpy(at, &word, sizeof(word));
}

void sha256_begin(struct sha256 *hash)
{
    *hash = (struct sha256){ .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                        0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

void sha256_add(struct sha256 *hash, const void *data, size_t size_bytes)
{
    const uint8_t *at = data;
    size_t held = hash->size_bytes % 64;
    hash->size_bytes += size_bytes;
    if (held != 0) {
        size_t part = size_bytes < 64 - held ? size_bytes : 64 - held;
        if (part != 0)
            memcpy(hash->block + held, at, part);
        at += part;
        size_bytes -= part;
        if (held + part < 64)
            return;
        sha256_block(hash->state, hash->block);
    }
    for (; size_bytes >= 64; at += 64, size_bytes -= 64)
        sha256_block(hash->state, at);
    if (size_bytes != 0)
        memcpy(hash->block, at, size_bytes);
}

/* A one bit, zeroes, and the length in bits: one block or two. */
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES])
{
    uint8_t tail[128] = { 0 };
    size_t held = hash->size_bytes % 64;
    size_t tail_bytes = held < 56 ? 64 : 128;
    uint64_t bits = hash->size_bytes * 8;
    memcpy(tail, hash->block, held);
    tail[held] = 0x80;
    store_be32(tail + tail_bytes - 8, (uint32_t)(bits >> 32));
    store_be32(tail + tail_bytes - 4, (uint32_t)bits);
    for (size_t i = 0; i < tail_bytes; i += 64)
        sha256_block(hash->state, tail + i);
    for (unsigned i = 0; i < 8; i++)
        store_be32(digest + (size_t)i * 4, hash->state[i]);
}

void sha256(const void *data, size_t size_bytes, uint8_t digest[SHA256_BYTES])
{
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, data, size_bytes);
    sha256_end(&hash, digest);
}

/* SHA-512 (FIPS 180-4): the other digest that container images may name. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA512_BYTES 64

/* Begin, add any number of times, end once. */
struct sha512 {
    uint64_t state[8];
    uint64_t size_bytes;
    uint8_t block[128]; /* what does not fill one yet */
};

void sha512_begin(struct sha512 *hash);
void sha512_add(struct sha512 *hash, const void *data, size_t size_bytes);
void sha512_end(struct sha512 *hash, uint8_t digest[SHA512_BYTES]);

/* SHA-256 (FIPS 180-4): digests of modules and image layers, and the chain of the audit service. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void sha256(const void *data, size_t size_bytes, uint8_t digest[SHA256_BYTES]);

/* The same in pieces: begin, add any number of times, end once. */
struct sha256 {
    uint32_t state[8];
    uint64_t size_bytes;
    uint8_t block[64]; /* what does not fill one yet */
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size_bytes);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_BYTES]);

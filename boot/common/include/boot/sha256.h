/* SHA-256, for the digests of modules. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void sha256(const void *data, size_t size_bytes, uint8_t digest[SHA256_BYTES]);

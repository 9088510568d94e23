/* SHA-256 (FIPS 180-4): digests of modules, and the chain of the audit service. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

void sha256(const void *data, size_t size_bytes, uint8_t digest[SHA256_BYTES]);

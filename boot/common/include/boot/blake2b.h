/* BLAKE2b with its longest digest and without a key, which limine.conf puts behind '#' in paths. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BLAKE2B_BYTES 64

void blake2b(const void *data, size_t size_bytes, uint8_t digest[BLAKE2B_BYTES]);

/* Numbers in byte order, wherever they lie: for tables that others wrote. Bounds are the caller's.
 */
#pragma once

#include <stdint.h>

static inline uint16_t load_le16(const void *at)
{
    const uint8_t *byte = at;
    return (uint16_t)(byte[0] | byte[1] << 8);
}

static inline uint32_t load_le32(const void *at)
{
    const uint8_t *byte = at;
    return load_le16(byte) | (uint32_t)load_le16(byte + 2) << 16;
}

static inline uint64_t load_le64(const void *at)
{
    const uint8_t *byte = at;
    return load_le32(byte) | (uint64_t)load_le32(byte + 4) << 32;
}

static inline uint16_t load_be16(const void *at)
{
    return __builtin_bswap16(load_le16(at));
}

static inline uint32_t load_be32(const void *at)
{
    return __builtin_bswap32(load_le32(at));
}

static inline uint64_t load_be64(const void *at)
{
    return __builtin_bswap64(load_le64(at));
}

/* Fields of a tar header. */
#include <base/checked.h>
#include <string.h>

#include "tar_impl.h"

enum { CHECKSUM_AT = 148, CHECKSUM_BYTES = 8 };

/* GNU: the first bit says so, the next one is the sign; the rest is a big-endian number. */
static bool number_binary(const uint8_t *at, unsigned size_bytes, int64_t *value_out)
{
    bool negative = (at[0] & 0x40) != 0;
    int64_t value = negative ? -1 : 0;
    for (unsigned i = 0; i < size_bytes; i++) {
        uint8_t byte = i > 0 ? at[i] : negative ? at[i] : at[i] & 0x7f;
        if (__builtin_mul_overflow(value, 256, &value) ||
            __builtin_add_overflow(value, (int64_t)byte, &value))
            return false;
    }
    *value_out = value;
    return true;
}

bool tar_number(const uint8_t *header, struct tar_field field, int64_t *value_out)
{
    const uint8_t *at = header + field.at;
    const uint8_t *end = at + field.size_bytes;
    if ((*at & 0x80) != 0)
        return number_binary(at, field.size_bytes, value_out);
    while (at < end && (*at == ' ' || *at == '\0'))
        at++;
    int64_t value = 0;
    for (; at < end && *at >= '0' && *at <= '7'; at++) {
        if (__builtin_mul_overflow(value, 8, &value))
            return false;
        value += *at - '0';
    }
    if (at < end && *at != ' ' && *at != '\0')
        return false;
    *value_out = value;
    return true;
}

bool tar_number_unsigned(const uint8_t *header, struct tar_field field, uint64_t *value_out)
{
    int64_t value;
    if (!tar_number(header, field, &value) || value < 0)
        return false;
    *value_out = (uint64_t)value;
    return true;
}

bool tar_text(const uint8_t *header, struct tar_field field, char text[TAR_PATH_MAX + 1])
{
    const char *from = (const char *)header + field.at;
    size_t length = strnlen(from, field.size_bytes);
    size_t old = strlen(text);
    if (length > TAR_PATH_MAX - old)
        return false;
    memcpy(text + old, from, length);
    text[old + length] = '\0';
    return true;
}

/* The sum of all bytes, those of the checksum taken as spaces; some programs summed signed bytes.
 */
bool tar_checksum_right(const uint8_t *header)
{
    int64_t wanted;
    int64_t sum = 0;
    int64_t sum_signed = 0;
    for (unsigned i = 0; i < TAR_BLOCK_BYTES; i++) {
        uint8_t byte = i - CHECKSUM_AT < CHECKSUM_BYTES ? ' ' : header[i];
        sum += byte;
        sum_signed += (int8_t)byte;
    }
    return tar_number(header, (struct tar_field){ CHECKSUM_AT, CHECKSUM_BYTES }, &wanted) &&
           (wanted == sum || wanted == sum_signed);
}

bool tar_decimal(const char *from, const char *end, uint64_t *value_out)
{
    uint64_t value = 0;
    if (from >= end)
        return false;
    for (; from < end; from++) {
        if (*from < '0' || *from > '9' || !checked_mul_u64(value, 10, &value) ||
            !checked_add_u64(value, (uint64_t)(*from - '0'), &value))
            return false;
    }
    *value_out = value;
    return true;
}

/* Arithmetic that says when the true result does not fit. Each returns true and writes the result,
 * or returns false and writes nothing that may be used.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

MUST_USE static inline bool checked_add_u64(uint64_t a, uint64_t b, uint64_t *sum_out)
{
    return !__builtin_add_overflow(a, b, sum_out);
}

MUST_USE static inline bool checked_sub_u64(uint64_t a, uint64_t b, uint64_t *difference_out)
{
    return !__builtin_sub_overflow(a, b, difference_out);
}

MUST_USE static inline bool checked_mul_u64(uint64_t a, uint64_t b, uint64_t *product_out)
{
    return !__builtin_mul_overflow(a, b, product_out);
}

MUST_USE static inline bool checked_add_size(size_t a, size_t b, size_t *sum_out)
{
    return !__builtin_add_overflow(a, b, sum_out);
}

MUST_USE static inline bool checked_sub_size(size_t a, size_t b, size_t *difference_out)
{
    return !__builtin_sub_overflow(a, b, difference_out);
}

MUST_USE static inline bool checked_mul_size(size_t a, size_t b, size_t *product_out)
{
    return !__builtin_mul_overflow(a, b, product_out);
}

/* ALIGN_UP for a value from outside; `align` is a power of two. */
MUST_USE static inline bool checked_align_up_u64(uint64_t value, uint64_t align,
                                                 uint64_t *aligned_out)
{
    uint64_t sum;
    if (!checked_add_u64(value, align - 1, &sum))
        return false;
    *aligned_out = ALIGN_DOWN(sum, align);
    return true;
}

/* True if [at, at + size) lies within [0, limit). */
MUST_USE static inline bool checked_range_within(uint64_t at, uint64_t size, uint64_t limit)
{
    return at <= limit && size <= limit - at;
}

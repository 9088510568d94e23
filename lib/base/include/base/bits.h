/* Bits of a word. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Index of the lowest and of the highest set bit; `word` is not 0. */
static inline unsigned bit_lowest(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

static inline unsigned bit_highest(uint64_t word)
{
    return 63 - (unsigned)__builtin_clzll(word);
}

static inline unsigned bit_count(uint64_t word)
{
    return (unsigned)__builtin_popcountll(word);
}

static inline bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* The smallest n with 2^n >= value; 0 for 0, 64 above 2^63. */
static inline unsigned log2_ceil(uint64_t value)
{
    return value <= 1 ? 0 : bit_highest(value - 1) + 1;
}

/* a / b, rounded up, without a sum that wraps; `b` is not 0. */
static inline uint64_t div_round_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

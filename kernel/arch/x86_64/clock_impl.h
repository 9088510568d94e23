/* The clock's arithmetic, apart from its registers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S ((uint64_t)1000000000)

/* a * b / divisor, with all 128 bits between; the largest number where the result has more than 64.
 */
static inline uint64_t clock_multiply_divide(uint64_t a, uint64_t b, uint64_t divisor)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t high = (uint64_t)(product >> 64), quotient, remainder;
    if (high >= divisor)
        return UINT64_MAX;
    __asm__("divq %4"
            : "=a"(quotient), "=d"(remainder)
            : "a"((uint64_t)product), "d"(high), "r"(divisor)
            : "cc");
    return quotient;
}

/* One rate in terms of another, as 32.32 fixed point; rates up to 2^32 Hz keep nine digits. */
static inline uint64_t clock_rate(uint64_t to_hz, uint64_t from_hz)
{
    return clock_multiply_divide(to_hz, (uint64_t)1 << 32, from_hz);
}

/* The product has 128 bits, so no span is too long: it ends with 2^64 of the result's unit. */
static inline uint64_t clock_scale(uint64_t span, uint64_t rate)
{
    return (uint64_t)((unsigned __int128)span * rate >> 32);
}

/* The rate of a counter that counted `span` while a reference of `hz` counted `counted`. */
static inline uint64_t clock_hz(uint64_t span, uint64_t counted, uint64_t hz)
{
    return counted == 0 ? 0 : clock_multiply_divide(span, hz, counted);
}

/* CPUID 15h (denominator, numerator, crystal) and 16h (base MHz): the counter's rate, or 0. */
static inline uint64_t clock_tsc_hz_of_cpuid(uint32_t denominator, uint32_t numerator,
                                             uint32_t crystal_hz, uint32_t base_mhz)
{
    if (denominator == 0 || numerator == 0)
        return 0;
    if (crystal_hz != 0)
        return (uint64_t)crystal_hz * numerator / denominator;
    return (uint64_t)base_mhz * 1000000;
}

/* What another CPU's counter said between two readings of ours. */
struct clock_bracket {
    uint64_t before, other, after;
};

/* What that CPU has to add to agree with ours: 0 if its reading lies between ours, else the
 * distance to the middle.
 */
static inline uint64_t clock_correction(const struct clock_bracket *b)
{
    if (b->other - b->before <= b->after - b->before)
        return 0;
    return b->before + (b->after - b->before) / 2 - b->other;
}

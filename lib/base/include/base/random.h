/* A small pseudo-random generator (xorshift64*, Vigna 2016) for tests: the same seed gives the same
 * operations on every machine. Nothing that must be hard to guess may use it.
 */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline void random_init(struct random *random, uint64_t seed)
{
    random->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    if (random->state == 0)
        random->state = 1;
}

static inline uint64_t random_next(struct random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* In [0, limit); `limit` is not 0. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return (random_next(random) >> 16) % limit;
}

/* Counts of references: atomic words that begin with 1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline void count_get(uint32_t *count)
{
    (void)__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

/* True for the last: whoever gets that frees what is counted. */
static inline bool count_put(uint32_t *count)
{
    return __atomic_fetch_sub(count, 1, __ATOMIC_ACQ_REL) == 1;
}

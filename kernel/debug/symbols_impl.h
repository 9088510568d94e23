/* The search, for any table. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Index of the last of `count` rising values that is not above `distance`; false if there is none.
 */
static inline bool symbol_search(const uint32_t *start, uint32_t count, uint32_t distance,
                                 uint32_t *index_out)
{
    uint32_t low = 0; /* start[i] <= distance for all i < low */
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (start[middle] <= distance)
            low = middle + 1;
        else
            high = middle;
    }
    *index_out = low - 1;
    return low > 0;
}

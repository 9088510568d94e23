/* One bit for each page of a region: first fit, from where the last search ended.
 *
 * Locking: the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pages {
    uint64_t *word; /* count / 64 of them, zeroed */
    size_t count;   /* a multiple of 64 */
    size_t hint;    /* below it nothing is free, as far as is known */
};

/* Find `wanted` clear bits in a row, and set them. */
bool pages_take(struct pages *pages, size_t wanted, size_t *first_out);
void pages_set(struct pages *pages, size_t first, size_t count, bool value);
bool pages_get(const struct pages *pages, size_t index);
/* How many bits from `first`, up to `end`, are like that one. At least 1. */
size_t pages_run(const struct pages *pages, size_t first, size_t end);

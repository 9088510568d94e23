/* Calendar arithmetic for the clocks that count in years and months. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock_date {
    unsigned year, month, day, hour, minute, second; /* in full, from 1 where people count so */
};

/* Seconds since 1970 began, UTC; false if it is no date from then to 9999. */
bool clock_to_unix(const struct clock_date *date, int64_t *seconds_out);

/* The clock page: what a program needs to read the time without a system call. It never changes
 * after boot but for the time of day, which whoever holds the page writable sets.
 *
 *     nanoseconds since boot = (counter - counter_base) * ns_per_count / 2^32
 *
 * where the counter is the CPU's (TSC; CNTVCT_EL0) and the product has 128 bits. These are the
 * kernel's own numbers, so a time that is read here can be compared with one that the kernel used.
 */
#pragma once

#include <stdint.h>

enum {
    CLOCK_PAGE_VERSION = 1,
    CLOCK_PAGE_BYTES = 4096,
};

struct clock_page {
    uint32_t version;       /* 0: nothing is here yet */
    uint32_t sequence;      /* odd while the time of day is being written */
    uint64_t counter_base;  /* the counter at time 0 */
    uint64_t ns_per_count;  /* 32.32 fixed point */
    uint64_t time_of_day_s; /* seconds since 1970 at time 0; 0 if nobody knows */
    uint64_t time_of_day_ns;
    uint64_t cpu_count; /* of the machine */
};

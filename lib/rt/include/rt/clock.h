/* Time, from the clock page, without a system call. */
#pragma once

#include <base/status.h>
#include <stdint.h>

struct clock_page;

/* Where the page is; NULL for none, and the clock stands at 0. */
void clock_page_set(const volatile struct clock_page *page);
/* Nanoseconds since boot, as the kernel counts them. */
uint64_t clock_now_ns(void);
/* Nanoseconds since 1970; ERR_UNSUPPORTED if nobody knows. */
enum status clock_time_of_day_ns(uint64_t *time_ns_out);
/* `after_ns` from now as a deadline for the kernel, never past DEADLINE_NEVER. */
uint64_t clock_deadline(uint64_t after_ns);
#define DEADLINE_NEVER UINT64_MAX

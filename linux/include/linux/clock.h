/* Clocks as calls with timeouts need them. */
#pragma once

#include <linux/abi/time.h>
#include <linux/copy.h>
#include <stdbool.h>

/* struct timespec of the guest's, checked: its nanoseconds (cut to INT64_MAX); -EFAULT, -EINVAL. */
int time_in(uaddr_t from, uint64_t *ns_out);
int timeval_in(uaddr_t from, uint64_t *ns_out); /* -EINVAL also above 999999 microseconds */
int time_out(uaddr_t to, uint64_t ns);
/* When a time on that clock comes, for machine_wait: MACHINE_NEVER if not foreseeably. Absolute, or
 * from now. CLOCK_REALTIME, MONOTONIC, BOOTTIME and the two alarms; -EINVAL. */
int time_deadline(int32_t clock, uint64_t ns, bool absolute, uint64_t *deadline_ns_out);
/* A timeout as poll and its like have it: 0 is a pointer that is none, MACHINE_NEVER. */
int timeout_in(uaddr_t from, uint64_t *deadline_ns_out);
/* CLOCK_ ids without CPU clocks: nanoseconds now; -EINVAL. */
int clock_now(int32_t clock, uint64_t *ns_out);

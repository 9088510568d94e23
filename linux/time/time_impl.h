/* What the parts of time/ share. */
#pragma once

#include <linux/clock.h>

/* Every clock, CPU clocks of the caller and of others, too. */
int clock_read(int32_t clock, uint64_t *ns_out);
int time_to_ns(const struct linux_timespec *time, uint64_t *ns_out);

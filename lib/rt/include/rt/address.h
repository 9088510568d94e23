/* Waiting on a word of this process's memory. */
#pragma once

#include <base/status.h>
#include <stdint.h>

/* Sleep while *address is `expected`, until somebody wakes it or the deadline passes. It may also
 * come back for no reason: look again.
 */
enum status rt_address_wait(uint32_t *address, uint32_t expected, uint64_t deadline_ns);
/* Wake up to `count` of those who wait there. */
void rt_address_wake(uint32_t *address, uint32_t count);

/* What the container may have, as its programs see it: statfs, /proc/meminfo, cgroup files. Told
 * once at the start; 0: no limit of its own.
 */
#pragma once

#include <stdint.h>

struct container_limits {
    uint64_t memory_bytes;
    uint64_t cpu_quota_us, cpu_period_us; /* cgroup's cpu.max */
    uint32_t tasks;                       /* pids.max */
};

void container_set_limits(const struct container_limits *given);
const struct container_limits *container_limits(void);
/* Memory that there is at all: the limit, or what the machine has. */
uint64_t container_memory_bytes(void);
/* Bytes that the container's programs and files have now, as far as is known. */
uint64_t container_memory_used(void);

/* What the container may have (see limits.h). */
#include <linux/heap.h>
#include <linux/limits.h>
#include <linux/machine.h>
#include <linux/pool.h>

static struct container_limits limits;

void container_set_limits(const struct container_limits *given)
{
    limits = *given;
}

const struct container_limits *container_limits(void)
{
    return &limits;
}

uint64_t container_memory_bytes(void)
{
    /* Without a limit nobody tells what the machine has: as much as programs do not count on. */
    const uint64_t unlimited = (uint64_t)16 << 30;
    return limits.memory_bytes != 0 ? limits.memory_bytes : unlimited;
}

uint64_t container_memory_used(void)
{
    return (pool_pages() * MACHINE_PAGE) + heap_counts().bytes;
}

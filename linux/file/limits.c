/* What the container may have (see limits.h). */
#include <base/compiler.h>
#include <linux/limits.h>
#include <linux/machine.h>

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
    uint64_t total;
    uint64_t left;
    machine_memory(&total, &left);
    return limits.memory_bytes != 0 ? MIN(limits.memory_bytes, total) : total;
}

uint64_t container_memory_used(void)
{
    uint64_t total;
    uint64_t left;
    machine_memory(&total, &left);
    return total - MIN(left, total);
}

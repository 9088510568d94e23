#include <base/string.h>
#include <rt/startup.h>
#include <stddef.h>

static const struct startup *block;
static uint64_t process;
static uint64_t budget;

enum status rt_startup_set(const struct startup *startup)
{
    if (startup == NULL || startup->magic != STARTUP_MAGIC || startup->version != STARTUP_VERSION ||
        startup->capability_count > STARTUP_CAPABILITY_MAX)
        return ERR_FORMAT;
    block = startup;
    process = rt_handle(STARTUP_PROCESS);
    budget = rt_handle(STARTUP_BUDGET);
    return OK;
}

const struct startup *rt_startup(void)
{
    return block;
}

const struct startup_capability *rt_capability(const char *name)
{
    for (uint32_t i = 0; i < block->capability_count; i++) {
        if (strncmp(block->capability[i].name, name, STARTUP_NAME_BYTES) == 0)
            return &block->capability[i];
    }
    return NULL;
}

uint64_t rt_handle(const char *name)
{
    const struct startup_capability *capability = rt_capability(name);
    return capability == NULL ? 0 : capability->handle;
}

uint64_t rt_process(void)
{
    return process;
}

uint64_t rt_budget(void)
{
    return budget;
}

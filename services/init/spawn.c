/* Building one service. */
#include <base/fmt.h>
#include <base/string.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/elf.h>

#include "init.h"

#define CPU_PERIOD_NS ((uint64_t)100 * 1000 * 1000)

/* The start-up block with its list, in the making. */
static union {
    struct startup block;
    uint8_t bytes[PROGRAM_PAGE];
} startup;

static uint64_t offer_handle(const struct init *init, const struct manifest_grant *grant)
{
    if (strcmp(grant->origin, "system") == 0)
        return init->system;
    if (strcmp(grant->origin, "clock") == 0)
        return init->clock;
    if (strcmp(grant->origin, "image") == 0)
        return init->image;
    return init->endpoint; /* control, modules */
}

/* What init has, of which the service gets a copy. */
static uint64_t source_handle(const struct init *init, const struct instance *instance,
                              const struct manifest_grant *grant, unsigned index)
{
    if (index == MANIFEST_PROCESS)
        return instance->process;
    if (index == MANIFEST_BUDGET)
        return instance->budget;
    if (index == MANIFEST_SUPERVISOR)
        return init->endpoint;
    if (grant->serves || grant->source == MANIFEST_FROM_SERVICE)
        return init->serve[grant->from];
    return offer_handle(init, grant);
}

static enum status give(struct init *init, unsigned service)
{
    struct instance *instance = &init->instance[service];
    unsigned count = manifest_grant_count(&init->manifest, service);
    enum status status = OK;
    for (unsigned i = 0; i < count && status == OK; i++) {
        struct startup_capability *entry = &startup.block.capability[i];
        struct manifest_grant grant;
        manifest_grant(&init->manifest, service, i, &grant);
        *entry = (struct startup_capability){ .type = grant.type, .rights = grant.rights };
        (void)strlcpy(entry->name, grant.name, sizeof(entry->name));
        status = handle_copy(source_handle(init, instance, &grant, i), grant.rights, grant.badge,
                             instance->process, &entry->handle);
    }
    startup.block.capability_count = count;
    return status;
}

static enum status limit(const struct init *init, unsigned service)
{
    const struct manifest_service *wanted = &init->manifest.service[service];
    uint64_t budget = init->instance[service].budget;
    enum status status = budget_limit(budget, LIMIT_KIND_MEMORY, wanted->memory_bytes, UINT64_MAX);
    if (status == OK)
        status = budget_limit(budget, LIMIT_KIND_CAPABILITIES, wanted->capability_max, UINT64_MAX);
    if (status == OK)
        status = budget_limit(budget, LIMIT_KIND_THREADS, wanted->thread_max, UINT64_MAX);
    if (status == OK && wanted->cpu_percent != 0)
        status = budget_limit(budget, LIMIT_KIND_CPU_QUOTA,
                              wanted->cpu_percent * (CPU_PERIOD_NS / 100), CPU_PERIOD_NS);
    return status;
}

static enum status build(struct init *init, unsigned service, const struct program_file *file)
{
    struct instance *instance = &init->instance[service];
    struct program_layout layout;
    uint64_t random[PROGRAM_RANDOM_WORDS];
    random_take(&init->random, random, sizeof(random));
    program_lay_out(file, &program_regions, random, &layout);
    program_describe(file, &layout, &startup.block);
    startup.block.clock_at = layout.clock_at;
    const struct program_request request = {
        .file = file,
        .layout = &layout,
        .image = init->image,
        .self = rt_process(),
        .process = instance->process,
        .budget = instance->budget,
        .clock = init->clock,
        .startup = &startup.block,
    };
    return program_build(&request, &instance->program);
}

static enum status begin(struct init *init, unsigned service)
{
    const struct instance *instance = &init->instance[service];
    uint64_t thread = instance->program.thread;
    enum status status = object_bind(instance->process, init->notification, (uint64_t)1 << service);
    if (status == OK)
        status =
            thread_control(thread, THREAD_OP_PRIORITY, init->manifest.service[service].priority);
    if (status == OK)
        status = thread_control(thread, THREAD_OP_START, 0);
    return status;
}

/* Each step names itself, so that what is wrong can be said. */
static enum status spawn_steps(struct init *init, unsigned service, const struct program_file *file,
                               const char **problem_out)
{
    struct instance *instance = &init->instance[service];
    *problem_out = "a budget";
    enum status status = object_create(rt_budget(), OBJECT_BUDGET, &instance->budget);
    if (status == OK)
        status = limit(init, service);
    if (status != OK)
        return status;
    *problem_out = "a process";
    status = object_create(instance->budget, OBJECT_PROCESS, &instance->process);
    if (status != OK)
        return status;
    *problem_out = "its capabilities";
    status = give(init, service);
    if (status != OK)
        return status;
    *problem_out = "its memory and first thread";
    status = build(init, service, file);
    if (status != OK)
        return status;
    authority_print(init, service);
    *problem_out = "its first step";
    return begin(init, service);
}

enum status spawn(struct init *init, unsigned service, const char **problem_out)
{
    static struct program_file file;
    const struct manifest_service *wanted = &init->manifest.service[service];
    memset(&startup, 0, sizeof(startup));
    (void)strlcpy(startup.block.name, wanted->name, sizeof(startup.block.name));
    if (init->random_present)
        random_take(&init->random, startup.block.seed, sizeof(startup.block.seed));
    enum status status =
        program_find(&init->fs, wanted->program, RT_ELF_MACHINE, &file, problem_out);
    if (status != OK)
        return status;
    status = spawn_steps(init, service, &file, problem_out);
    if (status != OK)
        spawn_end(&init->instance[service]);
    return status;
}

static void close_if(uint64_t *handle)
{
    if (*handle != 0)
        (void)handle_close(*handle);
    *handle = 0;
}

void spawn_end(struct instance *instance)
{
    if (instance->budget != 0)
        (void)object_destroy(instance->budget);
    close_if(&instance->program.thread);
    close_if(&instance->program.memory);
    close_if(&instance->process);
    close_if(&instance->budget);
}

/* A sandbox: a budget of its own that pays for everything it makes, a process, and in its table
 * what authority.c lists. The rings and the log are paid by us: a sandbox at its limit must not be
 * able to make us fault.
 */
#include <base/string.h>
#include <object_info.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/random.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdlib.h>

#include "containers.h"

enum {
    SANDBOX_CAPABILITIES = 16384,
    SANDBOX_THREADS = 256, /* unless the request says otherwise; the service has 1024 for all */
    SANDBOX_THREADS_MAX = 768,
    SANDBOX_PRIORITY = 16,
    SANDBOXES_WEIGHT = 101, /* beside us alone, who come first anyway */
    /* What of our own budget no sandbox can have. */
    RESERVE_CAPABILITIES = 8192,
    RESERVE_THREADS = 8,
};
#define RESERVE_BYTES_MIN ((uint64_t)48 << 20)
#define RESERVE_BYTES_MAX ((uint64_t)1 << 30)

static union {
    struct startup block;
    uint8_t bytes[4 * SPACE_PAGE];
} startup;

static_assert(sizeof(struct startup) + GRANT_MAX * sizeof(struct startup_capability) <=
                  sizeof(startup),
              "a start-up block holds all grants");

/* ---- All of them together ---- */

/* Their budgets are below one; what is left of ours is ours. */
static struct {
    uint64_t budget;
    unsigned count;
} sandboxes;

/* By its turns alone a container with more threads gets more CPU time. The kernel counts time, and
 * gives turns by the weights of budgets, as long as any has another than usual; that costs all
 * calls a little, so it is asked to where there are several containers to be fair to. */
static void sandboxes_count(int change)
{
    bool several = sandboxes.count > 1;
    sandboxes.count += (unsigned)change;
    if (several == (sandboxes.count > 1))
        return;
    enum status status =
        budget_limit(sandboxes.budget, LIMIT_KIND_CPU_WEIGHT,
                     sandboxes.count > 1 ? SANDBOXES_WEIGHT : REQUEST_SHARES_DEFAULT, 0);
    if (status != OK)
        rt_log("containers take turns by their threads: %s", status_text(status));
}

/* An eighth of the machine, within bounds: for services, the kernel's own, our logs and answers. */
static uint64_t reserve(uint64_t machine_bytes)
{
    return MIN(MAX(machine_bytes / 8, RESERVE_BYTES_MIN), RESERVE_BYTES_MAX);
}

static uint64_t without(uint64_t limit, uint64_t kept)
{
    return limit > kept ? limit - kept : 0;
}

enum status sandboxes_begin(void)
{
    struct object_info machine, own;
    enum status status = object_create(rt_budget(), OBJECT_BUDGET, &sandboxes.budget);
    if (status == OK)
        status = object_info(rt_handle("machine"), &machine, sizeof(machine));
    if (status == OK)
        status = object_info(rt_budget(), &own, sizeof(own));
    if (status != OK)
        return status;
    const uint64_t *limit = own.detail.budget.limit;
    uint64_t machine_bytes = machine.detail.system.frame_count * SPACE_PAGE;
    uint64_t memory = MIN(limit[0], without(machine_bytes, reserve(machine_bytes)));
    const uint64_t hard[] = { memory, without(limit[1], RESERVE_CAPABILITIES),
                              without(limit[2], RESERVE_THREADS) };
    static const enum limit_kind kind[] = { LIMIT_KIND_MEMORY, LIMIT_KIND_CAPABILITIES,
                                            LIMIT_KIND_THREADS };
    for (unsigned i = 0; i < ARRAY_LEN(kind) && status == OK; i++)
        status = budget_limit(sandboxes.budget, kind[i], hard[i], UINT64_MAX);
    return status;
}

/* ---- What it is made of ---- */

static enum status limit(struct container *container)
{
    const struct container_request *wanted = &container->request;
    uint64_t budget = container->budget;
    uint64_t threads =
        wanted->process_max != 0 ? (uint64_t)wanted->process_max + 8 : SANDBOX_THREADS;
    enum status status = budget_limit(budget, LIMIT_KIND_MEMORY, wanted->memory_bytes, UINT64_MAX);
    if (status == OK)
        status = budget_limit(budget, LIMIT_KIND_CAPABILITIES, SANDBOX_CAPABILITIES, UINT64_MAX);
    if (status == OK)
        status = budget_limit(budget, LIMIT_KIND_THREADS,
                              MIN(threads, (uint64_t)SANDBOX_THREADS_MAX), UINT64_MAX);
    if (status == OK && wanted->cpu_quota_ns != 0)
        status =
            budget_limit(budget, LIMIT_KIND_CPU_QUOTA, wanted->cpu_quota_ns, wanted->cpu_period_ns);
    if (status == OK && wanted->cpu_shares != REQUEST_SHARES_DEFAULT)
        status = budget_limit(budget, LIMIT_KIND_CPU_WEIGHT, wanted->cpu_shares, 0);
    return status;
}

static uint64_t pages(uint64_t size_bytes)
{
    return (size_bytes + SPACE_PAGE - 1) / SPACE_PAGE * SPACE_PAGE;
}

enum status shared_memory(uint64_t size_bytes, uint64_t *memory_out, void **at_out)
{
    enum status status = memory_create(rt_budget(), pages(size_bytes), MEMORY_FLAGS_CONTIGUOUS,
                                       SPACE_PAGE, UINT64_MAX, memory_out);
    if (status == OK)
        status = space_map(*memory_out, 0, pages(size_bytes), ACCESS_READ | ACCESS_WRITE, at_out);
    return status;
}

static enum status make_rings(struct container *container)
{
    size_t events = ring_bytes(CONTAINER_EVENTS, sizeof(struct container_entry));
    size_t commands = ring_bytes(CONTAINER_COMMANDS, sizeof(struct container_entry));
    enum status status = shared_memory(events, &container->events_memory, &container->events_at);
    if (status == OK)
        status = shared_memory(commands, &container->commands_memory, &container->commands_at);
    if (status == OK)
        status = ring_open_consumer(&container->events, container->events_at, pages(events),
                                    CONTAINER_EVENTS, sizeof(struct container_entry));
    if (status == OK)
        status = ring_open_producer(&container->commands, container->commands_at, pages(commands),
                                    CONTAINER_COMMANDS, sizeof(struct container_entry));
    if (status == OK && !ring_may_sleep(&container->events))
        status = ERR_STATE;
    return status;
}

static enum status make_block(const struct containers *all, struct container *container)
{
    uint64_t size_bytes = pages(container->block->size_bytes);
    void *at = NULL;
    enum status status = shared_memory(size_bytes, &container->block_memory, &at);
    if (status != OK)
        return status;
    container->block->creator_bits = (uint64_t)1 << container_slot(all, container);
    memcpy(at, container->block, container->block->size_bytes);
    return space_unmap(at, size_bytes);
}

/* ---- Building it ---- */

static enum status give(const struct containers *all, struct container *container)
{
    static struct grant grants[GRANT_MAX];
    unsigned count = authority_grants(all, container, grants);
    enum status status = OK;
    for (unsigned i = 0; i < count && status == OK; i++) {
        struct startup_capability *entry = &startup.block.capability[i];
        *entry = (struct startup_capability){ .type = grants[i].type, .rights = grants[i].rights };
        (void)strlcpy(entry->name, grants[i].name, sizeof(entry->name));
        status = handle_copy(grants[i].handle, grants[i].rights, grants[i].badge,
                             container->process, &entry->handle);
    }
    startup.block.capability_count = count;
    return status;
}

static enum status build(const struct containers *all, struct container *container)
{
    struct program_layout layout;
    uint64_t random[PROGRAM_RANDOM_WORDS];
    void *window;
    rt_random_bytes(random, sizeof(random));
    rt_random_bytes(startup.block.seed, sizeof(startup.block.seed));
    program_lay_out(&all->program, &program_sandbox_regions, random, &layout);
    program_describe(&all->program, &layout, &startup.block);
    startup.block.clock_at = layout.clock_at;
    enum status status = space_reserve(layout.private_bytes, &window);
    if (status != OK)
        return status;
    const struct program_request request = {
        .file = &all->program,
        .layout = &layout,
        .image = all->image,
        .self = rt_process(),
        .process = container->process,
        .budget = container->budget,
        .clock = rt_handle("clock"),
        .window_at = (uint64_t)(uintptr_t)window,
        .startup = &startup.block,
    };
    status = program_build(&request, &container->program);
    enum status released = space_release(window, layout.private_bytes);
    return status == OK ? released : status;
}

static enum status make_objects(const struct containers *all, struct container *container)
{
    enum status status = object_create(sandboxes.budget, OBJECT_BUDGET, &container->budget);
    if (status != OK)
        return status;
    sandboxes_count(1);
    status = limit(container);
    if (status == OK)
        status = object_create(container->budget, OBJECT_PROCESS, &container->process);
    if (status == OK)
        status = object_create(rt_budget(), OBJECT_NOTIFICATION, &container->sandbox_signal);
    if (status == OK)
        status = make_block(all, container);
    if (status == OK)
        status = make_rings(container);
    return status;
}

static enum status begin(const struct containers *all, struct container *container)
{
    uint64_t bit = (uint64_t)1 << container_slot(all, container);
    uint64_t thread = container->program.thread;
    enum status status = object_bind(container->process, all->notification, bit);
    if (status == OK)
        status = thread_control(thread, THREAD_OP_PRIORITY, SANDBOX_PRIORITY);
    if (status == OK)
        status = thread_control(thread, THREAD_OP_CEILING, SANDBOX_PRIORITY);
    if (status == OK)
        status = thread_control(thread, THREAD_OP_START, 0);
    return status;
}

enum status sandbox_start(struct containers *all, struct container *container)
{
    memset(&startup, 0, sizeof(startup));
    (void)strlcpy(startup.block.name, "linux", sizeof(startup.block.name));
    enum status status = make_objects(all, container);
    if (status == OK)
        status = give(all, container);
    if (status == OK)
        status = build(all, container);
    if (status == OK)
        status = begin(all, container);
    if (status != OK)
        sandbox_end(container);
    return status;
}

/* ---- Its end ---- */

static void close_handle(uint64_t *handle)
{
    if (*handle != 0)
        (void)handle_close(*handle);
    *handle = 0;
}

static void unmap_shared(void **at, size_t size_bytes)
{
    if (*at != NULL)
        (void)space_unmap(*at, pages(size_bytes));
    *at = NULL;
}

void sandbox_end(struct container *container)
{
    /* Its threads first: whoever runs on while its memory goes only makes noise. */
    if (container->process != 0)
        (void)object_destroy(container->process);
    if (container->budget != 0) {
        (void)object_destroy(container->budget);
        sandboxes_count(-1);
    }
    unmap_shared(&container->events_at,
                 ring_bytes(CONTAINER_EVENTS, sizeof(struct container_entry)));
    unmap_shared(&container->commands_at,
                 ring_bytes(CONTAINER_COMMANDS, sizeof(struct container_entry)));
    close_handle(&container->events_memory);
    close_handle(&container->commands_memory);
    close_handle(&container->block_memory);
    close_handle(&container->sandbox_signal);
    close_handle(&container->program.thread);
    close_handle(&container->program.memory);
    close_handle(&container->process);
    close_handle(&container->budget);
    free(container->outbox.entry);
    container->outbox = (struct outbox){ 0 };
}

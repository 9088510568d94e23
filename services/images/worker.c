/* One worker: a budget below ours, a process, three capabilities, a deadline. */
#include <abi_syscalls.h>
#include <base/string.h>
#include <object_info.h>
#include <rt/clock.h>
#include <rt/random.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/elf.h>

#include "images.h"

#define PROGRAM "bin/image-worker"

enum {
    WORKER_CAPABILITIES = 32,
    WORKER_THREADS = 2,
    WORKER_PRIORITY = 16, /* below those who wait for nothing */
    BASE_MS = 30 * 1000,
    MS_FOR_MEGABYTE = 3000,
};

/* The start-up block with its list, in the making. */
static union {
    struct startup block;
    uint8_t bytes[PROGRAM_PAGE];
} startup;

static enum status give(uint64_t process, const char *name, uint64_t handle, uint32_t type,
                        uint32_t rights)
{
    struct startup_capability *entry = &startup.block.capability[startup.block.capability_count];
    *entry = (struct startup_capability){ .type = type, .rights = rights };
    (void)strlcpy(entry->name, name, sizeof(entry->name));
    enum status status = handle_copy(handle, rights, 0, process, &entry->handle);
    startup.block.capability_count += status == OK;
    return status;
}

/* The whole authority of a worker. */
static enum status give_all(const struct images *images)
{
    const struct work *work = &images->work;
    const uint32_t write = RIGHT_MEMORY_READ | RIGHT_MEMORY_WRITE | RIGHT_MEMORY_MAP;
    enum status status = give(work->process, STARTUP_PROCESS, work->process, OBJECT_PROCESS,
                              RIGHT_PROCESS_MAP | RIGHT_PROCESS_SPAWN);
    if (status == OK)
        status =
            give(work->process, STARTUP_BUDGET, work->budget, OBJECT_BUDGET, RIGHT_BUDGET_CHARGE);
    if (status == OK)
        status = give(work->process, "job", work->job_memory, OBJECT_MEMORY, write);
    if (status == OK)
        status = give(work->process, "blob", work->archive->memory, OBJECT_MEMORY,
                      RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP);
    if (status == OK && work->layer_memory != 0)
        status = give(work->process, "layer", work->layer_memory, OBJECT_MEMORY, write);
    return status;
}

static enum status limit(uint64_t budget)
{
    enum status status = budget_limit(budget, LIMIT_KIND_MEMORY, WORKER_BYTES_MAX, UINT64_MAX);
    if (status == OK)
        status = budget_limit(budget, LIMIT_KIND_CAPABILITIES, WORKER_CAPABILITIES, UINT64_MAX);
    if (status == OK)
        status = budget_limit(budget, LIMIT_KIND_THREADS, WORKER_THREADS, UINT64_MAX);
    return status;
}

static enum status build(struct images *images, const struct program_file *file,
                         struct program *program_out)
{
    struct program_layout layout;
    uint64_t random[PROGRAM_RANDOM_WORDS];
    void *window;
    rt_random_bytes(random, sizeof(random));
    rt_random_bytes(startup.block.seed, sizeof(startup.block.seed));
    program_lay_out(file, &program_regions, random, &layout);
    program_describe(file, &layout, &startup.block);
    enum status status = space_reserve(layout.private_bytes, &window);
    if (status != OK)
        return status;
    const struct program_request request = {
        .file = file,
        .layout = &layout,
        .image = images->image,
        .self = rt_process(),
        .process = images->work.process,
        .budget = images->work.budget,
        .window_at = (uint64_t)(uintptr_t)window,
        .startup = &startup.block,
    };
    status = program_build(&request, program_out);
    enum status released = space_release(window, layout.private_bytes);
    return status == OK ? released : status;
}

static enum status make_job(struct work *work, const struct image_job_request *request)
{
    const uint64_t size = ALIGN_UP(sizeof(struct image_job), (uint64_t)SPACE_PAGE);
    void *at;
    enum status status = memory_create(rt_budget(), size, 0, 0, 0, &work->job_memory);
    if (status == OK)
        status = space_map(work->job_memory, 0, size, ACCESS_READ | ACCESS_WRITE, &at);
    if (status != OK)
        return status;
    work->job = at;
    work->job->request = *request;
    return OK;
}

static enum status start_steps(struct images *images, const struct image_job_request *request)
{
    static struct program_file file;
    struct work *work = &images->work;
    const char *problem;
    memset(&startup, 0, sizeof(startup));
    (void)strlcpy(startup.block.name, "image-worker", sizeof(startup.block.name));
    enum status status = program_find(&images->fs, PROGRAM, RT_ELF_MACHINE, &file, &problem);
    if (status == OK)
        status = make_job(work, request);
    if (status == OK)
        status = object_create(rt_budget(), OBJECT_BUDGET, &work->budget);
    if (status == OK)
        status = limit(work->budget);
    if (status == OK)
        status = object_create(work->budget, OBJECT_PROCESS, &work->process);
    if (status == OK)
        status = give_all(images);
    if (status == OK)
        status = build(images, &file, &work->program);
    if (status != OK)
        return status;
    status = object_bind(work->process, images->notification, 1);
    if (status == OK)
        status = thread_control(work->program.thread, THREAD_OP_PRIORITY, WORKER_PRIORITY);
    if (status == OK)
        status = thread_control(work->program.thread, THREAD_OP_START, 0);
    return status;
}

enum status worker_start(struct images *images, const struct image_job_request *request)
{
    struct work *work = &images->work;
    uint64_t ms = BASE_MS + (request->size_bytes >> 20) * MS_FOR_MEGABYTE;
    work->running = true;
    work->deadline_ns = clock_deadline(ms * 1000000);
    enum status status = start_steps(images, request);
    if (status != OK) {
        worker_end(images);
        worker_forget(images);
    }
    return status;
}

bool worker_ended(const struct images *images)
{
    struct object_info info;
    return object_info(images->work.process, &info, sizeof(info)) != OK ||
           info.detail.process.thread_count == 0 || info.detail.process.fault_count != 0 ||
           images->work.job->result.done != 0;
}

static void close_if(uint64_t *handle)
{
    if (*handle != 0)
        (void)handle_close(*handle);
    *handle = 0;
}

void worker_end(struct images *images)
{
    struct work *work = &images->work;
    if (work->budget != 0)
        (void)object_destroy(work->budget);
    close_if(&work->program.thread);
    close_if(&work->program.memory);
    close_if(&work->process);
    close_if(&work->budget);
    work->running = false;
}

void worker_forget(struct images *images)
{
    struct work *work = &images->work;
    if (work->job != NULL)
        (void)space_unmap(work->job, ALIGN_UP(sizeof(*work->job), (uint64_t)SPACE_PAGE));
    work->job = NULL;
    close_if(&work->job_memory);
}

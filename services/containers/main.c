#include <object_info.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/serve.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <rt_arch/elf.h>

#include "containers.h"

static struct containers all;

static bool must(enum status status, const char *what)
{
    if (status != OK)
        rt_log("cannot go on: %s: %s", what, status_text(status));
    return status == OK;
}

/* The program that every sandbox runs, found once: the image does not change. */
static bool find_program(void)
{
    static struct erofs fs;
    struct object_info info;
    const char *problem = "the system image";
    void *at = NULL;
    all.image = rt_handle("image");
    enum status status = object_info(all.image, &info, sizeof(info));
    if (status == OK)
        status = space_map(all.image, 0, info.detail.memory.size_bytes, ACCESS_READ, &at);
    if (status == OK)
        status = erofs_open(&fs, at, info.detail.memory.size_bytes);
    if (status == OK)
        status = program_find(&fs, "bin/linux", RT_ELF_MACHINE, &all.program, &problem);
    return must(status, problem);
}

static bool make_notification(void)
{
    all.endpoint = rt_handle("containers");
    return must(object_create(rt_budget(), OBJECT_NOTIFICATION, &all.notification),
                "a notification") &&
           must(object_bind(all.endpoint, all.notification, UINT64_MAX), "a notification");
}

static void serve(void *context, struct ipc_message *message)
{
    containers_serve(&containers_handlers, context, message);
}

int main(void)
{
    struct rt_server server = {
        .endpoint = rt_handle("containers"),
        .accept = CONTAINERS_ACCEPT,
        .context = &all,
        .serve = serve,
        .signal = containers_signal,
        .deadline = containers_deadline,
        .late = containers_late,
    };
    if (!find_program() || !make_notification() ||
        !must(sandboxes_begin(), "a budget for sandboxes"))
        return 1;
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    enum status status = rt_serve(&server);
    rt_log("cannot serve: %s", status_text(status));
    return 1;
}

#include <abi_syscalls.h>
#include <object_info.h>
#include <protocol_images.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/serve.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "images.h"

static struct images images = { .archive_next = 1, .image_next = 1 };

/* The image that the worker's program is in. */
static enum status open_system(void)
{
    struct object_info info;
    void *at;
    images.image = rt_handle("image");
    enum status status = object_info(images.image, &info, sizeof(info));
    uint64_t size = info.detail.memory.size_bytes;
    if (status == OK)
        status = space_map(images.image, 0, size, ACCESS_READ, &at);
    return status == OK ? erofs_open(&images.fs, at, size) : status;
}

static void signalled(void *context, uint64_t bits)
{
    (void)context;
    (void)bits;
    if (images.work.running && worker_ended(&images))
        work_finish(&images, false);
}

static uint64_t deadline(void *context)
{
    (void)context;
    return images.work.running ? images.work.deadline_ns : DEADLINE_NEVER;
}

static void late(void *context)
{
    (void)context;
    if (images.work.running && clock_now_ns() >= images.work.deadline_ns)
        work_finish(&images, true);
}

int main(void)
{
    struct rt_server server = {
        .endpoint = rt_handle("images"),
        .accept = IMAGES_ACCEPT,
        .serve = answer,
        .context = &images,
        .signal = signalled,
        .deadline = deadline,
        .late = late,
    };
    enum status status = open_system();
    if (status == OK)
        status = object_create(rt_budget(), OBJECT_NOTIFICATION, &images.notification);
    if (status == OK)
        status = object_bind(server.endpoint, images.notification, UINT64_MAX);
    if (status == OK)
        status = supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER);
    if (status == OK)
        status = rt_serve(&server);
    rt_log("cannot serve: %s", status_text(status));
    return 1;
}

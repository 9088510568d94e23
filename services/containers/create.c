/* A request and an image become a container, which costs its log and little else until it starts.
 */
#include <base/fmt.h>
#include <base/string.h>
#include <rt/clock.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdlib.h>

#include "containers.h"

enum { SIGNAL_TERM = 15 };

unsigned container_slot(const struct containers *all, const struct container *container)
{
    return (unsigned)(container - all->container);
}

struct container *container_find(struct containers *all, uint32_t number)
{
    struct container *container = &all->container[number % CONTAINERS_MAX];
    return number != 0 && container->number == number ? container : NULL;
}

static bool name_is_taken(const struct containers *all, const char *name)
{
    for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
        if (all->container[i].number != 0 && strcmp(all->container[i].request.name, name) == 0)
            return true;
    }
    return false;
}

/* Numbers are not used again until they wrap, so that an old one does not name a new container. */
static struct container *free_slot(struct containers *all)
{
    for (unsigned i = 0; i < CONTAINERS_MAX; i++) {
        uint32_t number = ++all->last_number != 0 ? all->last_number : ++all->last_number;
        struct container *container = &all->container[number % CONTAINERS_MAX];
        if (container->number != 0)
            continue;
        *container = (struct container){ .number = number };
        return container;
    }
    return NULL;
}

static enum status make_log(struct container *container)
{
    void *at = NULL;
    enum status status = shared_memory(LOG_BYTES, &container->log_memory, &at);
    container->log = at;
    return status == OK ? container_log_open(container->log, LOG_BYTES) : status;
}

static enum status make_block(struct containers *all, struct container *container)
{
    const struct image *image = &container->image;
    enum status status =
        container_block_make(&container->request, &image->wishes, &container->block, all->problem);
    if (status != OK)
        return status;
    container->block->layer_count = image->layer_count;
    for (unsigned i = 0; i < image->layer_count; i++)
        container->block->layer_bytes[i] = image->layer[i].size_bytes;
    container->stop_signal = container->request.stop_signal;
    if (container->stop_signal == 0 && image->wishes.stop_signal != NULL)
        container->stop_signal = container_signal_number(image->wishes.stop_signal);
    if (container->stop_signal == 0)
        container->stop_signal = SIGNAL_TERM;
    return OK;
}

static enum status open_image(struct containers *all, struct container *container)
{
    const char *name = container->request.image;
    if (name[0] == '\0') {
        (void)strlcpy(all->problem, "Image: is missing", sizeof(all->problem));
        return ERR_INVALID;
    }
    enum status status = image_open(name, &container->image);
    if (status == ERR_NOT_FOUND)
        (void)format_text(all->problem, sizeof(all->problem), "there is no image %s", name);
    else if (status != OK)
        (void)format_text(all->problem, sizeof(all->problem), "the image %s: %s", name,
                          status_text(status));
    return status;
}

static enum status fill(struct containers *all, struct container *container)
{
    enum status status = open_image(all, container);
    if (status == OK)
        status = make_block(all, container);
    if (status == OK)
        status = make_log(container);
    return status;
}

static enum status take_slot(struct containers *all, const struct container_request *request,
                             struct container **container_out)
{
    if (request->name[0] != '\0' && name_is_taken(all, request->name)) {
        (void)format_text(all->problem, sizeof(all->problem), "Name: %s is another container's",
                          request->name);
        return ERR_EXISTS;
    }
    *container_out = free_slot(all);
    if (*container_out != NULL)
        return OK;
    (void)format_text(all->problem, sizeof(all->problem), "there are %u containers, and no room",
                      (unsigned)CONTAINERS_MAX);
    return ERR_LIMIT;
}

enum status container_create(struct containers *all, const char *json, size_t size_bytes,
                             struct container **container_out)
{
    struct container_request request;
    enum status status = container_request_parse(json, size_bytes, &request, all->problem);
    if (status != OK)
        return status;
    struct container *container = NULL;
    status = take_slot(all, &request, &container);
    if (status != OK) {
        container_request_free(&request);
        return status;
    }
    container->request = request;
    if (request.name[0] == '\0')
        (void)format_text(container->request.name, sizeof(container->request.name), "container-%u",
                          container->number);
    container->created_ns = clock_now_ns();
    status = fill(all, container);
    if (status != OK)
        container_forget(all, container);
    else
        *container_out = container;
    return status;
}

void container_forget(struct containers *all, struct container *container)
{
    (void)all;
    sandbox_end(container);
    watchers_signal(container);
    for (unsigned i = 0; i < WATCH_MAX; i++) {
        if (container->watch[i].notification != 0)
            (void)handle_close(container->watch[i].notification);
    }
    image_close(&container->image);
    if (container->log != NULL)
        (void)space_unmap(container->log, LOG_BYTES);
    if (container->log_memory != 0)
        (void)handle_close(container->log_memory);
    free(container->block);
    container_request_free(&container->request);
    *container = (struct container){ 0 };
}

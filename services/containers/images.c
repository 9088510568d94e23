/* Asking `images` for one of its images. It is a service like us, and its answers are checked like
 * anybody's.
 */
#include <base/fmt.h>
#include <base/string.h>
#include <image_config.h>
#include <oci/config.h>
#include <protocol_images.h>
#include <rt/clock.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdlib.h>

#include "containers.h"

#define ANSWER_NS ((uint64_t)5 * 1000 * 1000 * 1000)

static uint64_t soon(void)
{
    return clock_deadline(ANSWER_NS);
}

/* ---- Descriptions ---- */

/* A copy of it, checked: what is behind the Memory may change. */
static enum status copy_description(const struct images_describe_out *out,
                                    struct image_description **description_out)
{
    uint64_t span = (out->size + SPACE_PAGE - 1) / SPACE_PAGE * SPACE_PAGE;
    void *at = NULL;
    if (out->size < sizeof(struct image_description) ||
        out->size > sizeof(struct image_description) + IMAGE_CONFIG_BYTES_MAX)
        return ERR_FORMAT;
    struct image_description *copy = malloc((size_t)out->size);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    enum status status = space_map(out->memory, 0, span, ACCESS_READ, &at);
    if (status == OK) {
        memcpy(copy, at, (size_t)out->size);
        (void)space_unmap(at, span);
        bool good = copy->magic == IMAGE_DESCRIPTION_MAGIC && copy->size_bytes == out->size &&
                    copy->name_count <= IMAGE_NAME_MAX && copy->layer_count <= IMAGE_LAYER_MAX &&
                    copy->config_at >= sizeof(*copy) && copy->config_at < out->size &&
                    copy->config_at % 8 == 0 &&
                    oci_config_valid((const uint8_t *)copy + copy->config_at,
                                     (size_t)out->size - copy->config_at);
        status = good ? OK : ERR_FORMAT;
    }
    if (status != OK)
        free(copy);
    else
        *description_out = copy;
    return status;
}

static enum status describe(uint32_t number, struct image_description **description_out)
{
    const struct images_describe_in in = { .image = number };
    struct images_describe_out out = { 0 };
    enum status status = images_call_describe(rt_handle("images"), soon(), &in, &out);
    if (status != OK)
        return status;
    status = copy_description(&out, description_out);
    (void)handle_close(out.memory);
    return status;
}

/* ---- Names ---- */

static bool is_number(const char *name, uint32_t *number_out)
{
    uint64_t number = 0;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > UINT32_MAX)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *number_out = (uint32_t)number;
    return name[0] != '\0' && number <= UINT32_MAX;
}

/* "busybox" is "busybox:latest". */
static bool same_name(const char *has, const char *wanted)
{
    char tagged[REQUEST_IMAGE_BYTES + 8];
    (void)format_text(tagged, sizeof(tagged), "%s:latest", wanted);
    return strcmp(has, wanted) == 0 || strcmp(has, tagged) == 0;
}

static bool has_name(const struct image_description *description, const char *wanted)
{
    for (unsigned i = 0; i < description->name_count; i++) {
        const char *name = description->name[i];
        if (strnlen(name, IMAGE_NAME_BYTES) < IMAGE_NAME_BYTES && same_name(name, wanted))
            return true;
    }
    return false;
}

static enum status find_by_name(const char *name, uint32_t *number_out,
                                struct image_description **description_out)
{
    struct images_next_in in = { .from = 0 };
    for (;;) {
        struct images_next_out next = { 0 };
        enum status status = images_call_next(rt_handle("images"), soon(), &in, &next);
        if (status == OK)
            status = describe(next.image, description_out);
        if (status != OK)
            return status;
        *number_out = next.image;
        if (has_name(*description_out, name))
            return OK;
        free(*description_out);
        *description_out = NULL;
        if (next.image == UINT32_MAX)
            return ERR_NOT_FOUND;
        in.from = next.image + 1;
    }
}

/* ---- An image ---- */

static void take_list(const struct image_config *config, const struct image_config_list *from,
                      char **room, struct text_list *to)
{
    to->text = room;
    to->count = from->count;
    for (uint32_t i = 0; i < from->count; i++)
        room[i] = (char *)(uintptr_t)oci_config_text(config, from, i);
}

/* The wishes point into the description and an array behind it, both of which the image keeps. */
static enum status take_wishes(struct image_description *description, struct image *image)
{
    const struct image_config *config =
        (const struct image_config *)((const uint8_t *)description + description->config_at);
    size_t texts =
        (size_t)config->entrypoint.count + config->command.count + config->environment.count;
    char **room = calloc(texts + 1, sizeof(*room));
    if (room == NULL)
        return ERR_NO_MEMORY;
    image->wishes_room = room;
    take_list(config, &config->entrypoint, room, &image->wishes.entrypoint);
    room += config->entrypoint.count;
    take_list(config, &config->command, room, &image->wishes.command);
    room += config->command.count;
    take_list(config, &config->environment, room, &image->wishes.environment);
    image->wishes.working = oci_config_text(config, &config->working_directory, 0);
    image->wishes.user = oci_config_text(config, &config->user, 0);
    image->wishes.stop_signal = oci_config_text(config, &config->stop_signal, 0);
    return OK;
}

static enum status take_layers(uint32_t number, unsigned count, struct image *image)
{
    image->layer = calloc((size_t)count + 1, sizeof(*image->layer));
    if (image->layer == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < count; i++) {
        const struct images_layer_in in = { .image = number, .index = i };
        struct images_layer_out out = { 0 };
        enum status status = images_call_layer(rt_handle("images"), soon(), &in, &out);
        if (status != OK)
            return status;
        image->layer[image->layer_count++] =
            (struct layer){ .memory = out.memory, .size_bytes = out.size };
    }
    return OK;
}

enum status image_open(const char *name, struct image *image_out)
{
    struct image_description *description = NULL;
    uint32_t number = 0;
    enum status status = is_number(name, &number) ? describe(number, &description)
                                                  : find_by_name(name, &number, &description);
    if (status != OK)
        return status;
    *image_out = (struct image){ .description = description };
    status = take_wishes(description, image_out);
    if (status == OK)
        status = take_layers(number, description->layer_count, image_out);
    if (status != OK)
        image_close(image_out);
    return status;
}

void image_close(struct image *image)
{
    for (unsigned i = 0; i < image->layer_count; i++)
        (void)handle_close(image->layer[i].memory);
    free(image->layer);
    free(image->wishes_room);
    free(image->description);
    *image = (struct image){ 0 };
}

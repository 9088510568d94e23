/* What clients ask. Nothing here waits: an archive is worked through meanwhile. */
#include <abi_syscalls.h>
#include <base/compiler.h>
#include <base/string.h>
#include <protocol_images.h>
#include <rt/syscall.h>

#include "images.h"

static_assert((int)ARCHIVE_READING == (int)IMAGES_PHASE_READING &&
                  (int)ARCHIVE_UNPACKING == (int)IMAGES_PHASE_UNPACKING &&
                  (int)ARCHIVE_READY == (int)IMAGES_PHASE_READY &&
                  (int)ARCHIVE_FAILED == (int)IMAGES_PHASE_FAILED,
              "clients see the phases that there are");

static enum status answer_add(void *context, uint64_t badge, const struct images_add_in *in,
                              struct images_add_out *out)
{
    (void)badge;
    return archive_add(context, in->memory, in->size, &out->archive);
}

static enum status answer_state(void *context, uint64_t badge, const struct images_state_in *in,
                                struct images_state_out *out)
{
    struct images *images = context;
    const struct archive *archive = archive_find(images, in->archive);
    (void)badge;
    if (archive == NULL)
        return ERR_NOT_FOUND;
    out->phase = (enum images_phase)archive->phase;
    out->images = archive->image_count;
    out->total = archive->total_bytes;
    out->done = archive->done_bytes;
    if (images->work.running && images->work.archive == archive)
        out->done += MIN(READ_ONCE(images->work.job->read_bytes), out->total - out->done);
    return OK;
}

static enum status answer_problem(void *context, uint64_t badge, const struct images_problem_in *in,
                                  struct images_problem_out *out)
{
    const struct archive *archive = archive_find(context, in->archive);
    (void)badge;
    if (archive == NULL)
        return ERR_NOT_FOUND;
    size_t length = strlen(archive->problem);
    if (in->offset >= length)
        return OK;
    out->text_size = MIN(length - in->offset, sizeof(out->text));
    memcpy(out->text, archive->problem + in->offset, out->text_size);
    return OK;
}

static enum status answer_image(void *context, uint64_t badge, const struct images_image_in *in,
                                struct images_image_out *out)
{
    const struct archive *archive = archive_find(context, in->archive);
    (void)badge;
    if (archive == NULL || archive->phase != ARCHIVE_READY || in->index >= archive->image_count)
        return ERR_NOT_FOUND;
    out->image = archive->image[in->index]->number;
    out->layers = archive->image[in->index]->layer_count;
    return OK;
}

/* Of archives that are ready: the image with that number, or the next higher one. */
static const struct image *image_from(struct images *images, uint32_t number,
                                      const struct archive **archive_out)
{
    const struct image *found = NULL;
    for (unsigned i = 0; i < ARCHIVE_MAX; i++) {
        const struct archive *archive = &images->archive[i];
        if (!archive->present || archive->phase != ARCHIVE_READY)
            continue;
        for (uint32_t j = 0; j < archive->image_count; j++) {
            const struct image *image = archive->image[j];
            if (image->number < number || (found != NULL && found->number < image->number))
                continue;
            found = image;
            *archive_out = archive;
        }
    }
    return found;
}

static const struct image *image_find(struct images *images, uint32_t number)
{
    const struct archive *archive;
    const struct image *image = image_from(images, number, &archive);
    return image != NULL && image->number == number ? image : NULL;
}

static enum status answer_describe(void *context, uint64_t badge,
                                   const struct images_describe_in *in,
                                   struct images_describe_out *out)
{
    const struct image *image = image_find(context, in->image);
    (void)badge;
    if (image == NULL)
        return ERR_NOT_FOUND;
    out->size = image->description_bytes;
    return handle_copy(image->description, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP | RIGHT_ANY_GRANT,
                       0, 0, &out->memory);
}

static enum status answer_layer(void *context, uint64_t badge, const struct images_layer_in *in,
                                struct images_layer_out *out)
{
    const struct image *image = image_find(context, in->image);
    (void)badge;
    if (image == NULL || in->index >= image->layer_count)
        return ERR_NOT_FOUND;
    const struct layer *layer = image->layer[in->index];
    out->size = layer->image_bytes;
    return handle_copy(layer->memory,
                       RIGHT_MEMORY_READ | RIGHT_MEMORY_EXECUTE | RIGHT_MEMORY_MAP |
                           RIGHT_ANY_GRANT | RIGHT_ANY_INSPECT,
                       0, 0, &out->memory);
}

static enum status answer_remove(void *context, uint64_t badge, const struct images_remove_in *in)
{
    struct images *images = context;
    struct archive *archive = archive_find(images, in->archive);
    (void)badge;
    if (archive == NULL)
        return ERR_NOT_FOUND;
    archive_remove(images, archive);
    return OK;
}

static enum status answer_next(void *context, uint64_t badge, const struct images_next_in *in,
                               struct images_next_out *out)
{
    const struct archive *archive;
    const struct image *image = image_from(context, in->from, &archive);
    (void)badge;
    if (image == NULL)
        return ERR_NOT_FOUND;
    out->image = image->number;
    out->archive = archive->number;
    out->layers = image->layer_count;
    return OK;
}

static const struct images_handlers handlers = {
    .add = answer_add,
    .state = answer_state,
    .problem = answer_problem,
    .image = answer_image,
    .describe = answer_describe,
    .layer = answer_layer,
    .remove = answer_remove,
    .next = answer_next,
};

void answer(void *context, struct ipc_message *message)
{
    images_serve(&handlers, context, message);
    work_begin(context);
}

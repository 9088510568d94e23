/* What becomes of an archive:
 *
 *     archive_add        take_index              take_layer, the last one
 *     ------> READING -----------> UNPACKING ----------------------------> READY
 *                |                     |
 *                +---- archive_fail ---+----> FAILED (only its number and the reason are left)
 *
 * work_begin looks for the first archive with something to do and starts a worker for it;
 * work_finish takes what that worker says, after its end.
 */
#include <abi_syscalls.h>
#include <base/checked.h>
#include <base/fmt.h>
#include <base/string.h>
#include <oci/config.h>
#include <oci/digest.h>
#include <rt/log.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdlib.h>

#include "images.h"

#include <rt_arch/platform.h>

static void close_if(uint64_t *handle)
{
    if (*handle != 0)
        (void)handle_close(*handle);
    *handle = 0;
}

static uint64_t page_up(uint64_t size_bytes)
{
    return ALIGN_UP(size_bytes, (uint64_t)SPACE_PAGE);
}

/* ---- Layers ---- */

static bool digest_equal(const struct image_digest *a, const struct image_digest *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static struct layer *layer_find(const struct images *images, const struct image_digest *blob,
                                const struct image_job_layer *wanted)
{
    for (struct layer *layer = images->layers; layer != NULL; layer = layer->next) {
        if (digest_equal(&layer->blob, blob) && layer->blob_bytes == wanted->size_bytes &&
            digest_equal(&layer->diff_id, &wanted->diff_id))
            return layer;
    }
    return NULL;
}

static void layer_put(struct images *images, struct layer *layer)
{
    if (--layer->users != 0)
        return;
    struct layer **link = &images->layers;
    while (*link != layer)
        link = &(*link)->next;
    *link = layer->next;
    close_if(&layer->memory);
    free(layer);
}

/* ---- Archives ---- */

static void image_free(struct images *images, struct image *image)
{
    for (uint32_t i = 0; i < image->layer_count; i++) {
        if (image->layer[i] != NULL)
            layer_put(images, image->layer[i]);
    }
    close_if(&image->description);
    free(image);
}

/* All but its number and what is wrong with it. */
static void archive_empty(struct images *images, struct archive *archive)
{
    for (uint32_t i = 0; i < archive->image_count; i++)
        image_free(images, archive->image[i]);
    archive->image_count = 0;
    close_if(&archive->memory);
}

static void archive_fail(struct images *images, struct archive *archive, const char *problem)
{
    archive_empty(images, archive);
    archive->phase = ARCHIVE_FAILED;
    (void)format_text(archive->problem, sizeof(archive->problem), "%s", problem);
    rt_log("archive %u is refused: %s", archive->number, archive->problem);
}

struct archive *archive_find(struct images *images, uint32_t number)
{
    for (unsigned i = 0; i < ARCHIVE_MAX; i++) {
        if (images->archive[i].present && images->archive[i].number == number)
            return &images->archive[i];
    }
    return NULL;
}

enum status archive_add(struct images *images, uint64_t memory, uint64_t size_bytes,
                        uint32_t *number_out)
{
    uint64_t own;
    struct archive *archive = images->archive;
    while (archive < images->archive + ARCHIVE_MAX && archive->present)
        archive++;
    if (archive == images->archive + ARCHIVE_MAX)
        return ERR_LIMIT;
    if (size_bytes == 0 || size_bytes > ARCHIVE_BYTES_MAX)
        return ERR_RANGE;
    /* What it has now: whoever gave it may write to it. Physical memory, a module of the loader's,
     * has no pages to share, and nobody can write to that. */
    enum status status = memory_clone(memory, rt_budget(), 0, page_up(size_bytes), 0, 0, &own);
    if (status == ERR_UNSUPPORTED)
        status =
            handle_copy(memory, RIGHT_MEMORY_READ | RIGHT_MEMORY_MAP | RIGHT_ANY_GRANT, 0, 0, &own);
    if (status != OK)
        return status;
    (void)handle_close(memory);
    *archive = (struct archive){
        .present = true,
        .number = images->archive_next++,
        .memory = own,
        .size_bytes = size_bytes,
        .total_bytes = size_bytes,
    };
    *number_out = archive->number;
    return OK;
}

void archive_remove(struct images *images, struct archive *archive)
{
    struct work *work = &images->work;
    if (work->running && work->archive == archive) {
        worker_end(images);
        worker_forget(images);
        close_if(&work->layer_memory);
    }
    archive_empty(images, archive);
    archive->present = false;
}

/* ---- What a worker said of an archive ---- */

static bool digest_valid(const struct image_digest *digest, bool none)
{
    return digest->kind == IMAGE_SHA256 || digest->kind == IMAGE_SHA512 ||
           (none && digest->kind == IMAGE_DIGEST_NONE);
}

static bool names_valid(const struct image_job_image *image)
{
    for (uint32_t i = 0; i < image->name_count; i++) {
        if (strnlen(image->name[i], IMAGE_NAME_BYTES) == IMAGE_NAME_BYTES)
            return false;
    }
    return true;
}

/* Whatever is used of it is as it should be. */
static bool image_valid(const struct image_job_image *image, uint64_t archive_bytes)
{
    if (image->name_count > IMAGE_NAME_MAX || image->layer_count > IMAGE_LAYER_MAX ||
        !digest_valid(&image->id, false) || !names_valid(image) ||
        !oci_config_valid(image->config_bytes, sizeof(image->config_bytes)))
        return false;
    for (uint32_t i = 0; i < image->layer_count; i++) {
        const struct image_job_layer *layer = &image->layer[i];
        if (!checked_range_within(layer->at, layer->size_bytes, archive_bytes) ||
            !digest_valid(&layer->diff_id, false) || !digest_valid(&layer->blob, true))
            return false;
    }
    return true;
}

static enum status describe(struct image *image, const struct image_job_image *from)
{
    uint32_t config_at = ALIGN_UP((uint32_t)sizeof(struct image_description), 8u);
    uint32_t size = config_at + from->config.size_bytes;
    void *at;
    enum status status = memory_create(rt_budget(), page_up(size), 0, 0, 0, &image->description);
    if (status == OK)
        status = space_map(image->description, 0, page_up(size), ACCESS_READ | ACCESS_WRITE, &at);
    if (status != OK)
        return status;
    struct image_description *to = at;
    to->magic = IMAGE_DESCRIPTION_MAGIC;
    to->size_bytes = size;
    to->config_at = config_at;
    to->id = from->id;
    to->name_count = from->name_count;
    to->layer_count = from->layer_count;
    memcpy(to->name, from->name, sizeof(to->name));
    memcpy((uint8_t *)at + config_at, from->config_bytes, from->config.size_bytes);
    image->description_bytes = size;
    return space_unmap(at, page_up(size));
}

static enum status take_image(struct images *images, struct archive *archive,
                              const struct image_job_image *from)
{
    struct image *image = calloc(1, sizeof(*image));
    if (image == NULL)
        return ERR_NO_MEMORY;
    enum status status = describe(image, from);
    image->number = images->image_next++;
    image->layer_count = from->layer_count;
    memcpy(image->wanted, from->layer, sizeof(image->wanted));
    archive->image[archive->image_count++] = image;
    for (uint32_t i = 0; i < image->layer_count; i++)
        archive->total_bytes += image->wanted[i].size_bytes;
    return status;
}

static void take_index(struct images *images, struct archive *archive, const struct image_job *job)
{
    enum status status = OK;
    archive->done_bytes = archive->size_bytes;
    archive->phase = ARCHIVE_UNPACKING;
    if (job->result.image_count == 0 || job->result.image_count > ARCHIVE_IMAGE_MAX)
        status = ERR_FORMAT;
    for (uint32_t i = 0; status == OK && i < job->result.image_count; i++) {
        const struct image_job_image *image = &job->image[i];
        status = image_valid(image, archive->size_bytes) ? take_image(images, archive, image)
                                                         : ERR_FORMAT;
    }
    if (status == ERR_FORMAT)
        archive_fail(images, archive, "what was read from it makes no sense");
    else if (status != OK)
        archive_fail(images, archive, "no memory for its images");
}

/* ---- What a worker said of a layer ---- */

static void use_layer(struct work *work, struct layer *layer)
{
    layer->users++;
    work->image->layer[work->layer_index] = layer;
    work->archive->done_bytes += work->image->wanted[work->layer_index].size_bytes;
}

/* A layer's problem begins with the digest by which its image names it. */
static void name_layer(const struct work *work, const char *problem, char *text, size_t size_bytes)
{
    const struct image_job_layer *layer = &work->image->wanted[work->layer_index];
    const struct image_digest *from =
        layer->blob.kind != IMAGE_DIGEST_NONE ? &layer->blob : &layer->diff_id;
    struct oci_digest digest = { .kind = from->kind };
    char name[OCI_DIGEST_TEXT_BYTES];
    memcpy(digest.bytes, from->bytes, sizeof(digest.bytes));
    oci_digest_text(&digest, name);
    (void)format_text(text, size_bytes, "%s: %s", name, problem);
}

static void take_hash(struct images *images, const struct image_digest *digest)
{
    struct work *work = &images->work;
    const struct image_job_layer *wanted = &work->image->wanted[work->layer_index];
    if (wanted->blob.kind == IMAGE_SHA256 && !digest_equal(&wanted->blob, digest)) {
        char text[IMAGE_JOB_TEXT_BYTES];
        name_layer(work, "its digest is another one than its name says", text, sizeof(text));
        archive_fail(images, work->archive, text);
        return;
    }
    struct layer *layer = layer_find(images, digest, wanted);
    work->blob = *digest;
    work->hashed = layer == NULL;
    if (layer != NULL)
        use_layer(work, layer);
}

/* An image of so many whole blocks, and nothing behind it. */
static bool layer_valid(uint64_t memory, uint64_t image_bytes)
{
    struct erofs fs;
    void *at;
    if (image_bytes == 0 || image_bytes > LAYER_BYTES_MAX || image_bytes % SPACE_PAGE != 0)
        return false;
    if (image_bytes != LAYER_BYTES_MAX &&
        memory_range(memory, MEMORY_OP_DECOMMIT, image_bytes, LAYER_BYTES_MAX - image_bytes) != OK)
        return false;
    if (space_map(memory, 0, image_bytes, ACCESS_READ, &at) != OK)
        return false;
    bool valid = erofs_open(&fs, at, image_bytes) == OK;
    return space_unmap(at, image_bytes) == OK && valid;
}

static void take_layer(struct images *images, uint64_t image_bytes)
{
    struct work *work = &images->work;
    const struct image_job_layer *wanted = &work->image->wanted[work->layer_index];
    work->hashed = false;
    struct layer *layer = calloc(1, sizeof(*layer));
    if (layer == NULL || !layer_valid(work->layer_memory, image_bytes)) {
        free(layer);
        close_if(&work->layer_memory);
        archive_fail(images, work->archive, "a layer was not unpacked");
        return;
    }
    *layer = (struct layer){
        .next = images->layers,
        .blob = work->blob,
        .diff_id = wanted->diff_id,
        .blob_bytes = wanted->size_bytes,
        .memory = work->layer_memory,
        .image_bytes = image_bytes,
    };
    images->layers = layer;
    work->layer_memory = 0;
    use_layer(work, layer);
}

/* ---- What is to be done ---- */

/* The first layer that is not there; false if all are. */
static bool find_layer(struct archive *archive, struct work *work)
{
    for (uint32_t i = 0; i < archive->image_count; i++) {
        struct image *image = archive->image[i];
        for (uint32_t j = 0; j < image->layer_count; j++) {
            if (image->layer[j] == NULL) {
                work->image = image;
                work->layer_index = j;
                return true;
            }
        }
    }
    return false;
}

static void archive_done(struct archive *archive)
{
    uint32_t layer_count = 0;
    for (uint32_t i = 0; i < archive->image_count; i++)
        layer_count += archive->image[i]->layer_count;
    archive->phase = ARCHIVE_READY;
    archive->done_bytes = archive->total_bytes;
    close_if(&archive->memory);
    rt_log("archive %u is ready: %u images, %u layers", archive->number, archive->image_count,
           layer_count);
}

static void request_of(const struct work *work, struct image_job_request *request)
{
    const struct archive *archive = work->archive;
    *request = (struct image_job_request){
        .kind = IMAGE_JOB_ARCHIVE,
        .size_bytes = archive->size_bytes,
        .architecture = RT_IMAGE_ARCHITECTURE,
        .variant = RT_IMAGE_VARIANT,
    };
    if (archive->phase == ARCHIVE_READING)
        return;
    const struct image_job_layer *wanted = &work->image->wanted[work->layer_index];
    request->kind = work->hashed ? IMAGE_JOB_LAYER : IMAGE_JOB_HASH;
    request->at = wanted->at;
    request->size_bytes = wanted->size_bytes;
    if (wanted->blob.kind != IMAGE_SHA256) /* else the hash was compared already */
        request->blob = wanted->blob;
    request->diff_id = wanted->diff_id;
    request->entry_max = LAYER_ENTRY_MAX;
    request->unpacked_bytes_max = UNPACKED_BYTES_MAX;
    request->image_bytes_max = LAYER_BYTES_MAX;
    request->metadata_bytes_max = METADATA_BYTES_MAX;
}

static void begin_job(struct images *images)
{
    struct work *work = &images->work;
    struct image_job_request request;
    enum status status = OK;
    request_of(work, &request);
    if (request.kind == IMAGE_JOB_LAYER)
        status = memory_create(rt_budget(), LAYER_BYTES_MAX, 0, 0, 0, &work->layer_memory);
    if (status == OK)
        status = worker_start(images, &request);
    if (status == OK)
        return;
    rt_log("a worker cannot be started: %s", status_text(status));
    work->hashed = false;
    close_if(&work->layer_memory);
    archive_fail(images, work->archive, "no worker could be started to read it");
}

void work_begin(struct images *images)
{
    struct work *work = &images->work;
    for (unsigned i = 0; i < ARCHIVE_MAX && !work->running; i++) {
        struct archive *archive = &images->archive[i];
        if (!archive->present || archive->phase > ARCHIVE_UNPACKING)
            continue;
        if (work->archive != archive)
            work->hashed = false;
        work->archive = archive;
        if (archive->phase == ARCHIVE_UNPACKING && !find_layer(archive, work))
            archive_done(archive);
        else
            begin_job(images);
    }
}

static const char *problem_of(const struct image_job_result *result, bool late)
{
    if (late)
        return "reading it took too long";
    if (result->done != 1)
        return "whoever read it has crashed, or had too little memory";
    return result->problem[0] != '\0' ? result->problem : "it could not be read";
}

/* The worker is gone: what it said, or why it said nothing. */
static void take_result(struct images *images, uint32_t kind, bool late)
{
    struct work *work = &images->work;
    struct image_job_result *result = &work->job->result;
    struct archive *archive = work->archive;
    result->problem[sizeof(result->problem) - 1] = '\0';
    if (result->done != 1 || result->status != OK) {
        work->hashed = false;
        close_if(&work->layer_memory);
        char text[IMAGE_JOB_TEXT_BYTES];
        const char *problem = problem_of(result, late);
        if (kind != IMAGE_JOB_ARCHIVE)
            name_layer(work, problem, text, sizeof(text));
        archive_fail(images, archive, kind != IMAGE_JOB_ARCHIVE ? text : problem);
        return;
    }
    if (kind == IMAGE_JOB_ARCHIVE)
        take_index(images, archive, work->job);
    else if (kind == IMAGE_JOB_HASH)
        take_hash(images, &result->digest);
    else
        take_layer(images, result->image_bytes);
}

static uint32_t kind_of(const struct work *work)
{
    if (work->archive->phase == ARCHIVE_READING)
        return IMAGE_JOB_ARCHIVE;
    return work->hashed ? IMAGE_JOB_LAYER : IMAGE_JOB_HASH;
}

void work_finish(struct images *images, bool late)
{
    worker_end(images);
    take_result(images, kind_of(&images->work), late);
    worker_forget(images);
    work_begin(images);
}

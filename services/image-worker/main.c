/* image-worker: reads what strangers have packed, once, and is gone (abi/image_worker.h). It holds
 * the blob to read, the job to answer and, for a layer, the memory to write: whatever happens to
 * it, nothing else can be reached from here.
 */
#include <abi_syscalls.h>
#include <base/fmt.h>
#include <base/string.h>
#include <image_worker.h>
#include <oci/archive.h>
#include <oci/layer.h>
#include <rt/space.h>
#include <rt/startup.h>

enum { PIECE_BYTES = 256 * 1024 };

struct worker {
    struct image_job *job;
    struct image_job_request request; /* a copy */
    const uint8_t *blob;              /* the part that the job is about */
    uint8_t *image;                   /* a layer's */
    struct oci_memory memory;
    struct oci_error error;
};

static uint64_t page_up(uint64_t size_bytes)
{
    return ALIGN_UP(size_bytes, (uint64_t)SPACE_PAGE);
}

/* ---- What was given ---- */

static enum status map_all(struct worker *worker)
{
    void *at;
    enum status status = space_map(rt_handle("job"), 0, page_up(sizeof(struct image_job)),
                                   ACCESS_READ | ACCESS_WRITE, &at);
    if (status != OK)
        return status;
    worker->job = at;
    worker->request = worker->job->request;
    const struct image_job_request *request = &worker->request;
    uint64_t offset = ALIGN_DOWN(request->at, (uint64_t)SPACE_PAGE);
    uint64_t inside = request->at - offset;
    worker->blob = (const uint8_t *)"";
    if (request->size_bytes != 0) {
        status = space_map(rt_handle("blob"), offset, page_up(inside + request->size_bytes),
                           ACCESS_READ, &at);
        worker->blob = (const uint8_t *)at + inside;
    }
    if (status == OK && request->kind == IMAGE_JOB_LAYER) {
        status = space_map(rt_handle("layer"), 0, request->image_bytes_max,
                           ACCESS_READ | ACCESS_WRITE, &at);
        worker->image = at;
    }
    return status == OK ? OK
                        : oci_fail(&worker->error, status,
                                   "it is shorter than was said, or cannot "
                                   "be mapped");
}

static void take_digest(const struct image_digest *from, struct oci_digest *to)
{
    to->kind = from->kind <= IMAGE_SHA512 ? from->kind : OCI_DIGEST_NONE;
    memcpy(to->bytes, from->bytes, sizeof(to->bytes));
}

static void give_digest(const struct oci_digest *from, struct image_digest *to)
{
    to->kind = from->kind;
    memcpy(to->bytes, from->bytes, sizeof(to->bytes));
}

static_assert((int)IMAGE_SHA256 == (int)OCI_SHA256 && (int)IMAGE_SHA512 == (int)OCI_SHA512 &&
                  sizeof(((struct image_digest *)0)->bytes) ==
                      sizeof(((struct oci_digest *)0)->bytes),
              "digests are alike here and there");

/* Read the blob, and say how far we are. */
static enum status blob_read(void *context, void *to, size_t room, size_t *got_out)
{
    struct worker *worker = context;
    size_t part = MIN(room, (size_t)PIECE_BYTES);
    struct oci_source source = oci_memory_source(&worker->memory);
    enum status status = source.read(source.context, to, part, got_out);
    if (status == OK)
        worker->job->read_bytes += *got_out;
    return status;
}

/* ---- Jobs ---- */

static enum status do_hash(struct worker *worker, struct image_job_result *result)
{
    struct oci_hash hash;
    struct oci_digest digest;
    const struct image_job_request *request = &worker->request;
    oci_hash_begin(&hash, OCI_SHA256);
    for (uint64_t at = 0; at < request->size_bytes; at += PIECE_BYTES) {
        size_t part = (size_t)MIN((uint64_t)PIECE_BYTES, request->size_bytes - at);
        oci_hash_add(&hash, worker->blob + at, part);
    }
    oci_hash_end(&hash, &digest);
    give_digest(&digest, &result->digest);
    return OK;
}

/* lib/oci keeps within image_bytes_max, which is what is mapped. */
static enum status write_image(void *context, uint64_t at, const void *data, size_t size_bytes)
{
    struct worker *worker = context;
    if (at > worker->request.image_bytes_max || size_bytes > worker->request.image_bytes_max - at)
        return ERR_RANGE;
    memcpy(worker->image + at, data, size_bytes);
    return OK;
}

static enum status do_layer(struct worker *worker, struct image_job_result *result)
{
    const struct image_job_request *request = &worker->request;
    struct oci_layer_result made;
    struct oci_layer_request wanted = {
        .blob = { .context = worker, .read = blob_read },
        .limits = { .unpacked_bytes_max = request->unpacked_bytes_max,
                    .image_bytes_max = request->image_bytes_max,
                    .metadata_bytes_max = request->metadata_bytes_max,
                    .entry_max = request->entry_max },
        .context = worker,
        .write = write_image,
    };
    take_digest(&request->blob, &wanted.blob_digest);
    take_digest(&request->diff_id, &wanted.diff_id);
    worker->memory = (struct oci_memory){ worker->blob, request->size_bytes };
    enum status status = oci_layer_build(&wanted, &made, &worker->error);
    if (status == OK)
        result->image_bytes = made.image_bytes;
    return status;
}

/* lib/oci has the same bounds as the job. */
static_assert(OCI_IMAGE_MAX <= (int)IMAGE_JOB_IMAGE_MAX && OCI_NAME_MAX <= (int)IMAGE_NAME_MAX &&
                  OCI_NAME_BYTES_MAX < (int)IMAGE_NAME_BYTES &&
                  OCI_LAYER_MAX <= (int)IMAGE_LAYER_MAX,
              "a job has room for whatever an archive has");

static void give_image(const struct oci_image *image, struct image_job_image *to)
{
    give_digest(&image->id, &to->id);
    to->name_count = image->name_count;
    to->layer_count = image->layer_count;
    for (unsigned i = 0; i < image->name_count; i++)
        (void)format_text(to->name[i], sizeof(to->name[i]), "%s", image->name[i]);
    for (unsigned i = 0; i < image->layer_count; i++) {
        to->layer[i].at = image->layer[i].at;
        to->layer[i].size_bytes = image->layer[i].size_bytes;
        give_digest(&image->layer[i].blob, &to->layer[i].blob);
        give_digest(&image->layer[i].diff_id, &to->layer[i].diff_id);
    }
    memcpy(to->config_bytes, image->config, image->config->size_bytes);
}

static enum status do_archive(struct worker *worker, struct image_job_result *result)
{
    const struct image_job_request *request = &worker->request;
    const struct oci_platform platform = { request->architecture, request->variant };
    struct oci_archive archive;
    struct oci_images *images;
    enum status status =
        oci_archive_open(&archive, worker->blob, request->size_bytes, &worker->error);
    if (status != OK)
        return status;
    status = oci_archive_images(&archive, &platform, &images);
    for (unsigned i = 0; status == OK && i < images->count; i++)
        give_image(&images->image[i], &worker->job->image[i]);
    if (status == OK)
        result->image_count = images->count;
    return status;
}

static enum status do_job(struct worker *worker, struct image_job_result *result)
{
    switch (worker->request.kind) {
    case IMAGE_JOB_ARCHIVE:
        return do_archive(worker, result);
    case IMAGE_JOB_HASH:
        return do_hash(worker, result);
    case IMAGE_JOB_LAYER:
        return do_layer(worker, result);
    default:
        return oci_fail(&worker->error, ERR_UNSUPPORTED, "it is no job that is known");
    }
}

int main(void)
{
    static struct worker worker;
    static struct image_job_result result;
    enum status status = map_all(&worker);
    if (worker.job == NULL)
        return 1;
    if (status == OK)
        status = do_job(&worker, &result);
    oci_error_line(&worker.error, result.problem, sizeof(result.problem));
    result.status = (uint32_t)status;
    result.done = 1;
    worker.job->result = result;
    return 0;
}

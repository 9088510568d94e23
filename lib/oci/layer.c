/* From a blob to an image: one pass over the stream. */
#include <base/checked.h>
#include <oci/unpack.h>
#include <string.h>

#include "layer_impl.h"

enum { BUFFER_BYTES = 64 * 1024 };

const struct oci_layer_limits oci_layer_limits_default = {
    .unpacked_bytes_max = (uint64_t)64 << 30,
    .image_bytes_max = (uint64_t)64 << 30,
    .metadata_bytes_max = (uint64_t)512 << 20,
    .entry_max = 4 << 20,
};

/* Everything that one layer needs; too large for a stack. */
struct build {
    const struct oci_layer_request *request;
    struct oci_error *error;
    struct oci_unpack *unpack;
    struct oci_source stream;
    struct oci_hash diff_hash;
    uint64_t unpacked_bytes;
    uint64_t data_end; /* in the image */
    uint32_t entry_count;
    struct tar_reader tar;
    struct layer layer;
    uint8_t buffer[BUFFER_BYTES];
};

/* What the tar reader reads: what comes out of the blob, its digest made on the way. */
static enum status stream_read(void *context, void *to, size_t room, size_t *got_out)
{
    struct build *build = context;
    enum status status = build->stream.read(build->stream.context, to, room, got_out);
    if (status != OK)
        return status;
    oci_hash_add(&build->diff_hash, to, *got_out);
    build->unpacked_bytes += *got_out;
    return OK;
}

static enum status write_data(struct build *build, struct layer_node *node)
{
    const struct oci_layer_request *request = build->request;
    uint64_t start = ALIGN_UP(build->data_end, (uint64_t)LAYER_BLOCK_BYTES);
    if (!checked_range_within(start, node->size_bytes, request->limits.image_bytes_max))
        return layer_fail(&build->layer, ERR_LIMIT, "the layer is larger than is allowed");
    node->data_at = start;
    for (;;) {
        uint64_t at;
        size_t got;
        enum status status = tar_data(&build->tar, build->buffer, BUFFER_BYTES, &at, &got);
        if (status != OK)
            return status;
        if (got == 0)
            break;
        status = request->write(request->context, start + at, build->buffer, got);
        if (status != OK)
            return layer_fail(&build->layer, status, "the image cannot be written");
    }
    build->data_end = start + node->size_bytes;
    return OK;
}

static enum status read_entries(struct build *build)
{
    for (;;) {
        const struct tar_entry *entry;
        struct layer_node *file;
        bool more;
        enum status status = tar_next(&build->tar, &entry, &more);
        if (status != OK || !more)
            return status;
        if (build->entry_count++ == build->request->limits.entry_max)
            return oci_fail(build->error, ERR_LIMIT, "too many entries");
        status = layer_apply(&build->layer, entry, &file);
        if (status == OK && file != NULL)
            status = write_data(build, file);
        if (status != OK)
            return status;
    }
}

/* What is behind the end of the archive belongs to the digests, too. */
static enum status read_rest(struct build *build)
{
    size_t got;
    enum status status;
    do
        status = stream_read(build, build->buffer, BUFFER_BYTES, &got);
    while (status == OK && got != 0);
    return status;
}

static enum status check_digests(struct build *build, struct oci_layer_result *result)
{
    const struct oci_layer_request *request = build->request;
    oci_unpack_digest(build->unpack, &result->blob_digest);
    oci_hash_end(&build->diff_hash, &result->diff_id);
    if (request->blob_digest.kind != OCI_DIGEST_NONE &&
        !oci_digest_equal(&request->blob_digest, &result->blob_digest))
        return oci_fail(build->error, ERR_DIGEST, "its digest is another one than its name says");
    if (request->diff_id.kind != OCI_DIGEST_NONE &&
        !oci_digest_equal(&request->diff_id, &result->diff_id))
        return oci_fail(build->error, ERR_DIGEST,
                        "the digest of what it unpacks to is another one than the image says");
    return OK;
}

static enum status build_all(struct build *build, struct oci_layer_result *result)
{
    const struct oci_layer_request *request = build->request;
    enum status status =
        layer_open(&build->layer, request->limits.metadata_bytes_max, build->error);
    if (status != OK)
        return status;
    status = oci_unpack_open(request->blob, request->blob_digest.kind,
                             request->limits.unpacked_bytes_max, build->error, &build->unpack);
    if (status != OK)
        return status;
    build->stream = oci_unpack_source(build->unpack);
    oci_hash_begin(&build->diff_hash, request->diff_id.kind != OCI_DIGEST_NONE
                                          ? request->diff_id.kind
                                          : (uint32_t)OCI_SHA256);
    tar_open(&build->tar, (struct oci_source){ .context = build, .read = stream_read },
             build->error);
    status = read_entries(build);
    if (status == OK)
        status = read_rest(build);
    if (status == OK)
        status = check_digests(build, result);
    if (status != OK)
        return status;
    result->blob_bytes = oci_unpack_read_bytes(build->unpack);
    result->unpacked_bytes = build->unpacked_bytes;
    result->entry_count = build->entry_count;
    result->xattr_ignored_count = build->layer.xattr_ignored_count;
    return layer_image_write(&build->layer, request, build->data_end, result);
}

enum status oci_layer_build(const struct oci_layer_request *request,
                            struct oci_layer_result *result_out, struct oci_error *error)
{
    struct oci_layer_result result = { 0 };
    struct build *build = oci_alloc_zeroed(1, sizeof(*build));
    if (build == NULL)
        return oci_fail(error, ERR_NO_MEMORY, "no memory to unpack a layer");
    build->request = request;
    build->error = error;
    build->data_end = LAYER_BLOCK_BYTES;
    enum status status = build_all(build, &result);
    tar_close(&build->tar);
    oci_unpack_close(build->unpack);
    layer_close(&build->layer);
    oci_free(build);
    if (status == OK)
        *result_out = result;
    return status;
}

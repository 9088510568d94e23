/* OCI image layouts (OCI image specification, "Image Layout"): oci-layout, index.json, and blobs by
 * their digests. index.json names manifests, or further indexes with one manifest for each
 * platform. */
#include <base/checked.h>
#include <base/fmt.h>
#include <cJSON.h>
#include <oci/source.h>
#include <string.h>

#include "archive_impl.h"
#include "json.h"

enum { PLATFORMS_BYTES = 160, DATA_BYTES_MAX = JSON_BYTES_MAX };

enum blob_kind { BLOB_INDEX, BLOB_MANIFEST, BLOB_CONFIG, BLOB_LAYER, BLOB_OTHER };

static const struct {
    const char *media_type;
    enum blob_kind kind;
} media_types[] = {
    { "application/vnd.oci.image.index.v1+json", BLOB_INDEX },
    { "application/vnd.docker.distribution.manifest.list.v2+json", BLOB_INDEX },
    { "application/vnd.oci.image.manifest.v1+json", BLOB_MANIFEST },
    { "application/vnd.docker.distribution.manifest.v2+json", BLOB_MANIFEST },
    { "application/vnd.oci.image.config.v1+json", BLOB_CONFIG },
    { "application/vnd.docker.container.image.v1+json", BLOB_CONFIG },
    { "application/vnd.oci.image.layer.v1.tar", BLOB_LAYER },
    { "application/vnd.oci.image.layer.v1.tar+gzip", BLOB_LAYER },
    { "application/vnd.oci.image.layer.v1.tar+zstd", BLOB_LAYER },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar", BLOB_LAYER },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", BLOB_LAYER },
    { "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", BLOB_LAYER },
    { "application/vnd.docker.image.rootfs.diff.tar", BLOB_LAYER },
    { "application/vnd.docker.image.rootfs.diff.tar.gzip", BLOB_LAYER },
    { "application/vnd.docker.image.rootfs.diff.tar.zstd", BLOB_LAYER },
    { "application/vnd.docker.image.rootfs.foreign.diff.tar", BLOB_LAYER },
    { "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", BLOB_LAYER },
};

/* A descriptor, as it stands in an index or a manifest. */
struct descriptor {
    enum blob_kind kind;
    const char *digest_text;
    struct oci_digest digest;
    uint64_t size_bytes;
    const char *data; /* the blob itself, in base64; or NULL */
    const cJSON *json;
};

/* What goes through the whole search. */
struct search {
    const struct oci_archive *archive;
    const struct oci_platform *platform;
    struct oci_images *images;
    const char *name;           /* of what is searched, or NULL */
    bool found;                 /* under this name */
    unsigned budget;            /* descriptors that may still be looked at */
    char seen[PLATFORMS_BYTES]; /* platforms that were not ours */
};

static enum blob_kind kind_of(const char *media_type)
{
    for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
        if (strcmp(media_types[i].media_type, media_type) == 0)
            return media_types[i].kind;
    }
    return BLOB_OTHER;
}

static enum status descriptor_read(const struct oci_archive *archive, const cJSON *json,
                                   const char *where, struct descriptor *out)
{
    bool twice = false;
    const char *media_type = json_text(json_member(json, "mediaType", &twice));
    const char *digest = json_text(json_member(json, "digest", &twice));
    const cJSON *size = json_member(json, "size", &twice);
    const cJSON *data = json_member(json, "data", &twice);
    *out = (struct descriptor){ .digest_text = digest, .data = json_text(data), .json = json };
    if (twice || media_type == NULL || digest == NULL || !json_size(size, &out->size_bytes) ||
        (data != NULL && out->data == NULL))
        return archive_fail(archive, ERR_FORMAT, where,
                            "a descriptor without mediaType, digest or size, or with one of them "
                            "twice");
    if (!oci_digest_parse(digest, &out->digest))
        return archive_fail(archive, ERR_FORMAT, digest,
                            "it is no digest of a kind that is known (sha256, sha512)");
    out->kind = kind_of(media_type);
    return OK;
}

/* ---- Blobs ---- */

static enum status find_blob(const struct oci_archive *archive, const struct descriptor *wanted,
                             const struct oci_file **file_out)
{
    char path[sizeof("blobs/") + OCI_DIGEST_TEXT_BYTES];
    (void)format_text(path, sizeof(path), "blobs/%s", wanted->digest_text);
    path[strcspn(path, ":")] = '/';
    const struct oci_file *file = archive_find(archive, path);
    const char *reason = NULL;
    if (file == NULL)
        reason = "a blob that is not in the archive";
    else if (file->size_bytes != wanted->size_bytes)
        reason = "a blob of another size than its descriptor says";
    if (reason != NULL) {
        (void)archive_fail(archive, ERR_FORMAT, wanted->digest_text, reason);
        return ERR_FORMAT;
    }
    *file_out = file;
    return OK;
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* The blob that a descriptor brings along (RFC 4648, section 4). */
static enum status embedded(const struct oci_archive *archive, const struct descriptor *wanted,
                            char **text_out)
{
    size_t length = strlen(wanted->data);
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t done = 0;
    while (length > 0 && wanted->data[length - 1] == '=')
        length--;
    char *text = oci_alloc(length / 4 * 3 + 4);
    if (text == NULL)
        return archive_fail(archive, ERR_NO_MEMORY, wanted->digest_text, "no memory for a blob");
    for (size_t i = 0; i < length; i++) {
        int value = base64_value(wanted->data[i]);
        if (value < 0) {
            oci_free(text);
            return archive_fail(archive, ERR_FORMAT, wanted->digest_text, "its data is no base64");
        }
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            text[done++] = (char)(bits >> bit_count & 0xff);
        }
    }
    text[done] = '\0';
    *text_out = text;
    if (done == wanted->size_bytes)
        return OK;
    oci_free(text);
    return archive_fail(archive, ERR_FORMAT, wanted->digest_text,
                        "a blob of another size than its descriptor says");
}

/* A small blob, its digest verified, as JSON. */
static enum status blob_json(const struct oci_archive *archive, const struct descriptor *wanted,
                             cJSON **json_out)
{
    const struct oci_file *file = NULL;
    struct oci_digest found;
    char *text = NULL;
    enum status status;
    if (wanted->data != NULL) {
        status = embedded(archive, wanted, &text);
    } else {
        status = find_blob(archive, wanted, &file);
        if (status == OK)
            status = archive_read(archive, file, &text);
    }
    if (status != OK)
        return status;
    oci_digest_of(wanted->digest.kind, text, (size_t)wanted->size_bytes, &found);
    if (!oci_digest_equal(&found, &wanted->digest))
        status = archive_fail(archive, ERR_DIGEST, wanted->digest_text,
                              "its digest is another one than its name says");
    if (status == OK)
        status = archive_json(archive, wanted->digest_text, text, wanted->size_bytes, json_out);
    oci_free(text);
    return status;
}

/* ---- Manifests ---- */

static enum status read_layers(const struct oci_archive *archive, const cJSON *layers,
                               const char *where, struct oci_image *image)
{
    const cJSON *item;
    int count = cJSON_GetArraySize(layers);
    if (count > OCI_LAYER_MAX)
        return archive_fail(archive, ERR_LIMIT, where, "an image of more than 128 layers");
    image->layer = oci_alloc_zeroed((size_t)count, sizeof(image->layer[0]));
    if (image->layer == NULL)
        return archive_fail(archive, ERR_NO_MEMORY, where, "no memory for an image");
    cJSON_ArrayForEach(item, layers)
    {
        struct descriptor layer;
        const struct oci_file *file = NULL;
        enum status status = descriptor_read(archive, item, where, &layer);
        if (status == OK && layer.kind != BLOB_LAYER)
            status = archive_fail(archive, ERR_UNSUPPORTED, layer.digest_text,
                                  "a layer of a media type that is not known");
        if (status == OK)
            status = find_blob(archive, &layer, &file);
        if (status != OK)
            return status;
        image->layer[image->layer_count++] = (struct oci_image_layer){
            .at = file->at,
            .size_bytes = file->size_bytes,
            .blob = layer.digest,
        };
    }
    return OK;
}

static enum status read_config(const struct search *search, const struct descriptor *wanted,
                               struct oci_image *image)
{
    cJSON *json;
    const struct config_wanted config = { search->platform, image->layer_count };
    if (wanted->kind != BLOB_CONFIG)
        return archive_fail(search->archive, ERR_UNSUPPORTED, wanted->digest_text,
                            "an artifact that is no container image");
    image->id = wanted->digest;
    enum status status = blob_json(search->archive, wanted, &json);
    if (status != OK)
        return status;
    status = config_read(search->archive, json, &config, image);
    cJSON_Delete(json);
    return status == OK ? OK : archive_fail(search->archive, status, wanted->digest_text, "");
}

static enum status read_manifest(const struct search *search, const cJSON *json, const char *where,
                                 struct oci_image *image)
{
    bool twice = false;
    struct descriptor config;
    const cJSON *layers = json_member(json, "layers", &twice);
    const cJSON *config_json = json_member(json, "config", &twice);
    if (twice || !cJSON_IsObject(config_json) || !cJSON_IsArray(layers))
        return archive_fail(search->archive, ERR_FORMAT, where,
                            "a manifest without config or layers");
    enum status status = descriptor_read(search->archive, config_json, where, &config);
    if (status == OK)
        status = read_layers(search->archive, layers, where, image);
    return status == OK ? read_config(search, &config, image) : status;
}

/* Other platforms are no mistake: they are remembered, so that it can be said what there was. */
static void add_seen(struct search *search, const char *platform, size_t platform_length)
{
    size_t length = strlen(search->seen);
    (void)format_text(search->seen + length, sizeof(search->seen) - length, "%s%.*s",
                      length != 0 ? ", " : "", (int)platform_length, platform);
}

static enum status add_image(struct search *search, const struct descriptor *wanted)
{
    cJSON *json;
    struct oci_image image = { 0 };
    struct oci_image *added;
    enum status status = blob_json(search->archive, wanted, &json);
    if (status != OK)
        return status;
    status = read_manifest(search, json, wanted->digest_text, &image);
    cJSON_Delete(json);
    if (status == ERR_NOT_FOUND) {
        struct oci_error *error = search->archive->error;
        const char *platform = error->reason + strlen("it is for ");
        add_seen(search, platform, strcspn(platform, ","));
        *error = (struct oci_error){ 0 };
        image_free(&image);
        return OK;
    }
    if (status != OK) {
        image_free(&image);
        return status;
    }
    status = images_add(search->archive, search->images, &image, &added);
    if (status == OK && search->name != NULL)
        status = image_name(search->archive, added, search->name);
    search->found = search->found || status == OK;
    return status;
}

/* ---- Indexes ---- */

/* Whether the descriptor's platform is ours; one that says nothing may be. */
static bool is_for_us(struct search *search, const cJSON *json)
{
    bool twice = false;
    const cJSON *platform = json_member(json, "platform", &twice);
    const char *os = json_text(json_member(platform, "os", &twice));
    const char *architecture = json_text(json_member(platform, "architecture", &twice));
    const char *variant = json_text(json_member(platform, "variant", &twice));
    if (platform == NULL)
        return true;
    if (os == NULL || architecture == NULL || twice)
        return false;
    variant = variant != NULL ? variant : "";
    if (platform_matches(search->platform, os, architecture, variant))
        return true;
    char text[PLATFORMS_BYTES];
    (void)format_text(text, sizeof(text), "%s/%s%s%s", os, architecture,
                      variant[0] != '\0' ? "/" : "", variant);
    add_seen(search, text, strlen(text));
    return false;
}

/* What stands for signatures and the like beside the images of an index. */
static bool is_attestation(const cJSON *json)
{
    bool twice = false;
    const cJSON *annotations = json_member(json, "annotations", &twice);
    return json_member(annotations, "vnd.docker.reference.type", &twice) != NULL;
}

static const char *name_in(const cJSON *json)
{
    bool twice = false;
    const cJSON *annotations = json_member(json, "annotations", &twice);
    const char *full = json_text(json_member(annotations, "io.containerd.image.name", &twice));
    const char *name =
        json_text(json_member(annotations, "org.opencontainers.image.ref.name", &twice));
    return full != NULL ? full : name;
}

/* Nested indexes are gone through without recursion: those that wait lie in a list. */
struct pending {
    struct pending *next;
    cJSON *json;
    unsigned depth;
};

static enum status push(struct search *search, struct pending **list, cJSON *json_taken,
                        unsigned depth, const char *where)
{
    struct pending *pending = oci_alloc(sizeof(*pending));
    if (pending == NULL || depth > OCI_INDEX_DEPTH_MAX) {
        oci_free(pending);
        cJSON_Delete(json_taken);
        return archive_fail(search->archive, pending == NULL ? ERR_NO_MEMORY : ERR_LIMIT, where,
                            pending == NULL ? "no memory for an index"
                                            : "indexes nested deeper than 4");
    }
    *pending = (struct pending){ *list, json_taken, depth };
    *list = pending;
    return OK;
}

/* One descriptor of an index: an image, another index, or nothing for us. */
static enum status visit(struct search *search, struct pending **list, const cJSON *item,
                         unsigned depth)
{
    struct descriptor found;
    if (search->budget-- == 0)
        return archive_fail(search->archive, ERR_LIMIT, "index.json", "more than 1024 descriptors");
    enum status status = descriptor_read(search->archive, item, "index.json", &found);
    if (status != OK || is_attestation(item) || !is_for_us(search, item))
        return status;
    if (found.kind == BLOB_MANIFEST)
        return search->found ? OK : add_image(search, &found);
    if (found.kind != BLOB_INDEX)
        return OK;
    cJSON *json;
    status = blob_json(search->archive, &found, &json);
    return status == OK ? push(search, list, json, depth + 1, found.digest_text) : status;
}

static enum status visit_all(struct search *search, struct pending **list)
{
    enum status status = OK;
    while (*list != NULL) {
        struct pending *pending = *list;
        bool twice = false;
        const cJSON *manifests = json_member(pending->json, "manifests", &twice);
        const cJSON *item;
        *list = pending->next;
        if (status == OK && (twice || !cJSON_IsArray(manifests)))
            status = archive_fail(search->archive, ERR_FORMAT, "index.json",
                                  "an index without a list of manifests");
        cJSON_ArrayForEach(item, manifests)
        {
            if (status == OK)
                status = visit(search, list, item, pending->depth);
        }
        cJSON_Delete(pending->json);
        oci_free(pending);
    }
    return status;
}

/* One descriptor of index.json: an image, or an index of which one image is for us. */
static enum status visit_top(struct search *search, const cJSON *item)
{
    struct pending *list = NULL;
    search->name = name_in(item);
    search->found = false;
    enum status status = visit(search, &list, item, 0);
    if (status == OK)
        return visit_all(search, &list);
    return status;
}

static enum status read_index(const struct oci_archive *archive, const char *name, cJSON **json_out)
{
    char *text;
    const struct oci_file *file = archive_find(archive, name);
    enum status status = archive_read(archive, file, &text);
    if (status != OK)
        return status;
    status = archive_json(archive, name, text, file->size_bytes, json_out);
    oci_free(text);
    return status;
}

static enum status check_version(const struct oci_archive *archive)
{
    bool twice = false;
    cJSON *json;
    enum status status = read_index(archive, "oci-layout", &json);
    if (status != OK)
        return status;
    const char *version = json_text(json_member(json, "imageLayoutVersion", &twice));
    if (version == NULL || twice || strncmp(version, "1.", 2) != 0)
        status = archive_fail(archive, ERR_UNSUPPORTED, "oci-layout",
                              "an image layout of a version that is not known");
    cJSON_Delete(json);
    return status;
}

enum status layout_images(const struct oci_archive *archive, const struct oci_platform *platform,
                          struct oci_images *images)
{
    struct search search = { archive, platform, images, .budget = OCI_DESCRIPTOR_MAX };
    bool twice = false;
    cJSON *json;
    enum status status = check_version(archive);
    if (status == OK)
        status = read_index(archive, "index.json", &json);
    if (status != OK)
        return status;
    const cJSON *manifests = json_member(json, "manifests", &twice);
    if (twice || !cJSON_IsArray(manifests))
        status =
            archive_fail(archive, ERR_FORMAT, "index.json", "an index without a list of manifests");
    const cJSON *item;
    cJSON_ArrayForEach(item, manifests)
    {
        if (status == OK)
            status = visit_top(&search, item);
    }
    if (status == OK && images->count == 0 && search.seen[0] != '\0') {
        char reason[OCI_ERROR_TEXT_BYTES];
        (void)format_text(reason, sizeof(reason), "nothing for linux/%s; there is %s",
                          platform->architecture, search.seen);
        status = archive_fail(archive, ERR_NOT_FOUND, "index.json", reason);
    }
    cJSON_Delete(json);
    return status;
}

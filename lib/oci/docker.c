/* What `docker save` writes: manifest.json, a list of { Config, RepoTags, Layers } of file names.
 * Digests are only in names and configurations here, so the image's id is what its configuration's
 * bytes give, and each layer is known by its DiffID. */
#include <base/fmt.h>
#include <cJSON.h>
#include <oci/source.h>
#include <string.h>

#include "archive_impl.h"
#include "json.h"

#define MANIFEST "manifest.json"

/* "ID.json" and "blobs/sha256/ID" are promises; other names are just names. */
static bool name_promises(const char *name, struct oci_digest *digest_out)
{
    char text[OCI_DIGEST_TEXT_BYTES];
    const char *slash = strrchr(name, '/');
    const char *from = slash != NULL ? slash + 1 : name;
    size_t length = strlen(from);
    if (length > 5 && strcmp(from + length - 5, ".json") == 0)
        length -= 5;
    if (length != (size_t)2 * SHA256_BYTES)
        return false;
    (void)format_text(text, sizeof(text), "sha256:%.*s", (int)length, from);
    return oci_digest_parse(text, digest_out);
}

static enum status find_layers(const struct oci_archive *archive, const cJSON *layers,
                               struct oci_image *image)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, layers)
    {
        const struct oci_file *file =
            cJSON_IsString(item) ? archive_find(archive, item->valuestring) : NULL;
        if (file == NULL)
            return archive_fail(archive, ERR_FORMAT,
                                cJSON_IsString(item) ? item->valuestring : MANIFEST,
                                "a layer that is not in the archive");
        image->layer[image->layer_count++] = (struct oci_image_layer){
            .at = file->at,
            .size_bytes = file->size_bytes,
        };
    }
    return OK;
}

static enum status read_config(const struct oci_archive *archive,
                               const struct oci_platform *platform, const struct oci_file *file,
                               struct oci_image *image)
{
    struct oci_digest promised;
    char *text;
    cJSON *json;
    enum status status = archive_read(archive, file, &text);
    if (status != OK)
        return status;
    oci_digest_of(OCI_SHA256, text, (size_t)file->size_bytes, &image->id);
    if (name_promises(file->name, &promised) && !oci_digest_equal(&promised, &image->id)) {
        oci_free(text);
        return archive_fail(archive, ERR_DIGEST, file->name,
                            "its digest is another one than its name says");
    }
    status = archive_json(archive, file->name, text, file->size_bytes, &json);
    oci_free(text);
    if (status != OK)
        return status;
    const struct config_wanted wanted = { platform, image->layer_count };
    status = config_read(archive, json, &wanted, image);
    cJSON_Delete(json);
    return status == OK ? OK : archive_fail(archive, status, file->name, "");
}

static enum status add_names(const struct oci_archive *archive, struct oci_image *image,
                             const cJSON *tags)
{
    const cJSON *tag;
    cJSON_ArrayForEach(tag, tags)
    {
        if (!cJSON_IsString(tag))
            return archive_fail(archive, ERR_FORMAT, MANIFEST, "a name that is no text");
        enum status status = image_name(archive, image, tag->valuestring);
        if (status != OK)
            return status;
    }
    return OK;
}

static enum status read_image(const struct oci_archive *archive,
                              const struct oci_platform *platform, const cJSON *item,
                              struct oci_image *image)
{
    bool twice = false;
    const char *config = json_text(json_member(item, "Config", &twice));
    const cJSON *layers = json_member(item, "Layers", &twice);
    const struct oci_file *file = config != NULL ? archive_find(archive, config) : NULL;
    if (twice || config == NULL || (layers != NULL && !cJSON_IsArray(layers)))
        return archive_fail(archive, ERR_FORMAT, MANIFEST, "an image without Config or Layers");
    if (file == NULL)
        return archive_fail(archive, ERR_FORMAT, config,
                            "a configuration that is not in the archive");
    int count = cJSON_GetArraySize(layers);
    if (count > OCI_LAYER_MAX)
        return archive_fail(archive, ERR_LIMIT, MANIFEST, "an image of more than 128 layers");
    image->layer = oci_alloc_zeroed((size_t)count, sizeof(image->layer[0]));
    if (image->layer == NULL)
        return archive_fail(archive, ERR_NO_MEMORY, MANIFEST, "no memory for an image");
    enum status status = find_layers(archive, layers, image);
    return status == OK ? read_config(archive, platform, file, image) : status;
}

static enum status add_image(const struct oci_archive *archive, const struct oci_platform *platform,
                             const cJSON *item, struct oci_images *images)
{
    bool twice = false;
    struct oci_image image = { 0 };
    struct oci_image *added;
    const cJSON *tags = json_member(item, "RepoTags", &twice);
    enum status status = OK;
    if (twice || (tags != NULL && !cJSON_IsArray(tags)))
        status = archive_fail(archive, ERR_FORMAT, MANIFEST, "RepoTags is no list, or comes twice");
    if (status == OK)
        status = read_image(archive, platform, item, &image);
    if (status != OK) {
        image_free(&image);
        return status;
    }
    status = images_add(archive, images, &image, &added);
    return status == OK ? add_names(archive, added, tags) : status;
}

enum status docker_images(const struct oci_archive *archive, const struct oci_platform *platform,
                          struct oci_images *images)
{
    const struct oci_file *file = archive_find(archive, MANIFEST);
    char *text;
    cJSON *json;
    enum status status = archive_read(archive, file, &text);
    if (status != OK)
        return status;
    status = archive_json(archive, MANIFEST, text, file->size_bytes, &json);
    oci_free(text);
    if (status != OK)
        return status;
    if (!cJSON_IsArray(json))
        status = archive_fail(archive, ERR_FORMAT, MANIFEST, "it is no list of images");
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        if (status == OK)
            status = add_image(archive, platform, item, images);
    }
    cJSON_Delete(json);
    return status;
}

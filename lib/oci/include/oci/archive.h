/* An archive of images in memory: an OCI image layout or what `docker save` writes, as one tar
 * file.
 *
 * Reading it verifies every digest of what is small (indexes, manifests, configurations); layers
 * are only found, their digests are for whoever unpacks them (oci/layer.h). The memory must stay as
 * it is. What an archive can make us allocate is bounded, and freed by oci_archive_close.
 */
#pragma once

#include <oci/config.h>
#include <oci/digest.h>
#include <oci/error.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    OCI_FILE_MAX = 1 << 16,
    OCI_IMAGE_MAX = 64,
    OCI_LAYER_MAX = 128,
    OCI_NAME_MAX = 16,         /* of one image */
    OCI_NAME_BYTES_MAX = 1024, /* of a reference */
    OCI_INDEX_DEPTH_MAX = 4,
    OCI_DESCRIPTOR_MAX = 1024, /* of one index */
};

struct oci_platform {
    const char *architecture; /* "amd64", "arm64" */
    const char *variant;      /* the one that every machine of it can run: "v1", "v8" */
};

/* A file of the archive; `at` counts from its beginning. */
struct oci_file {
    char *name;
    char *link; /* of links inside the archive; else NULL */
    uint64_t at;
    uint64_t size_bytes;
};

struct oci_archive {
    const uint8_t *bytes;
    uint64_t size_bytes;
    struct oci_error *error;
    struct oci_file *file;
    unsigned file_count, file_room;
};

/* Where a layer lies. */
struct oci_image_layer {
    uint64_t at;
    uint64_t size_bytes;
    struct oci_digest blob; /* OCI_DIGEST_NONE where the archive does not say */
    struct oci_digest diff_id;
};

struct oci_image {
    struct oci_digest id; /* of its configuration, as everywhere */
    char *name[OCI_NAME_MAX];
    unsigned name_count;
    struct oci_image_layer *layer; /* the lowest one first */
    unsigned layer_count;
    struct image_config *config;
};

struct oci_images {
    struct oci_image image[OCI_IMAGE_MAX];
    unsigned count;
};

/* Read what there is. `error` must outlive the archive. */
enum status oci_archive_open(struct oci_archive *archive, const void *bytes, uint64_t size_bytes,
                             struct oci_error *error);
void oci_archive_close(struct oci_archive *archive);

/* Those images that are for this platform; at least one, else ERR_NOT_FOUND. */
enum status oci_archive_images(const struct oci_archive *archive,
                               const struct oci_platform *platform, struct oci_images **images_out);
void oci_images_free(struct oci_images *images);

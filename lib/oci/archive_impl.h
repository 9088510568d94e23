/* Between the parts that read archives: files (archive.c), the two ways of describing images
 * (layout.c, docker.c), configurations (config.c). */
#pragma once

#include <oci/archive.h>

struct cJSON; /* <cJSON.h> */

/* The file of that name, links inside the archive followed; NULL. */
const struct oci_file *archive_find(const struct oci_archive *archive, const char *name);

/* A small file: a copy of our own, with a zero byte behind it. */
enum status archive_read(const struct oci_archive *archive, const struct oci_file *file,
                         char **text_out);
/* Check the digest of a small blob and parse it. `where` is for errors. */
enum status archive_json(const struct oci_archive *archive, const char *where, const char *text,
                         uint64_t size_bytes, struct cJSON **json_out);

/* What the configuration is of, and what it must be. */
struct config_wanted {
    const struct oci_platform *platform;
    unsigned layer_count;
};

/* Fill in id, config and the layers' DiffIDs; image->layer has room for layer_count.
 * ERR_NOT_FOUND: it is for another platform. */
enum status config_read(const struct oci_archive *archive, const struct cJSON *json,
                        const struct config_wanted *wanted, struct oci_image *image);
/* Would this run here? "" counts as what every machine can do. */
bool platform_matches(const struct oci_platform *platform, const char *os, const char *architecture,
                      const char *variant);

enum status layout_images(const struct oci_archive *archive, const struct oci_platform *platform,
                          struct oci_images *images);
enum status docker_images(const struct oci_archive *archive, const struct oci_platform *platform,
                          struct oci_images *images);

/* The place for another image. An image that is there already (the same id) is that one. */
enum status images_add(const struct oci_archive *archive, struct oci_images *images,
                       struct oci_image *image_taken, struct oci_image **image_out);
enum status image_name(const struct oci_archive *archive, struct oci_image *image,
                       const char *name);
void image_free(struct oci_image *image);

/* error->where, once. */
enum status archive_fail(const struct oci_archive *archive, enum status status, const char *where,
                         const char *reason);

/* Between the service `images` and a worker, which it starts for one job and ends afterwards.
 *
 * The worker finds, by name:
 *
 *     process, budget   as every program has
 *     job               Memory: struct image_job; read, write
 *     blob              Memory: the archive; read
 *     layer             Memory: where a layer's image goes; read, write (of a layer's job)
 *
 * Nothing else: no endpoint, no log. It fills in the result and ends. `images` looks at the job
 * only when the worker is no more, and checks all of it: the worker has parsed what a stranger
 * made.
 */
#pragma once

#include <image_config.h>

enum {
    IMAGE_JOB_IMAGE_MAX = 64,
    IMAGE_JOB_TEXT_BYTES = 768,
    IMAGE_JOB_WORD_BYTES = 16,
};

enum image_job_kind {
    IMAGE_JOB_ARCHIVE = 1, /* which images there are, for a platform */
    IMAGE_JOB_HASH,        /* SHA-256 of a part of the blob, and nothing is parsed */
    IMAGE_JOB_LAYER,       /* a part of the blob, unpacked into an EROFS image */
};

struct image_job_request {
    uint32_t kind;
    uint32_t entry_max;
    uint64_t at, size_bytes; /* of the blob */
    /* Of a layer; IMAGE_DIGEST_NONE is not checked. */
    struct image_digest blob, diff_id;
    uint64_t unpacked_bytes_max, image_bytes_max, metadata_bytes_max;
    /* Of an archive. */
    char architecture[IMAGE_JOB_WORD_BYTES];
    char variant[IMAGE_JOB_WORD_BYTES];
};

struct image_job_result {
    uint32_t done;   /* 1: what follows is whole */
    uint32_t status; /* enum status; with any other than OK a text says why */
    char problem[IMAGE_JOB_TEXT_BYTES];
    struct image_digest digest; /* of IMAGE_JOB_HASH */
    uint64_t image_bytes;       /* of a layer */
    uint32_t image_count;       /* of an archive */
};

struct image_job_layer {
    uint64_t at, size_bytes; /* in the archive */
    struct image_digest blob, diff_id;
};

struct image_job_image {
    struct image_digest id;
    uint32_t name_count;
    uint32_t layer_count;
    char name[IMAGE_NAME_MAX][IMAGE_NAME_BYTES];
    struct image_job_layer layer[IMAGE_LAYER_MAX];
    union {
        struct image_config config;
        uint8_t config_bytes[IMAGE_CONFIG_BYTES_MAX];
    };
};

struct image_job {
    struct image_job_request request;
    uint64_t read_bytes; /* how far a worker has come */
    struct image_job_result result;
    struct image_job_image image[IMAGE_JOB_IMAGE_MAX];
};

/* What a container image says of how it is to be run, as the service `images` hands it out: one
 * block of memory, a head with offsets and the texts that they point to. Whoever reads it checks it
 * first (oci/config.h does).
 */
#pragma once

#include <stdint.h>

#define IMAGE_CONFIG_MAGIC ((uint64_t)0x31464e4f43474d49) /* "IMGCONF1" */

enum {
    IMAGE_CONFIG_BYTES_MAX = 256 * 1024,
    IMAGE_CONFIG_TEXT_MAX = 8192, /* texts in all lists together */
};

/* Texts one behind the other, each with a zero byte. */
struct image_config_list {
    uint32_t at; /* offset of the first one, from the block's beginning */
    uint32_t count;
};

struct image_config {
    uint64_t magic;
    uint32_t size_bytes; /* of the whole block */
    uint32_t reserved;
    struct image_config_list entrypoint;
    struct image_config_list command;
    struct image_config_list environment; /* "NAME=value" */
    struct image_config_list ports;       /* "80/tcp" */
    struct image_config_list volumes;     /* absolute paths */
    struct image_config_list labels;      /* "key=value" */
    /* One text each, "" if the image says nothing. */
    struct image_config_list working_directory;
    struct image_config_list user;
    struct image_config_list stop_signal;
    struct image_config_list architecture; /* "amd64", "arm64/v8" */
};

/* "sha256:" or "sha512:", and what follows. */
enum image_digest_kind { IMAGE_DIGEST_NONE, IMAGE_SHA256, IMAGE_SHA512 };

struct image_digest {
    uint32_t kind;     /* enum image_digest_kind */
    uint8_t bytes[64]; /* zeroes behind the shorter one */
};

#define IMAGE_DESCRIPTION_MAGIC ((uint64_t)0x31435345444d4749) /* "IGMDESC1" */

enum { IMAGE_NAME_MAX = 16, IMAGE_NAME_BYTES = 1025, IMAGE_LAYER_MAX = 128 };

/* An image as the service `images` describes it, in one read-only Memory: this, and the
 * configuration behind it. */
struct image_description {
    uint64_t magic;
    uint32_t size_bytes; /* with the configuration */
    uint32_t config_at;  /* offset of struct image_config */
    struct image_digest id;
    uint32_t name_count;
    uint32_t layer_count;
    char name[IMAGE_NAME_MAX][IMAGE_NAME_BYTES]; /* zero bytes behind */
};

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

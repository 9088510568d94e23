/* Tests: a small EROFS image, made from a list of entries. */
#pragma once

#include <linux/memfs.h>
#include <stddef.h>
#include <stdint.h>

/* One entry. Directories come before what is in them; the root is not listed. */
struct image_entry {
    const char *path; /* "a/b" */
    uint32_t mode;    /* with its type; a whiteout is S_IFCHR */
    const char *text; /* contents, or where a link leads; "=PATH": another link of that file */
    uint32_t uid, gid;
    bool opaque, implicit;
    bool inlined;    /* contents beside the inode, and so not to be mapped */
    uint32_t repeat; /* the text that often; 0: once */
    /* Of security.capability; NULL: none. */
    const uint8_t *capability;
    uint32_t capability_bytes;
};

enum { IMAGE_ENTRIES = 64 };

/* A Memory with the image, mapped; the layer is the caller's to end. */
void image_layer(const struct image_entry *entries, size_t count, struct layer *layer_out);
void image_layer_end(struct layer *layer);

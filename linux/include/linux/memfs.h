/* File systems in memory (tmpfs), and the root, which has read-only EROFS layers below.
 *
 * A directory of the root may have lower directories, uppermost first; what is in them gets a name
 * when it is looked for. A whiteout (character device 0/0) ends the search for a name, and so does
 * a directory with trusted.overlay.opaque. A file of a layer is a node like any other, found by
 * layer and number so that hard links are one node; its contents stay where they lie until they are
 * changed.
 *
 * Contents of the others lie in the pool (linux/pool.h).
 */
#pragma once

#include <linux/names.h>

/* A read-only layer in our half of the address space, trusted no more than any file. */
struct layer {
    struct memory *memory; /* counted */
    const void *base;
    uint64_t size_bytes;
};

enum { LAYERS_MAX = 128 };

/* `limit_bytes` of contents, 0: no limit of its own. The root directory has that mode. */
int memfs_create(const char *type, uint32_t magic, uint32_t mode, uint64_t limit_bytes,
                 struct file_system **file_system_out, struct name **root_out);
/* The container's root: layers uppermost first (none is fine). -EINVAL: a layer that is none. */
int memfs_create_layered(const struct layer *layers, unsigned count,
                         struct file_system **file_system_out, struct name **root_out);
/* A file without a name, open for reading and writing: memfd_create(2), which shows as /text. */
int memfs_create_file(const char *text, uint32_t mode, struct file **file_out);
void memfs_end(void); /* tests */

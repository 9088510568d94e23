/* Between the parts of lib/oci that make layers: the tree (layer_tree.c, layer_path.c), what
 * entries do to it (layer_apply.c), the image (layer_image.c), and the whole (layer.c). */
#pragma once

#include <base/tree.h>
#include <oci/layer.h>
#include <oci/tar.h>

enum {
    LAYER_BLOCK_BYTES = 4096,
    LAYER_NAME_MAX = 255,
    LAYER_DEPTH_MAX = 1024,
    LAYER_LINK_HOPS_MAX = 40, /* as Linux has it */
    LAYER_XATTR_BYTES_MAX = 64 * 1024,

    MODE_FORMAT = 0170000,
    MODE_FIFO = 0010000,
    MODE_CHARACTER = 0020000,
    MODE_DIRECTORY = 0040000,
    MODE_BLOCK = 0060000,
    MODE_FILE = 0100000,
    MODE_LINK = 0120000,
};

/* What an inode becomes of. */
struct layer_node {
    uint32_t mode; /* with the type */
    uint32_t uid, gid;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t device;     /* as EROFS has it: minor bits 0-7 and 20-31, major bits 8-19 */
    uint32_t name_count; /* that name it; the root has one without having any */
    uint32_t number;     /* in the image, from 1 on; 0: not yet placed */
    bool whiteout;       /* a character device 0/0 that hides a name below */
    uint32_t xattr_bytes;
    uint8_t *xattr; /* as EROFS has them; the node's */
    uint64_t size_bytes;
    uint64_t data_at; /* of a file, in the image */
    char *target;     /* of a symbolic link; the node's */
    /* Directories. */
    struct tree names;
    struct layer_node *parent; /* the root's is itself */
    uint32_t depth;
    uint32_t directory_count; /* in it */
    bool opaque, implicit;
    /* Where it is in the image (layer_image.c). */
    uint64_t at;        /* of the inode, from the first one on */
    uint64_t blocks_at; /* of contents that do not lie beside it, from the first such block on */
    bool beside;
    struct layer_node *next;
};

/* A name in a directory. */
struct layer_name {
    struct tree_node in_directory;
    struct layer_node *node;
    uint32_t length;
    char text[];
};

struct layer {
    uint64_t metadata_bytes_left;
    enum status alloc_status; /* why the last allocation failed */
    struct layer_node *root;
    uint32_t xattr_ignored_count;
    struct oci_error *error;
    const char *entry; /* the entry that is at work, for errors */
};

enum status layer_fail(struct layer *layer, enum status status, const char *reason);

/* layer_tree.c */

/* The root alone. */
enum status layer_open(struct layer *layer, uint64_t metadata_bytes_max, struct oci_error *error);
void layer_close(struct layer *layer);
/* Memory against the limit, zeroed; NULL when it is reached, or there is none: layer->alloc_status.
 */
void *layer_alloc(struct layer *layer, size_t size_bytes);
void layer_free(struct layer *layer, void *memory, size_t size_bytes);

struct layer_name *layer_find(const struct layer_node *directory, const char *text, size_t length);
enum status layer_node_new(struct layer *layer, uint32_t mode, struct layer_node **node_out);
/* `node` gets a name. On failure nothing has changed. */
enum status layer_link(struct layer *layer, struct layer_node *directory, struct layer_node *node,
                       const char *text, size_t length);
/* Take a name away, with all below it; nodes without names end. */
void layer_unlink(struct layer *layer, struct layer_node *directory, struct layer_name *name);
/* A node that no name was made for. */
void layer_node_free(struct layer *layer, struct layer_node *node);
void layer_xattr_clear(struct layer *layer, struct layer_node *node);

/* layer_path.c */

struct layer_place {
    struct layer_node *directory;
    char text[LAYER_NAME_MAX + 1];
    size_t length; /* 0: the root itself */
};

enum layer_walk {
    LAYER_FIND, /* what is there */
    LAYER_MAKE, /* directories on the way are made */
    LAYER_HIDE, /* for a whiteout: as MAKE, but what this layer has that is no directory hides what
                   is below already, links too */
};

/* Where a path of the archive leads: its last part is not looked up. ERR_NOT_FOUND: nowhere, if it
 * is not to be made. */
enum status layer_walk(struct layer *layer, const char *path, enum layer_walk how,
                       struct layer_place *place_out);

/* layer_apply.c */

/* What an entry does to the tree; file data is the caller's: *file_out is the node that it belongs
 * to, or NULL. */
enum status layer_apply(struct layer *layer, const struct tar_entry *entry,
                        struct layer_node **file_out);
/* A directory that no entry describes. */
enum status layer_make_directory(struct layer *layer, struct layer_node *directory,
                                 const char *text, size_t length, struct layer_node **made_out);

/* layer_xattr.c: the attributes of an entry, in the form of the image. */
enum status layer_xattr_set(struct layer *layer, struct layer_node *node,
                            const struct tar_entry *entry);
/* Those that the tree's own flags become. */
uint32_t layer_xattr_flags(const struct layer_node *node, uint8_t bytes[64]);

/* layer_image.c: everything but file data, from `data_end` on, and the superblock. */
enum status layer_image_write(struct layer *layer, const struct oci_layer_request *request,
                              uint64_t data_end, struct oci_layer_result *result);

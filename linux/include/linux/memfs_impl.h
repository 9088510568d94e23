/* Between linux/file/memfs*.c. */
#pragma once

#include <fs/erofs.h>
#include <linux/contents.h>
#include <linux/file_impl.h>
#include <linux/memfs.h>

struct layer_image {
    struct layer layer;
    struct erofs erofs;
};

struct memfs {
    struct file_system file_system;
    struct rt_lock lock; /* `lower`, and finding nodes that may be ending; after a node's */
    struct tree lower;   /* files of layers that are nodes */
    unsigned layer_count;
    struct layer_image layers[];
};

/* A directory of a layer. */
struct lower_directory {
    uint32_t layer;
    uint64_t nid;
};

enum { NOT_LOWER = UINT32_MAX };
#define LOWER_SPLIT UINT64_MAX

struct mem_xattr {
    struct list link;
    uint32_t value_bytes;
    char *name;
    uint8_t value[];
};

struct mem_node {
    struct node node;
    struct list xattrs;
    struct contents contents; /* of a file that has its own */
    char *target;             /* of a link */
    /* A file whose contents are still the layer's: where in its image, or LOWER_SPLIT. */
    bool in_layer;
    uint64_t lower_at;
    /* Where it comes from; NOT_LOWER: from no layer. */
    uint32_t layer;
    uint64_t nid;
    struct tree_node by_lower;
    /* A directory's. */
    bool complete;
    unsigned lower_count;
    struct lower_directory *lower;
};

static inline struct mem_node *mem_node(struct node *node)
{
    return CONTAINER_OF(node, struct mem_node, node);
}

static inline struct memfs *memfs_of(const struct node *node)
{
    return CONTAINER_OF(node->file_system, struct memfs, file_system);
}

extern const struct node_ops mem_directory_ops, mem_file_ops, mem_link_ops, mem_other_ops;

int mem_node_create(struct memfs *fs, const struct node_attributes *attributes,
                    struct mem_node **node_out);
void mem_free(struct node *node);
int64_t mem_get_xattr(struct node *node, const char *name, void *to, size_t size_bytes);
int mem_set_xattr(struct node *node, const char *name, const void *from, size_t size_bytes,
                  unsigned flags);
int64_t mem_list_xattr(struct node *node, char *to, size_t size_bytes);
int mem_remove_xattr(struct node *node, const char *name);
void mem_xattr_drop_locked(struct mem_node *node, const char *name);
void mem_xattrs_free(struct mem_node *node);
/* One of a layer's, when the node is made. */
int mem_xattr_add(struct mem_node *node, const struct erofs_xattr *xattr);
int mem_set_attributes(struct node *node, const struct node_attributes *attributes, unsigned which);

/* Layers (memfs_layer.c). */
int mem_lookup(struct node *directory, const char *name, size_t length, struct node **node_out);
int mem_complete(struct name *directory);
/* The root directory, from all the layers. */
int mem_layered_root(struct memfs *fs, struct mem_node **node_out);
void mem_forget_lower(struct mem_node *node);

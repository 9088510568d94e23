#include <string.h>

#include "layer_impl.h"

enum status layer_fail(struct layer *layer, enum status status, const char *reason)
{
    return oci_fail_at(layer->error, status, layer->entry, reason);
}

/* ---- Memory ---- */

void *layer_alloc(struct layer *layer, size_t size_bytes)
{
    if (size_bytes > layer->metadata_bytes_left) {
        layer->alloc_status = layer_fail(layer, ERR_LIMIT, "too many names and attributes");
        return NULL;
    }
    void *memory = oci_alloc_zeroed(1, size_bytes);
    if (memory != NULL)
        layer->metadata_bytes_left -= size_bytes;
    else
        layer->alloc_status =
            layer_fail(layer, ERR_NO_MEMORY, "no memory for names and attributes");
    return memory;
}

void layer_free(struct layer *layer, void *memory, size_t size_bytes)
{
    if (memory == NULL)
        return;
    layer->metadata_bytes_left += size_bytes;
    oci_free(memory);
}

/* ---- Names in a directory ---- */

static struct layer_name *name_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct layer_name, in_directory);
}

/* As bytes, shorter ones first: the order of the image. */
static int compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    if (order != 0)
        return order;
    return a_length == b_length ? 0 : a_length < b_length ? -1 : 1;
}

static bool name_before(const struct tree_node *a, const struct tree_node *b)
{
    const struct layer_name *one = name_of(a);
    const struct layer_name *other = name_of(b);
    return compare(one->text, one->length, other->text, other->length) < 0;
}

struct text {
    const char *at;
    size_t length;
};

static int name_compare(const struct tree_node *node, const void *key)
{
    const struct layer_name *name = name_of(node);
    const struct text *text = key;
    return compare(name->text, name->length, text->at, text->length);
}

struct layer_name *layer_find(const struct layer_node *directory, const char *text, size_t length)
{
    const struct text key = { text, length };
    struct tree_node *node = tree_lower_bound(&directory->names, name_compare, &key);
    return node != NULL && name_compare(node, &key) == 0 ? name_of(node) : NULL;
}

/* ---- Nodes ---- */

enum status layer_node_new(struct layer *layer, uint32_t mode, struct layer_node **node_out)
{
    struct layer_node *node = layer_alloc(layer, sizeof(*node));
    if (node == NULL)
        return layer->alloc_status;
    node->mode = mode;
    *node_out = node;
    return OK;
}

void layer_xattr_clear(struct layer *layer, struct layer_node *node)
{
    layer_free(layer, node->xattr, node->xattr_bytes);
    node->xattr = NULL;
    node->xattr_bytes = 0;
}

void layer_node_free(struct layer *layer, struct layer_node *node)
{
    layer_xattr_clear(layer, node);
    if (node->target != NULL)
        layer_free(layer, node->target, (size_t)node->size_bytes + 1);
    layer_free(layer, node, sizeof(*node));
}

static bool is_directory(const struct layer_node *node)
{
    return (node->mode & MODE_FORMAT) == MODE_DIRECTORY;
}

enum status layer_link(struct layer *layer, struct layer_node *directory, struct layer_node *node,
                       const char *text, size_t length)
{
    if (is_directory(node) && directory->depth == LAYER_DEPTH_MAX)
        return layer_fail(layer, ERR_LIMIT, "directories deeper than 1024");
    struct layer_name *name = layer_alloc(layer, sizeof(*name) + length);
    if (name == NULL)
        return layer->alloc_status;
    name->node = node;
    name->length = (uint32_t)length;
    memcpy(name->text, text, length);
    node->name_count++;
    if (is_directory(node)) {
        node->parent = directory;
        node->depth = directory->depth + 1;
        directory->directory_count++;
    }
    tree_insert(&directory->names, &name->in_directory, name_before);
    return OK;
}

/* A name below which there is nothing. */
static void unlink_one(struct layer *layer, struct layer_node *directory, struct layer_name *name)
{
    struct layer_node *node = name->node;
    tree_remove(&directory->names, &name->in_directory);
    if (is_directory(node))
        directory->directory_count--;
    layer_free(layer, name, sizeof(*name) + name->length);
    if (--node->name_count == 0)
        layer_node_free(layer, node);
}

/* Names below a directory go first, deepest ones before the others: no stack is needed, since a
 * directory knows its parent. */
static void empty(struct layer *layer, struct layer_node *top)
{
    struct layer_node *directory = top;
    for (;;) {
        struct tree_node *first = tree_first(&directory->names);
        if (first == NULL && directory == top)
            return;
        if (first == NULL) {
            directory = directory->parent;
            continue;
        }
        struct layer_name *name = name_of(first);
        if (is_directory(name->node) && !tree_empty(&name->node->names))
            directory = name->node;
        else
            unlink_one(layer, directory, name);
    }
}

void layer_unlink(struct layer *layer, struct layer_node *directory, struct layer_name *name)
{
    if (is_directory(name->node))
        empty(layer, name->node);
    unlink_one(layer, directory, name);
}

/* ---- The whole ---- */

enum status layer_open(struct layer *layer, uint64_t metadata_bytes_max, struct oci_error *error)
{
    *layer = (struct layer){
        .metadata_bytes_left = metadata_bytes_max,
        .error = error,
        .entry = "",
    };
    enum status status = layer_node_new(layer, MODE_DIRECTORY | 0755, &layer->root);
    if (status != OK)
        return status;
    layer->root->parent = layer->root;
    layer->root->name_count = 1;
    layer->root->implicit = true;
    return OK;
}

void layer_close(struct layer *layer)
{
    if (layer->root == NULL)
        return;
    empty(layer, layer->root);
    layer_node_free(layer, layer->root);
    layer->root = NULL;
}

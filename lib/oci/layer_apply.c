/* What each entry of a layer does to the tree. */
#include <string.h>

#include "layer_impl.h"

#define WHITEOUT      ".wh."
#define WHITEOUT_META ".wh..wh."
#define OPAQUE        ".wh..wh..opq"

static bool is_directory(const struct layer_node *node)
{
    return (node->mode & MODE_FORMAT) == MODE_DIRECTORY;
}

/* A node with a name, or neither. */
static enum status add_node(struct layer *layer, const struct layer_place *place, uint32_t mode,
                            struct layer_node **node_out)
{
    struct layer_node *node;
    enum status status = layer_node_new(layer, mode, &node);
    if (status != OK)
        return status;
    status = layer_link(layer, place->directory, node, place->text, place->length);
    if (status == OK)
        *node_out = node;
    else
        layer_node_free(layer, node);
    return status;
}

enum status layer_make_directory(struct layer *layer, struct layer_node *directory,
                                 const char *text, size_t length, struct layer_node **made_out)
{
    struct layer_place place = { .directory = directory, .length = length };
    memcpy(place.text, text, length);
    enum status status = add_node(layer, &place, MODE_DIRECTORY | 0755, made_out);
    if (status == OK)
        (*made_out)->implicit = true;
    return status;
}

static enum status set_attributes(struct layer *layer, struct layer_node *node,
                                  const struct tar_entry *entry)
{
    node->mode = (node->mode & MODE_FORMAT) | entry->mode;
    node->uid = entry->uid;
    node->gid = entry->gid;
    node->mtime_s = entry->mtime_s;
    node->mtime_ns = entry->mtime_ns;
    node->implicit = false;
    layer_xattr_clear(layer, node);
    return layer_xattr_set(layer, node, entry);
}

/* ---- Whiteouts ---- */

/* A directory that only whiteouts made, and whiteouts in it. */
static bool only_hides(const struct layer_node *directory)
{
    if (!directory->implicit || directory->opaque)
        return false;
    TREE_FOR_EACH(at, &directory->names)
    {
        const struct layer_node *node = CONTAINER_OF(at, struct layer_name, in_directory)->node;
        if (!node->whiteout && (!is_directory(node) || !only_hides(node)))
            return false;
    }
    return true;
}

/* What this layer itself has under the name stays. A directory of its own then hides what the
 * layers below have in one of the same name; anything else hides it anyway. */
static enum status hide(struct layer *layer, const struct layer_place *place)
{
    const char *text = place->text + strlen(WHITEOUT);
    size_t length = place->length - strlen(WHITEOUT);
    struct layer_place hidden = { .directory = place->directory, .length = length };
    if (length == 0 || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return layer_fail(layer, ERR_FORMAT, "a whiteout without a name");
    struct layer_name *old = layer_find(place->directory, text, length);
    if (old != NULL && is_directory(old->node) && only_hides(old->node)) {
        layer_unlink(layer, place->directory, old);
        old = NULL;
    }
    if (old != NULL) {
        if (is_directory(old->node))
            old->node->opaque = true;
        return OK;
    }
    struct layer_node *node;
    memcpy(hidden.text, text, length);
    enum status status = add_node(layer, &hidden, MODE_CHARACTER, &node);
    if (status == OK)
        node->whiteout = true;
    return status;
}

static enum status apply_whiteout(struct layer *layer, const struct layer_place *place)
{
    if (strcmp(place->text, OPAQUE) == 0) {
        place->directory->opaque = true;
        return OK;
    }
    /* Others of this kind are notes that one file system driver made for itself. */
    if (strncmp(place->text, WHITEOUT_META, strlen(WHITEOUT_META)) == 0)
        return OK;
    return hide(layer, place);
}

/* ---- Entries ---- */

static enum status apply_root(struct layer *layer, const struct tar_entry *entry)
{
    if (entry->kind != TAR_DIRECTORY)
        return layer_fail(layer, ERR_FORMAT, "the root is to be something else than a directory");
    return set_attributes(layer, layer->root, entry);
}

static enum status apply_directory(struct layer *layer, const struct tar_entry *entry,
                                   const struct layer_place *place)
{
    struct layer_name *old = layer_find(place->directory, place->text, place->length);
    struct layer_node *node;
    if (old != NULL && is_directory(old->node))
        return set_attributes(layer, old->node, entry);
    bool replaces = old != NULL;
    if (replaces)
        layer_unlink(layer, place->directory, old);
    enum status status = add_node(layer, place, MODE_DIRECTORY, &node);
    if (status != OK)
        return status;
    /* What was there has hidden a directory of the layers below. */
    node->opaque = replaces;
    return set_attributes(layer, node, entry);
}

static enum status apply_hard_link(struct layer *layer, const struct tar_entry *entry,
                                   const struct layer_place *place)
{
    struct layer_place target;
    enum status status = layer_walk(layer, entry->link, LAYER_FIND, &target);
    struct layer_name *name = NULL;
    if (status == OK && target.length != 0)
        name = layer_find(target.directory, target.text, target.length);
    if (status == ERR_NOT_FOUND || (status == OK && (name == NULL || name->node->whiteout)))
        return layer_fail(layer, ERR_FORMAT, "a hard link to what is not in this layer");
    if (status != OK)
        return status;
    struct layer_node *node = name->node;
    if (is_directory(node))
        return layer_fail(layer, ERR_FORMAT, "a hard link to a directory");
    struct layer_name *old = layer_find(place->directory, place->text, place->length);
    if (old != NULL && old->node == node)
        return OK;
    node->name_count++; /* what is replaced may be the directory that its only name is in */
    if (old != NULL)
        layer_unlink(layer, place->directory, old);
    node->name_count--;
    if (node->name_count == 0) {
        layer_node_free(layer, node);
        return layer_fail(layer, ERR_FORMAT, "a hard link that replaces its own target");
    }
    return layer_link(layer, place->directory, node, place->text, place->length);
}

static enum status set_target(struct layer *layer, struct layer_node *node, const char *target)
{
    size_t length = strlen(target);
    if (length == 0)
        return layer_fail(layer, ERR_FORMAT, "a symbolic link to nothing");
    node->target = layer_alloc(layer, length + 1);
    if (node->target == NULL)
        return layer->alloc_status;
    memcpy(node->target, target, length + 1);
    node->size_bytes = length;
    return OK;
}

static enum status apply_other(struct layer *layer, const struct tar_entry *entry,
                               const struct layer_place *place, struct layer_node **file_out)
{
    static const uint32_t formats[] = {
        [TAR_FILE] = MODE_FILE,           [TAR_SYMLINK] = MODE_LINK,
        [TAR_CHARACTER] = MODE_CHARACTER, [TAR_BLOCK] = MODE_BLOCK,
        [TAR_DIRECTORY] = MODE_DIRECTORY, [TAR_FIFO] = MODE_FIFO,
    };
    struct layer_name *old = layer_find(place->directory, place->text, place->length);
    if (old != NULL)
        layer_unlink(layer, place->directory, old);
    struct layer_node *node;
    enum status status = add_node(layer, place, formats[entry->kind], &node);
    if (status == OK)
        status = set_attributes(layer, node, entry);
    if (status == OK && entry->kind == TAR_SYMLINK)
        status = set_target(layer, node, entry->link);
    if (status != OK)
        return status;
    uint32_t minor = entry->device_minor;
    node->device = (minor & 0xff) | entry->device_major << 8 | (minor & ~0xffu) << 12;
    if (entry->kind == TAR_FILE) {
        node->size_bytes = entry->size_bytes;
        *file_out = node;
    }
    return OK;
}

static bool is_whiteout(const char *path)
{
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    return strncmp(path + length, WHITEOUT, strlen(WHITEOUT)) == 0;
}

enum status layer_apply(struct layer *layer, const struct tar_entry *entry,
                        struct layer_node **file_out)
{
    struct layer_place place;
    *file_out = NULL;
    layer->entry = entry->path;
    bool whiteout = is_whiteout(entry->path);
    enum status status = layer_walk(layer, entry->path, whiteout ? LAYER_HIDE : LAYER_MAKE, &place);
    if (status != OK)
        return whiteout && status == ERR_NOT_FOUND ? OK : status;
    if (place.length == 0)
        return apply_root(layer, entry);
    if (strncmp(place.text, WHITEOUT, strlen(WHITEOUT)) == 0)
        return apply_whiteout(layer, &place);
    if (entry->kind == TAR_DIRECTORY)
        return apply_directory(layer, entry, &place);
    if (entry->kind == TAR_HARD_LINK)
        return apply_hard_link(layer, entry, &place);
    return apply_other(layer, entry, &place, file_out);
}

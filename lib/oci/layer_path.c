/* Paths of the archive, in the tree. There is no file system below, so the worst that a path can do
 * is to name something else of the same layer. */
#include <string.h>

#include "layer_impl.h"

/* What is still to go, rewritten when a link is met. */
struct walk {
    struct layer *layer;
    struct layer_node *at;
    unsigned hops;
    enum layer_walk how;
    char *rest;
    char text[TAR_PATH_MAX + 1];
};

/* Past slashes and "."; the length of the part that begins there. */
static size_t next_part(const char **at)
{
    const char *from = *at;
    size_t length;
    for (;;) {
        from += strspn(from, "/");
        length = strcspn(from, "/");
        if (length != 1 || from[0] != '.')
            break;
        from++;
    }
    *at = from;
    return length;
}

static bool is_parent(const char *part, size_t length)
{
    return length == 2 && part[0] == '.' && part[1] == '.';
}

/* As a text, without looking: a name that leads out is a lie, whatever links there are. */
static bool leads_out(const char *path)
{
    int depth = 0;
    const char *at = path;
    for (size_t length = next_part(&at); length != 0 && depth >= 0; length = next_part(&at)) {
        depth += is_parent(at, length) ? -1 : 1;
        at += length;
    }
    return depth < 0;
}

/* A symbolic link on the way: its target goes in front of the rest. */
static enum status follow(struct walk *walk, const struct layer_node *link, const char *after)
{
    size_t after_length = strlen(after);
    if (walk->hops++ == LAYER_LINK_HOPS_MAX)
        return layer_fail(walk->layer, ERR_LIMIT, "too many links on the way");
    if (link->size_bytes + 1 + after_length > TAR_PATH_MAX)
        return layer_fail(walk->layer, ERR_LIMIT, "a name longer than 4095 bytes");
    size_t target_length = (size_t)link->size_bytes;
    memmove(walk->text + target_length + 1, after, after_length + 1);
    memcpy(walk->text, link->target, target_length);
    walk->text[target_length] = '/';
    walk->rest = walk->text;
    if (walk->text[0] == '/')
        walk->at = walk->layer->root;
    return OK;
}

/* Where there is nothing, or only something that hides a name below. */
static enum status make_part(struct walk *walk, struct layer_name *name, const char *part,
                             size_t length)
{
    bool hides = name != NULL;
    struct layer_node *made;
    if (walk->how == LAYER_FIND || (hides && walk->how == LAYER_HIDE))
        return ERR_NOT_FOUND;
    if (hides)
        layer_unlink(walk->layer, walk->at, name);
    enum status status = layer_make_directory(walk->layer, walk->at, part, length, &made);
    if (status != OK)
        return status;
    /* What is below is gone already: this is a new one, not a way through an old one. */
    made->opaque = hides;
    made->implicit = !hides;
    walk->at = made;
    return OK;
}

/* One directory of the way. */
static enum status enter(struct walk *walk, const char *part, size_t length)
{
    if (is_parent(part, length)) {
        walk->at = walk->at->parent;
        return OK;
    }
    if (length > LAYER_NAME_MAX)
        return layer_fail(walk->layer, ERR_LIMIT, "a part of its name is longer than 255 bytes");
    if (strncmp(part, ".wh.", 4) == 0)
        return layer_fail(walk->layer, ERR_FORMAT, "a whiteout is no directory");
    struct layer_name *name = layer_find(walk->at, part, length);
    if (name == NULL || name->node->whiteout)
        return make_part(walk, name, part, length);
    uint32_t format = name->node->mode & MODE_FORMAT;
    if (format == MODE_DIRECTORY) {
        walk->at = name->node;
        return OK;
    }
    if (walk->how == LAYER_HIDE)
        return ERR_NOT_FOUND;
    if (format != MODE_LINK)
        return layer_fail(walk->layer, ERR_FORMAT, "a part of its name is no directory");
    return follow(walk, name->node, part + length);
}

static enum status finish(struct walk *walk, const char *part, size_t length,
                          struct layer_place *place)
{
    if (is_parent(part, length))
        return layer_fail(walk->layer, ERR_FORMAT, "its name ends with ..");
    if (length > LAYER_NAME_MAX)
        return layer_fail(walk->layer, ERR_LIMIT, "a part of its name is longer than 255 bytes");
    place->directory = walk->at;
    place->length = length;
    memcpy(place->text, part, length);
    place->text[length] = '\0';
    return OK;
}

enum status layer_walk(struct layer *layer, const char *path, enum layer_walk how,
                       struct layer_place *place_out)
{
    struct walk walk = { .layer = layer, .at = layer->root, .how = how, .rest = walk.text };
    size_t path_length = strlen(path);
    if (path_length > TAR_PATH_MAX)
        return layer_fail(layer, ERR_LIMIT, "a name longer than 4095 bytes");
    if (leads_out(path))
        return layer_fail(layer, ERR_FORMAT, "its name leads out of the layer");
    memcpy(walk.text, path, path_length + 1);
    for (;;) {
        const char *part = walk.rest;
        size_t length = next_part(&part);
        const char *behind = part + length;
        if (length == 0 || next_part(&behind) == 0)
            return finish(&walk, part, length, place_out);
        walk.rest = walk.text + (part - walk.text) + length;
        enum status status = enter(&walk, part, length);
        if (status != OK)
            return status;
    }
}

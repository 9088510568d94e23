/* Walking a flattened device tree: see fdt.h. */

#include <base/bytes.h>
#include <base/checked.h>
#include <base/string.h>
#include <boot/fdt.h>

/* No enum: an enum's constant is an int for the PE targets. */
#define FDT_MAGIC 0xd00dfeedu

enum {
    FDT_HEADER_BYTES = 40,
    FDT_VERSION_MIN = 16,
    FDT_BEGIN_NODE = 1,
    FDT_END_NODE = 2,
    FDT_PROP = 3,
    FDT_NOP = 4,
    FDT_END = 9,
    CELLS_DEFAULT_ADDRESS = 2,
    CELLS_DEFAULT_SIZE = 1,
};

struct walker {
    const uint8_t *blob;
    size_t at, end; /* of the structure block */
    size_t strings, strings_end;
    size_t depth; /* nodes that are open */
    struct fdt_node node[FDT_DEPTH_MAX];
    fdt_visit *visit;
    void *context;
};

enum status fdt_size(const void *blob, size_t size_bytes, size_t *size_bytes_out)
{
    if (size_bytes < FDT_HEADER_BYTES || load_be32(blob) != FDT_MAGIC)
        return ERR_FORMAT;
    *size_bytes_out = load_be32((const uint8_t *)blob + 4);
    return *size_bytes_out >= FDT_HEADER_BYTES ? OK : ERR_FORMAT;
}

static enum status walker_init(struct walker *w, const uint8_t *blob, size_t size_bytes)
{
    size_t total;
    enum status status = fdt_size(blob, size_bytes, &total);
    if (status != OK)
        return status;
    if (total > size_bytes)
        return ERR_TRUNCATED;
    if (load_be32(blob + 20) < FDT_VERSION_MIN || load_be32(blob + 24) > 17)
        return ERR_FORMAT;

    uint32_t structure = load_be32(blob + 8), strings = load_be32(blob + 12);
    uint32_t strings_bytes = load_be32(blob + 32);
    /* The structure's own size came with version 17; it ends at FDT_END anyway. */
    uint32_t structure_bytes =
        load_be32(blob + 20) >= 17 ? load_be32(blob + 36) : (uint32_t)total - structure;
    if (!checked_range_within(structure, structure_bytes, total) ||
        !checked_range_within(strings, strings_bytes, total) || structure % 4 != 0)
        return ERR_FORMAT;
    w->blob = blob;
    w->at = structure;
    w->end = structure + structure_bytes;
    w->strings = strings;
    w->strings_end = strings + strings_bytes;
    return OK;
}

/* A text in [at, end) that ends with 0, or NULL. */
static const char *text_within(const uint8_t *blob, size_t at, size_t end)
{
    const char *text = (const char *)blob + at;
    return at < end && strnlen(text, end - at) < end - at ? text : NULL;
}

/* Step over `size_bytes` bytes and their padding. */
static enum status walker_skip(struct walker *w, size_t size_bytes)
{
    if (size_bytes > w->end - w->at)
        return ERR_TRUNCATED;
    w->at = MIN(ALIGN_UP(w->at + size_bytes, 4), w->end);
    return OK;
}

static enum status walker_begin(struct walker *w, size_t begin)
{
    const char *name = text_within(w->blob, w->at, w->end);
    if (name == NULL)
        return ERR_TRUNCATED;
    if (w->depth == FDT_DEPTH_MAX)
        return ERR_FORMAT;
    w->node[w->depth] = (struct fdt_node){
        .name = name,
        .parent = w->depth > 0 ? &w->node[w->depth - 1] : NULL,
        .begin = begin,
        .address_cells = CELLS_DEFAULT_ADDRESS,
        .size_cells = CELLS_DEFAULT_SIZE,
    };
    w->depth++;
    return walker_skip(w, strlen(name) + 1);
}

static void node_property(struct fdt_node *node, const char *name, struct fdt_property property)
{
    static const struct {
        const char *name;
        size_t at;
    } known[] = {
#define PROPERTY(field, text) { text, offsetof(struct fdt_node, field) },
        FDT_PROPERTIES(PROPERTY)
#undef PROPERTY
    };

    if (strcmp(name, "#address-cells") == 0 && property.size_bytes == 4)
        node->address_cells = load_be32(property.data);
    else if (strcmp(name, "#size-cells") == 0 && property.size_bytes == 4)
        node->size_cells = load_be32(property.data);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(name, known[i].name) == 0)
            memcpy((char *)node + known[i].at, &property, sizeof(property));
    }
}

static enum status walker_property(struct walker *w)
{
    if (w->end - w->at < 8 || w->depth == 0)
        return ERR_TRUNCATED;
    uint32_t size_bytes = load_be32(w->blob + w->at);
    uint64_t name_at = w->strings + (uint64_t)load_be32(w->blob + w->at + 4);
    w->at += 8;

    const char *name = text_within(w->blob, (size_t)name_at, w->strings_end);
    if (name == NULL)
        return ERR_FORMAT;
    struct fdt_property property = { w->blob + w->at, size_bytes };
    enum status status = walker_skip(w, size_bytes);
    if (status == OK)
        node_property(&w->node[w->depth - 1], name, property);
    return status;
}

static enum status walker_end(struct walker *w)
{
    if (w->depth == 0)
        return ERR_FORMAT;
    struct fdt_node *node = &w->node[--w->depth];
    node->end = w->at;
    w->visit(w->context, node);
    return OK;
}

/* One token; `more_out` is false at the end of a tree that is whole. */
static enum status walker_step(struct walker *w, bool *more_out)
{
    size_t begin = w->at;
    if (w->end - w->at < 4)
        return ERR_TRUNCATED;
    w->at += 4;
    switch (load_be32(w->blob + begin)) {
    case FDT_BEGIN_NODE:
        return walker_begin(w, begin);
    case FDT_END_NODE:
        return walker_end(w);
    case FDT_PROP:
        return walker_property(w);
    case FDT_NOP:
        return OK;
    case FDT_END:
        *more_out = false;
        return w->depth == 0 ? OK : ERR_FORMAT;
    default:
        return ERR_FORMAT;
    }
}

enum status fdt_walk(const void *blob, size_t size_bytes, fdt_visit *visit, void *context)
{
    static struct walker walker; /* too large for a stack; there is one CPU */
    bool more = true;

    walker = (struct walker){ .visit = visit, .context = context };
    enum status status = walker_init(&walker, blob, size_bytes);
    while (status == OK && more)
        status = walker_step(&walker, &more);
    return status;
}

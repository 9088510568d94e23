/* The image of a tree (Linux kernel documentation, filesystems/erofs, "On-disk details"):
 *
 *     block 0       superblock at 1024
 *     block 1...    file data, each file in blocks of its own (written before)
 *     metadata      inodes, each followed by its attributes and, if there is room in the block,
 *                   by a directory's entries or a link's target
 *     blocks        of directories and targets that do not lie beside their inode
 *
 * Places are decided for the whole tree first, then everything is written in that order.
 */
#include <base/checked.h>
#include <string.h>

#include "layer_impl.h"

enum {
    SUPER_AT = 1024,
    INODE_BYTES = 64,
    INODE_ALIGN = 32,
    ROOT_AT = 64, /* number 0 would be an inode that directory listings hide */
    XATTR_HEADER_BYTES = 12,
    ENTRY_BYTES = 12,
    EXTENDED = 1,
    LAYOUT_PLAIN = 0,
    LAYOUT_BESIDE = 2,
    FEATURE_CHECKSUM = 1,
    WINDOW_BYTES = 64 * 1024,
};
#define EROFS_MAGIC 0xe0f5e1e2u
#define CRC32C      0x82f63b78u

struct image {
    struct layer *layer;
    const struct oci_layer_request *request;
    uint64_t meta_at;     /* in the image; a block's beginning */
    uint64_t meta_bytes;  /* of inodes */
    uint64_t blocks_at;   /* in the image: behind them */
    uint64_t block_bytes; /* of those blocks */
    uint32_t count;       /* of inodes */
    struct layer_node *first, *last;
    /* Output: bytes from `window_at` on that were not written yet. */
    uint64_t window_at;
    size_t window_used;
    uint8_t *window;
};

static void store(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t format_of(const struct layer_node *node)
{
    return node->mode & MODE_FORMAT;
}

/* ---- Directories ---- */

/* All entries in the order of their names, with "." and ".." where those belong. */
struct cursor {
    const struct layer_node *directory;
    struct tree_node *next;
    unsigned dots; /* of "." and "..": how many were given */
};

struct entry {
    const char *text;
    size_t length;
    const struct layer_node *node;
};

static struct cursor cursor_begin(const struct layer_node *directory)
{
    return (struct cursor){ .directory = directory, .next = tree_first(&directory->names) };
}

static bool cursor_next(struct cursor *cursor, struct entry *entry)
{
    const struct layer_name *name =
        cursor->next == NULL ? NULL : CONTAINER_OF(cursor->next, struct layer_name, in_directory);
    /* Both have their place among the others: "+" and ".-" come before "..". */
    static const char dots[] = "..";
    size_t dots_length = cursor->dots + 1;
    bool name_first = cursor->dots == 2;
    if (!name_first && name != NULL) {
        size_t shorter = name->length < dots_length ? name->length : dots_length;
        int order = memcmp(name->text, dots, shorter);
        name_first = order < 0 || (order == 0 && name->length < dots_length);
    }
    if (name_first && name == NULL)
        return false;
    if (name_first) {
        *entry = (struct entry){ name->text, name->length, name->node };
        cursor->next = tree_next(cursor->next);
        return true;
    }
    *entry = (struct entry){ dots, dots_length,
                             cursor->dots == 0 ? cursor->directory : cursor->directory->parent };
    cursor->dots++;
    return true;
}

/* How many entries fit into the block that begins here, and the bytes that they use. */
static unsigned block_measure(struct cursor cursor, size_t *bytes_out)
{
    struct entry entry;
    unsigned count = 0;
    size_t bytes = 0;
    while (cursor_next(&cursor, &entry)) {
        size_t more = bytes + ENTRY_BYTES + entry.length;
        if (more > LAYER_BLOCK_BYTES)
            break;
        bytes = more;
        count++;
    }
    *bytes_out = bytes;
    return count;
}

static uint64_t directory_bytes(const struct layer_node *directory)
{
    struct cursor cursor = cursor_begin(directory);
    uint64_t whole = 0;
    for (;;) {
        size_t bytes;
        struct entry entry;
        unsigned count = block_measure(cursor, &bytes);
        for (unsigned i = 0; i < count; i++)
            (void)cursor_next(&cursor, &entry);
        struct cursor ahead = cursor;
        if (!cursor_next(&ahead, &entry))
            return whole + bytes;
        whole += LAYER_BLOCK_BYTES;
    }
}

static uint8_t entry_type(const struct layer_node *node)
{
    switch (format_of(node)) {
    case MODE_FILE:
        return 1;
    case MODE_DIRECTORY:
        return 2;
    case MODE_CHARACTER:
        return 3;
    case MODE_BLOCK:
        return 4;
    case MODE_FIFO:
        return 5;
    default:
        return 7; /* a symbolic link */
    }
}

/* One block: entries, then names. Returns the bytes used, 0 at the end. */
static size_t block_fill(struct cursor *cursor, uint8_t block[LAYER_BLOCK_BYTES])
{
    size_t bytes;
    unsigned count = block_measure(*cursor, &bytes);
    size_t name_at = (size_t)count * ENTRY_BYTES;
    memset(block, 0, LAYER_BLOCK_BYTES);
    for (unsigned i = 0; i < count; i++) {
        struct entry entry;
        (void)cursor_next(cursor, &entry);
        uint8_t *raw = block + (size_t)i * ENTRY_BYTES;
        store(raw, entry.node->at / INODE_ALIGN, 8);
        store(raw + 8, name_at, 2);
        raw[10] = entry_type(entry.node);
        memcpy(block + name_at, entry.text, entry.length);
        name_at += entry.length;
    }
    return bytes;
}

/* ---- Places ---- */

static uint64_t xattr_area_bytes(const struct layer_node *node)
{
    uint8_t flags[64];
    uint64_t bytes = node->xattr_bytes + layer_xattr_flags(node, flags);
    return bytes == 0 ? 0 : XATTR_HEADER_BYTES + bytes;
}

/* Contents beside the inode must not leave its last block. */
static void place_node(struct image *image, struct layer_node *node, uint64_t contents_bytes)
{
    uint64_t head_bytes = INODE_BYTES + xattr_area_bytes(node);
    uint64_t at = ALIGN_UP(image->meta_bytes, (uint64_t)INODE_ALIGN);
    /* So short that of two places in a row one will do: an inode may begin in all but one. */
    node->beside = contents_bytes != 0 && contents_bytes <= LAYER_BLOCK_BYTES - 2 * INODE_ALIGN;
    while ((at % LAYER_BLOCK_BYTES) + INODE_BYTES > LAYER_BLOCK_BYTES ||
           (node->beside &&
            (at + head_bytes) % LAYER_BLOCK_BYTES + contents_bytes > LAYER_BLOCK_BYTES))
        at += INODE_ALIGN;
    node->at = at;
    image->meta_bytes = at + head_bytes + (node->beside ? contents_bytes : 0);
    node->blocks_at = image->block_bytes;
    if (!node->beside)
        image->block_bytes += ALIGN_UP(contents_bytes, (uint64_t)LAYER_BLOCK_BYTES);
}

static void append(struct image *image, struct layer_node *node)
{
    node->number = ++image->count;
    node->next = NULL;
    if (image->last != NULL)
        image->last->next = node;
    else
        image->first = node;
    image->last = node;
}

/* Every node once, directories before what is in them. */
static void place_all(struct image *image)
{
    image->meta_bytes = ROOT_AT;
    append(image, image->layer->root);
    for (struct layer_node *node = image->first; node != NULL; node = node->next) {
        uint64_t contents_bytes = format_of(node) == MODE_LINK ? node->size_bytes : 0;
        if (format_of(node) == MODE_DIRECTORY) {
            TREE_FOR_EACH(at, &node->names)
            {
                struct layer_node *child = CONTAINER_OF(at, struct layer_name, in_directory)->node;
                if (child->number == 0)
                    append(image, child);
            }
            node->size_bytes = directory_bytes(node);
            contents_bytes = node->size_bytes;
        }
        place_node(image, node, contents_bytes);
    }
    image->blocks_at = image->meta_at + ALIGN_UP(image->meta_bytes, (uint64_t)LAYER_BLOCK_BYTES);
}

/* ---- Output ---- */

static enum status flush(struct image *image)
{
    const struct oci_layer_request *request = image->request;
    if (image->window_used == 0)
        return OK;
    enum status status =
        request->write(request->context, image->window_at, image->window, image->window_used);
    if (status != OK)
        return oci_fail(image->layer->error, status, "the image cannot be written");
    image->window_at += image->window_used;
    image->window_used = 0;
    return OK;
}

/* Bytes at a place that is not before the last ones; zeroes between. */
static enum status put(struct image *image, uint64_t at, const void *data, size_t size_bytes)
{
    enum status status = OK;
    const uint8_t *from = data;
    uint64_t gap = at - (image->window_at + image->window_used);
    if (gap > LAYER_BLOCK_BYTES) { /* a hole: never written reads as zero */
        status = flush(image);
        image->window_at = at;
        gap = 0;
    }
    while (status == OK && gap + size_bytes != 0) {
        size_t room = WINDOW_BYTES - image->window_used;
        size_t zeroes = gap < room ? (size_t)gap : room;
        size_t part = size_bytes < room - zeroes ? size_bytes : room - zeroes;
        memset(image->window + image->window_used, 0, zeroes);
        if (part != 0)
            memcpy(image->window + image->window_used + zeroes, from, part);
        image->window_used += zeroes + part;
        gap -= zeroes;
        from += part;
        size_bytes -= part;
        if (image->window_used == WINDOW_BYTES)
            status = flush(image);
    }
    return status;
}

static void fill_inode(const struct image *image, const struct layer_node *node, uint8_t *raw)
{
    uint64_t where = 0;
    uint64_t xattr_bytes = xattr_area_bytes(node);
    uint32_t links = node->name_count;
    switch (format_of(node)) {
    case MODE_FILE:
        where = node->size_bytes == 0 ? 0 : node->data_at / LAYER_BLOCK_BYTES;
        break;
    case MODE_DIRECTORY:
        links = 2 + node->directory_count;
        FALLTHROUGH;
    case MODE_LINK:
        where = node->beside ? 0 : (image->blocks_at + node->blocks_at) / LAYER_BLOCK_BYTES;
        break;
    default:
        where = node->device;
        break;
    }
    memset(raw, 0, INODE_BYTES);
    unsigned layout = node->beside ? LAYOUT_BESIDE : LAYOUT_PLAIN;
    store(raw, EXTENDED | layout << 1, 2);
    store(raw + 2, xattr_bytes == 0 ? 0 : (xattr_bytes - XATTR_HEADER_BYTES) / 4 + 1, 2);
    store(raw + 4, node->mode, 2);
    store(raw + 8, node->size_bytes, 8);
    store(raw + 16, where, 4);
    store(raw + 20, node->number, 4);
    store(raw + 24, node->uid, 4);
    store(raw + 28, node->gid, 4);
    store(raw + 32, (uint64_t)node->mtime_s, 8);
    store(raw + 40, node->mtime_ns, 4);
    store(raw + 44, links, 4);
}

static enum status put_xattrs(struct image *image, const struct layer_node *node, uint64_t at)
{
    uint8_t head[XATTR_HEADER_BYTES] = { 0 };
    uint8_t flags[64];
    uint32_t flag_bytes = layer_xattr_flags(node, flags);
    if (flag_bytes + node->xattr_bytes == 0)
        return OK;
    enum status status = put(image, at, head, sizeof(head));
    if (status == OK)
        status = put(image, at + sizeof(head), flags, flag_bytes);
    if (status == OK)
        status = put(image, at + sizeof(head) + flag_bytes, node->xattr, node->xattr_bytes);
    return status;
}

/* A directory's entries or a link's target, wherever they were placed. */
static enum status put_contents(struct image *image, const struct layer_node *node, uint64_t at)
{
    if (format_of(node) == MODE_LINK)
        return put(image, at, node->target, (size_t)node->size_bytes);
    struct cursor cursor = cursor_begin(node);
    uint8_t block[LAYER_BLOCK_BYTES];
    enum status status = OK;
    for (uint64_t left = node->size_bytes; status == OK && left != 0;) {
        size_t part = block_fill(&cursor, block);
        part = left > LAYER_BLOCK_BYTES ? LAYER_BLOCK_BYTES : part;
        status = put(image, at, block, part);
        at += part;
        left -= part;
    }
    return status;
}

static enum status put_nodes(struct image *image)
{
    enum status status = OK;
    for (const struct layer_node *node = image->first; node != NULL && status == OK;
         node = node->next) {
        uint8_t raw[INODE_BYTES];
        uint64_t at = image->meta_at + node->at;
        fill_inode(image, node, raw);
        status = put(image, at, raw, sizeof(raw));
        if (status == OK)
            status = put_xattrs(image, node, at + INODE_BYTES);
        if (status == OK && node->beside)
            status = put_contents(image, node, at + INODE_BYTES + xattr_area_bytes(node));
    }
    return status;
}

static enum status put_blocks(struct image *image)
{
    enum status status = OK;
    for (const struct layer_node *node = image->first; node != NULL && status == OK;
         node = node->next) {
        bool has = format_of(node) == MODE_DIRECTORY || format_of(node) == MODE_LINK;
        if (has && !node->beside)
            status = put_contents(image, node, image->blocks_at + node->blocks_at);
    }
    return status;
}

/* CRC-32C without the last inversion, as the format has it. */
static uint32_t checksum(const uint8_t *data, size_t size_bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? CRC32C : 0);
    }
    return crc;
}

static enum status put_super(struct image *image, const struct oci_layer_result *result)
{
    uint8_t block[LAYER_BLOCK_BYTES] = { 0 };
    uint8_t *super = block + SUPER_AT;
    store(super, EROFS_MAGIC, 4);
    store(super + 8, FEATURE_CHECKSUM, 4);
    super[12] = 12; /* blocks of 4 KiB */
    store(super + 14, image->layer->root->at / INODE_ALIGN, 2);
    store(super + 16, image->count, 8);
    store(super + 36, result->image_bytes / LAYER_BLOCK_BYTES, 4);
    store(super + 40, image->meta_at / LAYER_BLOCK_BYTES, 4);
    memcpy(super + 48, result->diff_id.bytes, 16); /* the volume's identity */
    store(super + 4, checksum(super, LAYER_BLOCK_BYTES - SUPER_AT), 4);
    const struct oci_layer_request *request = image->request;
    enum status status = request->write(request->context, 0, block, sizeof(block));
    return status == OK ? OK : oci_fail(image->layer->error, status, "the image cannot be written");
}

/* The last block of the image is there to its end. */
static enum status put_end(struct image *image, uint64_t image_bytes)
{
    static const uint8_t zero;
    uint64_t end = image->window_at + image->window_used;
    if (end < image_bytes) {
        enum status status = put(image, image_bytes - 1, &zero, 1);
        if (status != OK)
            return status;
    }
    return flush(image);
}

enum status layer_image_write(struct layer *layer, const struct oci_layer_request *request,
                              uint64_t data_end, struct oci_layer_result *result)
{
    struct image image = { .layer = layer, .request = request };
    image.meta_at = ALIGN_UP(data_end, (uint64_t)LAYER_BLOCK_BYTES);
    place_all(&image);
    uint64_t image_bytes = image.blocks_at + image.block_bytes;
    if (image_bytes > request->limits.image_bytes_max ||
        image_bytes / LAYER_BLOCK_BYTES > UINT32_MAX)
        return oci_fail(layer->error, ERR_LIMIT, "the layer is larger than is allowed");
    image.window = oci_alloc(WINDOW_BYTES);
    if (image.window == NULL)
        return oci_fail(layer->error, ERR_NO_MEMORY, "no memory to write the image");
    image.window_at = image.meta_at;
    result->image_bytes = image_bytes;
    result->inode_count = image.count;
    enum status status = put_nodes(&image);
    if (status == OK)
        status = put_blocks(&image);
    if (status == OK)
        status = put_end(&image, image_bytes);
    if (status == OK)
        status = put_super(&image, result);
    oci_free(image.window);
    return status;
}

/* EROFS images in memory (see erofs.h). */
#include <base/checked.h>
#include <base/string.h>
#include <fs/erofs.h>
#include <stdbool.h>

enum {
    SUPER_AT = 1024,
    SUPER_BYTES = 128,
    INODE_SLOT = 32,
    INODE_EXTENDED_BYTES = 64,
    DIRENT_BYTES = 12,
    LAYOUT_PLAIN = 0,
    LAYOUT_INLINE = 2,
    MODE_FORMAT = 0xf000,
    MODE_DIRECTORY = 0x4000,
    MODE_FILE = 0x8000,
    MODE_LINK = 0xa000,
    NAME_MAX = 255,
};
#define EROFS_MAGIC 0xe0f5e1e2u

static uint64_t load(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* The bytes [at, at + size) of the image, or NULL. */
static const uint8_t *slice(const struct erofs *fs, uint64_t at, uint64_t size_bytes)
{
    if (at > fs->size_bytes || size_bytes > fs->size_bytes - at)
        return NULL;
    return fs->image + at;
}

enum status erofs_open(struct erofs *fs, const void *image, uint64_t size_bytes)
{
    *fs = (struct erofs){ .image = image, .size_bytes = size_bytes };
    const uint8_t *super = slice(fs, SUPER_AT, SUPER_BYTES);
    if (super == NULL)
        return ERR_TRUNCATED;
    if (load(super, 4) != EROFS_MAGIC)
        return ERR_FORMAT;

    unsigned block_bits = super[12];
    if (block_bits < 9 || block_bits > 16)
        return ERR_FORMAT;
    if (load(super + 80, 4) != 0)
        return ERR_UNSUPPORTED;
    fs->block_bytes = (uint64_t)1 << block_bits;
    fs->root_nid = load(super + 14, 2);
    fs->build_seconds = (int64_t)load(super + 24, 8);
    fs->build_nanoseconds = (uint32_t)load(super + 32, 4);
    fs->shared_xattrs_at = load(super + 44, 4) << block_bits;
    fs->inode_count = load(super + 16, 8);
    fs->meta_at = load(super + 40, 4) << block_bits;
    if (load(super + 36, 4) << block_bits > size_bytes)
        return ERR_TRUNCATED;
    return OK;
}

static enum erofs_kind kind_of(uint32_t mode)
{
    switch (mode & MODE_FORMAT) {
    case MODE_FILE:
        return EROFS_FILE;
    case MODE_DIRECTORY:
        return EROFS_DIRECTORY;
    case MODE_LINK:
        return EROFS_LINK;
    default:
        return EROFS_OTHER;
    }
}

/* Where the contents lie: whole blocks first, the rest after them or, inlined, after the inode. */
static enum status place_contents(const struct erofs *fs, unsigned layout, uint64_t block,
                                  uint64_t inline_at, struct erofs_inode *inode)
{
    inode->blocks_at = block * fs->block_bytes; /* 32 + 16 bits: cannot wrap */
    inode->tail_bytes = inode->size_bytes & (fs->block_bytes - 1);
    if (inode->size_bytes == 0) /* a device has its number where the block would be */
        return OK;
    uint64_t whole_bytes = inode->size_bytes - inode->tail_bytes;
    if (whole_bytes != 0 && slice(fs, inode->blocks_at, whole_bytes) == NULL)
        return ERR_TRUNCATED;
    inode->tail_at = layout == LAYOUT_INLINE ? inline_at : inode->blocks_at + whole_bytes;
    if (slice(fs, inode->tail_at, inode->tail_bytes) == NULL)
        return ERR_TRUNCATED;
    return OK;
}

/* Owner, links and time: an inode of the short form has its image's time. */
static void read_attributes(const struct erofs *fs, const uint8_t *raw, bool extended,
                            struct erofs_inode *inode)
{
    inode->device = (uint32_t)load(raw + 16, 4);
    inode->uid = (uint32_t)load(raw + 24, extended ? 4 : 2);
    inode->gid = (uint32_t)(extended ? load(raw + 28, 4) : load(raw + 26, 2));
    inode->links = (uint32_t)(extended ? load(raw + 44, 4) : load(raw + 6, 2));
    inode->modified_seconds = extended ? (int64_t)load(raw + 32, 8) : fs->build_seconds;
    inode->modified_nanoseconds = extended ? (uint32_t)load(raw + 40, 4) : fs->build_nanoseconds;
}

enum status erofs_inode(const struct erofs *fs, uint64_t nid, struct erofs_inode *inode_out)
{
    uint64_t at;
    if (!checked_mul_u64(nid, INODE_SLOT, &at) || !checked_add_u64(at, fs->meta_at, &at))
        return ERR_FORMAT;
    const uint8_t *raw = slice(fs, at, INODE_SLOT);
    if (raw == NULL)
        return ERR_TRUNCATED;

    unsigned format = (unsigned)load(raw, 2);
    bool extended = (format & 1) != 0;
    unsigned layout = (format >> 1) & 7;
    if (layout != LAYOUT_PLAIN && layout != LAYOUT_INLINE)
        return ERR_UNSUPPORTED;
    uint64_t inode_bytes = extended ? INODE_EXTENDED_BYTES : INODE_SLOT;
    if (slice(fs, at, inode_bytes) == NULL)
        return ERR_TRUNCATED;

    uint64_t xattr_count = load(raw + 2, 2);
    uint64_t xattr_bytes = xattr_count == 0 ? 0 : 12 + 4 * (xattr_count - 1);
    struct erofs_inode inode = {
        .mode = (uint32_t)load(raw + 4, 2),
        .size_bytes = load(raw + 8, extended ? 8 : 4),
    };
    inode.kind = kind_of(inode.mode);
    inode.xattrs_at = at + inode_bytes;
    inode.xattr_bytes = xattr_bytes;
    read_attributes(fs, raw, extended, &inode);
    enum status status =
        place_contents(fs, layout, load(raw + 16, 4), at + inode_bytes + xattr_bytes, &inode);
    if (status == OK)
        *inode_out = inode;
    return status;
}

/* One stretch of contents: from `offset` to the end of the whole blocks, or of the tail. */
static uint64_t contents_at(const struct erofs_inode *inode, uint64_t offset, uint64_t *left_out)
{
    uint64_t whole_bytes = inode->size_bytes - inode->tail_bytes;
    if (offset < whole_bytes) {
        *left_out = whole_bytes - offset;
        return inode->blocks_at + offset;
    }
    *left_out = inode->size_bytes - offset;
    return inode->tail_at + (offset - whole_bytes);
}

enum status erofs_extent(const struct erofs *fs, const struct erofs_inode *inode, uint64_t align,
                         uint64_t *at_out)
{
    uint64_t whole_bytes = inode->size_bytes - inode->tail_bytes;
    uint64_t last_bytes = ALIGN_UP(inode->tail_bytes, align); /* below twice a block */
    if (inode->tail_bytes != 0 && inode->tail_at != inode->blocks_at + whole_bytes)
        return ERR_UNSUPPORTED;
    if (inode->blocks_at % align != 0 ||
        slice(fs, inode->blocks_at, whole_bytes + last_bytes) == NULL)
        return ERR_UNSUPPORTED;
    *at_out = inode->blocks_at;
    return OK;
}

enum status erofs_read(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                       void *to, size_t size_bytes, size_t *read_out)
{
    size_t done = 0;
    while (done < size_bytes && offset < inode->size_bytes) {
        uint64_t left;
        uint64_t at = contents_at(inode, offset, &left);
        size_t part = left < size_bytes - done ? (size_t)left : size_bytes - done;
        const uint8_t *from = slice(fs, at, part);
        if (from == NULL)
            return ERR_TRUNCATED;
        memcpy((uint8_t *)to + done, from, part);
        done += part;
        offset += part;
    }
    *read_out = done;
    return OK;
}

/* ---- Directories ---- */

/* One block of a directory: entries first, names after them. */
struct dir_block {
    const uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t count;
};

static enum status dir_block_open(const struct erofs *fs, const struct erofs_inode *dir,
                                  uint64_t offset, struct dir_block *block)
{
    uint64_t left;
    uint64_t at = contents_at(dir, offset, &left);
    block->size_bytes = left < fs->block_bytes ? left : fs->block_bytes;
    block->bytes = slice(fs, at, block->size_bytes);
    if (block->bytes == NULL)
        return ERR_TRUNCATED;
    if (block->size_bytes < DIRENT_BYTES)
        return ERR_FORMAT;
    uint64_t names_at = load(block->bytes + 8, 2);
    if (names_at < DIRENT_BYTES || names_at % DIRENT_BYTES != 0 || names_at > block->size_bytes)
        return ERR_FORMAT;
    block->count = names_at / DIRENT_BYTES;
    return OK;
}

/* The name of an entry ends where the next one's begins, the last one's at a NUL or the block's
 * end. */
static enum status dir_entry_name(const struct dir_block *block, uint64_t index,
                                  const uint8_t **name_out, uint64_t *length_out)
{
    const uint8_t *entry = block->bytes + index * DIRENT_BYTES;
    uint64_t from = load(entry + 8, 2);
    bool last = index + 1 == block->count;
    uint64_t to = last ? block->size_bytes : load(entry + DIRENT_BYTES + 8, 2);
    if (from > to || to > block->size_bytes)
        return ERR_FORMAT;
    uint64_t length = 0;
    while (length < to - from && block->bytes[from + length] != '\0')
        length++;
    if (length == 0 || length > NAME_MAX)
        return ERR_FORMAT;
    *name_out = block->bytes + from;
    *length_out = length;
    return OK;
}

/* Names are in the order of their bytes, in a block and from block to block. */
static int compare_names(const uint8_t *a, uint64_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? (size_t)a_length : b_length);
    if (order != 0)
        return order;
    return a_length < b_length ? -1 : a_length > b_length;
}

static enum status dir_block_compare(const struct dir_block *block, uint64_t index,
                                     const char *name, size_t length, int *order_out)
{
    const uint8_t *entry_name;
    uint64_t entry_length;
    enum status status = dir_entry_name(block, index, &entry_name, &entry_length);
    if (status == OK)
        *order_out = compare_names(entry_name, entry_length, name, length);
    return status;
}

static enum status dir_block_find(const struct dir_block *block, const char *name, size_t length,
                                  uint64_t *nid_out)
{
    uint64_t low = 0;
    uint64_t high = block->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order;
        enum status status = dir_block_compare(block, middle, name, length, &order);
        if (status != OK)
            return status;
        if (order == 0) {
            *nid_out = load(block->bytes + middle * DIRENT_BYTES, 8);
            return OK;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return ERR_NOT_FOUND;
}

enum status erofs_lookup(const struct erofs *fs, const struct erofs_inode *dir, const char *name,
                         size_t length, uint64_t *nid_out)
{
    /* The last block whose first name does not come after the one that is looked for. */
    uint64_t low = 0;
    uint64_t high = dir->size_bytes / fs->block_bytes + (dir->size_bytes % fs->block_bytes != 0);
    struct dir_block found = { 0 };
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct dir_block block;
        int order = 0;
        enum status status = dir_block_open(fs, dir, middle * fs->block_bytes, &block);
        if (status == OK)
            status = dir_block_compare(&block, 0, name, length, &order);
        if (status != OK)
            return status;
        if (order > 0) {
            high = middle;
        } else {
            low = middle + 1;
            found = block;
        }
    }
    return dir_block_find(&found, name, length, nid_out);
}

enum status erofs_next(const struct erofs *fs, const struct erofs_inode *dir, uint64_t *position,
                       struct erofs_entry *entry_out)
{
    while (*position < dir->size_bytes) {
        struct dir_block block;
        uint64_t start = *position & ~(fs->block_bytes - 1);
        enum status status = dir_block_open(fs, dir, start, &block);
        if (status != OK)
            return status;
        uint64_t index = (*position - start) / DIRENT_BYTES;
        if (index >= block.count) {
            *position = start + fs->block_bytes;
            continue;
        }
        const uint8_t *name;
        status = dir_entry_name(&block, index, &name, &entry_out->length);
        if (status != OK)
            return status;
        entry_out->name = (const char *)name;
        entry_out->nid = load(block.bytes + index * DIRENT_BYTES, 8);
        *position = start + (index + 1) * DIRENT_BYTES;
        return OK;
    }
    return ERR_NOT_FOUND;
}

enum status erofs_find(const struct erofs *fs, const char *path, struct erofs_inode *inode_out)
{
    struct erofs_inode inode;
    enum status status = erofs_inode(fs, fs->root_nid, &inode);
    while (status == OK && *path != '\0') {
        size_t length = 0;
        while (path[length] != '\0' && path[length] != '/')
            length++;
        if (inode.kind != EROFS_DIRECTORY)
            return ERR_NOT_FOUND;
        uint64_t nid;
        status = erofs_lookup(fs, &inode, path, length, &nid);
        if (status == OK)
            status = erofs_inode(fs, nid, &inode);
        path += length;
        if (*path == '/')
            path++;
    }
    if (status == OK)
        *inode_out = inode;
    return status;
}

/* ---- Extended attributes ---- */

enum { XATTR_HEADER = 12, XATTR_ENTRY = 4, XATTR_INLINE = 256 };

static const char *xattr_prefix(unsigned index)
{
    static const char *const prefix[] = {
        [1] = "user.",
        [2] = "system.posix_acl_access",
        [3] = "system.posix_acl_default",
        [4] = "trusted.",
        [6] = "security.",
    };
    return index < ARRAY_LEN(prefix) ? prefix[index] : NULL;
}

/* The one at `at`, which ends before `limit`. */
static enum status xattr_read(const struct erofs *fs, uint64_t at, uint64_t limit,
                              struct erofs_xattr *xattr_out, uint64_t *size_out)
{
    const uint8_t *entry = slice(fs, at, XATTR_ENTRY);
    if (entry == NULL || limit - at < XATTR_ENTRY)
        return ERR_TRUNCATED;
    uint64_t name_bytes = entry[0];
    uint64_t value_bytes = load(entry + 2, 2);
    uint64_t size_bytes = XATTR_ENTRY + name_bytes + value_bytes;
    entry = slice(fs, at, size_bytes);
    if (entry == NULL || limit - at < size_bytes)
        return ERR_TRUNCATED;
    xattr_out->prefix = xattr_prefix(entry[1]);
    if (xattr_out->prefix == NULL)
        return ERR_UNSUPPORTED;
    xattr_out->name = (const char *)entry + XATTR_ENTRY;
    xattr_out->name_length = name_bytes;
    xattr_out->value = entry + XATTR_ENTRY + name_bytes;
    xattr_out->value_bytes = value_bytes;
    *size_out = ALIGN_UP(size_bytes, 4);
    return OK;
}

enum status erofs_xattr_next(const struct erofs *fs, const struct erofs_inode *inode,
                             uint64_t *position, struct erofs_xattr *xattr_out)
{
    if (inode->xattr_bytes == 0)
        return ERR_NOT_FOUND;
    const uint8_t *header = slice(fs, inode->xattrs_at, inode->xattr_bytes);
    if (header == NULL)
        return ERR_TRUNCATED;
    uint64_t shared = header[4];
    if (XATTR_HEADER + 4 * shared > inode->xattr_bytes)
        return ERR_FORMAT;
    uint64_t size_bytes;
    if (*position < shared) {
        uint64_t id = load(header + XATTR_HEADER + 4 * *position, 4);
        (*position)++;
        return xattr_read(fs, fs->shared_xattrs_at + 4 * id, UINT64_MAX, xattr_out, &size_bytes);
    }
    uint64_t offset =
        *position < XATTR_INLINE ? XATTR_HEADER + 4 * shared : *position - XATTR_INLINE;
    if (offset + XATTR_ENTRY > inode->xattr_bytes)
        return ERR_NOT_FOUND;
    enum status status = xattr_read(fs, inode->xattrs_at + offset,
                                    inode->xattrs_at + inode->xattr_bytes, xattr_out, &size_bytes);
    if (status == OK)
        *position = XATTR_INLINE + offset + size_bytes;
    return status;
}

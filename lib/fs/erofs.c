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
    uint64_t whole_bytes = inode->size_bytes - inode->tail_bytes;
    if (whole_bytes != 0 && slice(fs, inode->blocks_at, whole_bytes) == NULL)
        return ERR_TRUNCATED;
    inode->tail_at = layout == LAYOUT_INLINE ? inline_at : inode->blocks_at + whole_bytes;
    if (slice(fs, inode->tail_at, inode->tail_bytes) == NULL)
        return ERR_TRUNCATED;
    return OK;
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

static enum status dir_block_find(const struct dir_block *block, const char *name, size_t length,
                                  uint64_t *nid_out)
{
    for (uint64_t i = 0; i < block->count; i++) {
        const uint8_t *entry_name;
        uint64_t entry_length;
        enum status status = dir_entry_name(block, i, &entry_name, &entry_length);
        if (status != OK)
            return status;
        if (entry_length == length && memcmp(entry_name, name, length) == 0) {
            *nid_out = load(block->bytes + i * DIRENT_BYTES, 8);
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum status dir_find(const struct erofs *fs, const struct erofs_inode *dir, const char *name,
                            size_t length, uint64_t *nid_out)
{
    for (uint64_t offset = 0; offset < dir->size_bytes; offset += fs->block_bytes) {
        struct dir_block block;
        enum status status = dir_block_open(fs, dir, offset, &block);
        if (status == OK)
            status = dir_block_find(&block, name, length, nid_out);
        if (status != ERR_NOT_FOUND)
            return status;
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
        status = dir_find(fs, &inode, path, length, &nid);
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

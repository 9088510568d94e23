/* A reader for EROFS images in memory: uncompressed files, in place.
 *
 * The image is a stranger's: every offset and size is checked against it before use, so a broken
 * image gives ERR_FORMAT or ERR_TRUNCATED and never a read outside. Nothing is allocated; results
 * point into the image, which must outlive them and must not change meanwhile.
 *
 * Format: Linux kernel documentation, filesystems/erofs ("On-disk details").
 */
#pragma once

#include <base/status.h>
#include <stddef.h>
#include <stdint.h>

struct erofs {
    const uint8_t *image;
    uint64_t size_bytes;
    uint64_t block_bytes; /* a power of two, 512 to 64 KiB */
    uint64_t meta_at;     /* where inode 0 would be */
    uint64_t root_nid;
    uint64_t inode_count;
    int64_t build_seconds; /* since 1970: the time of inodes that have none */
    uint32_t build_nanoseconds;
    uint64_t shared_xattrs_at;
};

enum erofs_kind { EROFS_FILE, EROFS_DIRECTORY, EROFS_LINK, EROFS_OTHER };

struct erofs_inode {
    enum erofs_kind kind;
    uint32_t mode;
    uint64_t size_bytes;
    uint64_t blocks_at; /* offset of the whole blocks */
    uint64_t tail_at; /* offset of the last, partial block: right after them, or beside the inode */
    uint64_t tail_bytes;
    uint32_t uid, gid, links;
    uint32_t device; /* of a device file: minor bits 0-7 and 20-31, major bits 8-19 */
    int64_t modified_seconds;
    uint32_t modified_nanoseconds;
    uint64_t xattrs_at, xattr_bytes;
};

/* A directory's entry. The name is in the image, and not ended by 0. */
struct erofs_entry {
    const char *name;
    uint64_t length;
    uint64_t nid;
};

/* An extended attribute: its name is prefix and name. */
struct erofs_xattr {
    const char *prefix;
    const char *name; /* in the image, not ended by 0 */
    uint64_t name_length;
    const void *value;
    uint64_t value_bytes;
};

/* ERR_UNSUPPORTED: an image that needs features we lack (compression, several devices). */
enum status erofs_open(struct erofs *fs, const void *image, uint64_t size_bytes);
enum status erofs_inode(const struct erofs *fs, uint64_t nid, struct erofs_inode *inode_out);
/* `path` is relative to the root, its parts separated by single slashes. Links are not followed. */
enum status erofs_find(const struct erofs *fs, const char *path, struct erofs_inode *inode_out);
/* Where in the image the contents lie, if they lie in order and begin at a multiple of `align`;
 * ERR_UNSUPPORTED if not. The last page, too, is whole in the image.
 */
enum status erofs_extent(const struct erofs *fs, const struct erofs_inode *inode, uint64_t align,
                         uint64_t *at_out);
/* Up to `size_bytes` from `offset`; fewer only at the end of the file. */
enum status erofs_read(const struct erofs *fs, const struct erofs_inode *inode, uint64_t offset,
                       void *to, size_t size_bytes, size_t *read_out);

/* The entry `name` of a directory; ERR_NOT_FOUND. */
enum status erofs_lookup(const struct erofs *fs, const struct erofs_inode *dir, const char *name,
                         size_t length, uint64_t *nid_out);
/* One entry after the other, from *position 0 on; ERR_NOT_FOUND at the end. "." and ".." are given
 * if the image has them. */
enum status erofs_next(const struct erofs *fs, const struct erofs_inode *dir, uint64_t *position,
                       struct erofs_entry *entry_out);
/* One attribute after the other, from *position 0 on; ERR_NOT_FOUND at the end. */
enum status erofs_xattr_next(const struct erofs *fs, const struct erofs_inode *inode,
                             uint64_t *position, struct erofs_xattr *xattr_out);

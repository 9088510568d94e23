/* Fuzzing the EROFS reader: any bytes, every call. */
#include <fs/erofs.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void read_all(const struct erofs *fs, const struct erofs_inode *inode)
{
    uint8_t bytes[512];
    size_t length = 1;
    for (uint64_t at = 0; at < 65536 && length != 0; at += length) {
        if (erofs_read(fs, inode, at, bytes, sizeof(bytes), &length) != OK)
            return;
    }
}

static void walk(const struct erofs *fs, const struct erofs_inode *inode)
{
    struct erofs_entry entry;
    struct erofs_xattr xattr;
    uint64_t nid;
    uint64_t position = 0;
    for (unsigned i = 0; i < 1000 && erofs_next(fs, inode, &position, &entry) == OK; i++) {
        if (erofs_lookup(fs, inode, entry.name, entry.length, &nid) == OK && nid == UINT64_MAX)
            return;
    }
    position = 0;
    for (unsigned i = 0; i < 1000 && erofs_xattr_next(fs, inode, &position, &xattr) == OK; i++) {
        if (xattr.value_bytes != 0 && *(const uint8_t *)xattr.value == 0xff)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const char *const paths[] = { "", "system", "system/release", "a/b/c", "/" };
    struct erofs fs;
    if (erofs_open(&fs, data, size_bytes) != OK)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct erofs_inode inode;
        if (erofs_find(&fs, paths[i], &inode) == OK)
            read_all(&fs, &inode);
    }
    for (uint64_t nid = 0; nid < 64; nid++) {
        struct erofs_inode inode;
        if (erofs_inode(&fs, nid, &inode) == OK) {
            read_all(&fs, &inode);
            walk(&fs, &inode);
        }
    }
    return 0;
}

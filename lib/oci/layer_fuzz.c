/* Fuzzing layers: any bytes as a blob. What becomes an image must be one that the reader can go
 * through, and every allocation comes back. The first byte says which allocation fails.
 */
#include <fs/erofs.h>
#include <oci/layer.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { IMAGE_BYTES_MAX = 4 << 20 };

static uint8_t image[IMAGE_BYTES_MAX];

static enum status write_image(void *context, uint64_t at, const void *data, size_t size_bytes)
{
    (void)context;
    if (at > sizeof(image) || size_bytes > sizeof(image) - at)
        abort(); /* beyond what was allowed */
    memcpy(image + at, data, size_bytes);
    return OK;
}

static void must(bool promise)
{
    if (!promise)
        abort();
}

static void read_inode(const struct erofs *fs, uint64_t nid, struct erofs_inode *inode)
{
    uint8_t bytes[4096];
    size_t got = 1;
    uint64_t position = 0;
    struct erofs_xattr xattr;
    must(erofs_inode(fs, nid, inode) == OK);
    for (uint64_t at = 0; got != 0; at += got)
        must(erofs_read(fs, inode, at, bytes, sizeof(bytes), &got) == OK);
    while (erofs_xattr_next(fs, inode, &position, &xattr) == OK)
        must(xattr.value != NULL);
}

/* Every entry of every directory; those that are directories wait on a list. */
static void read_image(const struct erofs *fs, uint64_t inode_count)
{
    uint64_t *waiting = calloc(inode_count, sizeof(*waiting));
    uint64_t count = 1;
    must(waiting != NULL);
    waiting[0] = fs->root_nid;
    while (count != 0) {
        struct erofs_inode dir, inode;
        struct erofs_entry entry;
        uint64_t position = 0;
        read_inode(fs, waiting[--count], &dir);
        while (erofs_next(fs, &dir, &position, &entry) == OK) {
            uint64_t nid;
            must(erofs_lookup(fs, &dir, entry.name, (size_t)entry.length, &nid) == OK);
            must(nid == entry.nid);
            read_inode(fs, nid, &inode);
            bool dots = entry.length <= 2 && memcmp(entry.name, "..", entry.length) == 0;
            if (inode.kind == EROFS_DIRECTORY && !dots) {
                must(count < inode_count);
                waiting[count++] = nid;
            }
        }
    }
    free(waiting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return 0;
    struct oci_memory memory = { data + 1, size_bytes - 1 };
    struct oci_layer_result result;
    struct oci_error error = { 0 };
    struct erofs fs;
    const struct oci_layer_request request = {
        .blob = oci_memory_source(&memory),
        .limits = { .unpacked_bytes_max = 8 << 20,
                    .image_bytes_max = IMAGE_BYTES_MAX,
                    .metadata_bytes_max = 1 << 20,
                    .entry_max = 10000 },
        .write = write_image,
    };
    memset(image, 0, 1 << 16);
    oci_alloc_fail_after = data[0];
    enum status status = oci_layer_build(&request, &result, &error);
    oci_alloc_fail_after = 0;
    must(oci_alloc_count == 0);
    must((status == OK) == (error.reason[0] == '\0'));
    if (status != OK)
        return 0;
    must(result.image_bytes <= IMAGE_BYTES_MAX);
    must(erofs_open(&fs, image, result.image_bytes) == OK);
    read_image(&fs, result.inode_count);
    return 0;
}

/* Layers made of entries that fit badly into the image's blocks. */
#include <base/fmt.h>
#include <base/test.h>
#include <fs/erofs.h>
#include <oci/layer.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, BLOB_BYTES = 32 * BLOCK, IMAGE_BYTES = 1 << 20 };

struct blob {
    uint8_t *bytes;
    size_t used;
};

static void add_header(struct blob *blob, const char *name, char type, size_t size_bytes)
{
    char *at = (char *)blob->bytes + blob->used;
    unsigned sum = 0;
    blob->used += BLOCK;
    memset(at, 0, BLOCK);
    memcpy(at, name, strlen(name));
    memcpy(at + 100, "0000777", 8);
    memcpy(at + 108, "0000000", 8);
    memcpy(at + 116, "0000000", 8);
    for (unsigned i = 0; i < 11; i++)
        at[124 + i] = (char)('0' + (size_bytes >> (3 * (10 - i)) & 7));
    memcpy(at + 136, "00000000000", 12);
    memset(at + 148, ' ', 8);
    at[156] = type;
    memcpy(at + 257, "ustar\00000", 8);
    for (unsigned i = 0; i < BLOCK; i++)
        sum += (uint8_t)at[i];
    for (unsigned i = 0; i < 6; i++)
        at[148 + i] = (char)('0' + (sum >> (3 * (5 - i)) & 7));
    at[154] = 0;
}

/* "LENGTH KEY=VALUE\n" with a value of one letter. */
static void add_record(struct blob *blob, const char *key, char letter, size_t value_bytes)
{
    char *at = (char *)blob->bytes + blob->used;
    size_t rest = 1 + strlen(key) + 1 + value_bytes + 1;
    size_t digits = rest + 4 > 999 ? 4 : 3;
    size_t used = format_text(at, BLOCK, "%zu %s=", rest + digits, key);
    memset(at + used, letter, value_bytes);
    at[used + value_bytes] = '\n';
    blob->used += used + value_bytes + 1;
}

/* A symbolic link "l" with one attribute. */
static void make_blob(struct blob *blob, size_t target_bytes, size_t value_bytes)
{
    blob->used = BLOCK;
    add_record(blob, "linkpath", 't', target_bytes);
    add_record(blob, "SCHILY.xattr.user.a", 'v', value_bytes);
    size_t size_bytes = blob->used - BLOCK;
    size_t end = ALIGN_UP(blob->used, (size_t)BLOCK);
    memset(blob->bytes + blob->used, 0, end - blob->used);
    blob->used = 0;
    add_header(blob, "pax", 'x', size_bytes);
    blob->used = end;
    add_header(blob, "l", '2', 0);
    memset(blob->bytes + blob->used, 0, 2ull * BLOCK);
    blob->used += 2ull * BLOCK;
}

static uint8_t *image;

static enum status write_image(void *context, uint64_t at, const void *data, size_t size_bytes)
{
    (void)context;
    if (at > IMAGE_BYTES || size_bytes > IMAGE_BYTES - at)
        return ERR_RANGE;
    memcpy(image + at, data, size_bytes);
    return OK;
}

static void build(const struct blob *blob, struct erofs *fs)
{
    struct oci_memory memory = { blob->bytes, blob->used };
    const struct oci_layer_request request = {
        .blob = oci_memory_source(&memory),
        .limits = { .unpacked_bytes_max = IMAGE_BYTES,
                    .image_bytes_max = IMAGE_BYTES,
                    .metadata_bytes_max = IMAGE_BYTES,
                    .entry_max = 10 },
        .write = write_image,
    };
    struct oci_layer_result result;
    struct oci_error error = { 0 };
    memset(image, 0, IMAGE_BYTES);
    EXPECT_EQ(oci_layer_build(&request, &result, &error), OK);
    EXPECT_STR(error.reason, "");
    EXPECT_EQ(erofs_open(fs, image, result.image_bytes), OK);
}

static void check(const struct blob *blob, size_t target_bytes, size_t value_bytes)
{
    struct erofs fs;
    struct erofs_inode inode;
    struct erofs_xattr xattr;
    uint8_t target[4096];
    uint64_t position = 0;
    size_t got = 0;
    build(blob, &fs);
    EXPECT_EQ(erofs_find(&fs, "l", &inode), OK);
    EXPECT_EQ(inode.size_bytes, target_bytes);
    EXPECT_EQ(erofs_read(&fs, &inode, 0, target, sizeof(target), &got), OK);
    EXPECT_EQ(got, target_bytes);
    EXPECT(target[0] == 't' && target[target_bytes - 1] == 't');
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), OK);
    EXPECT_EQ(xattr.value_bytes, value_bytes);
}

TEST(every_size_of_target_and_attributes_has_a_place)
{
    struct blob blob = { .bytes = malloc(BLOB_BYTES) };
    image = malloc(IMAGE_BYTES);
    for (size_t target_bytes = 4030; target_bytes <= 4066; target_bytes++) {
        for (size_t value_bytes = 4040; value_bytes < 4080; value_bytes += 4) {
            make_blob(&blob, target_bytes, value_bytes);
            check(&blob, target_bytes, value_bytes);
        }
    }
    free(image);
    free(blob.bytes);
}

static bool says(const struct erofs *fs, const char *path, const char *name)
{
    struct erofs_inode inode;
    struct erofs_xattr xattr;
    uint64_t position = 0;
    EXPECT_EQ(erofs_find(fs, path, &inode), OK);
    EXPECT_EQ(inode.kind, EROFS_DIRECTORY);
    while (erofs_xattr_next(fs, &inode, &position, &xattr) == OK) {
        EXPECT_STR(xattr.prefix, "trusted.");
        EXPECT(xattr.value_bytes == 1 && *(const char *)xattr.value == 'y');
        if (xattr.name_length == strlen(name) && memcmp(xattr.name, name, strlen(name)) == 0)
            return true;
    }
    return false;
}

TEST(a_directory_that_a_path_implies_says_so)
{
    struct blob blob = { .bytes = calloc(1, BLOB_BYTES) };
    const char *implicit = "themelios.implicit";
    const char *opaque = "overlay.opaque";
    struct erofs fs;
    image = malloc(IMAGE_BYTES);
    add_header(&blob, "implied/deeper/f", '0', 0);
    add_header(&blob, "later/f", '0', 0);
    add_header(&blob, "later/", '5', 0);
    add_header(&blob, "named/", '5', 0);
    add_header(&blob, "named/f", '0', 0);
    add_header(&blob, ".wh.new", '0', 0);
    add_header(&blob, "new/f", '0', 0);
    blob.used += 2ull * BLOCK;
    build(&blob, &fs);
    EXPECT(says(&fs, "implied", implicit) && says(&fs, "implied/deeper", implicit));
    EXPECT(!says(&fs, "later", implicit) && !says(&fs, "named", implicit));
    /* What was below is gone, so there is nobody else to say what it is. */
    EXPECT(says(&fs, "new", opaque) && !says(&fs, "new", implicit));
    EXPECT(!says(&fs, "implied", opaque));
    free(image);
    free(blob.bytes);
}

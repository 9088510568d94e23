/* The EROFS reader against an image built by hand, whole and then broken in every way. */
#include <base/string.h>
#include <base/test.h>
#include <fs/erofs.h>

enum { BLOCK = 4096, IMAGE_BLOCKS = 4, META_BLOCK = 1, SLOT = 32 };

/* nid 0: root directory (inline), nid 4: directory "d" (plain, block 2), nid 8: file "f" (inline, 5
 * bytes), nid 12: file "d/big" (plain, block 3, 100 bytes).
 */
static uint8_t image[BLOCK * IMAGE_BLOCKS];

static void put(uint64_t at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        image[at + i] = (uint8_t)(value >> (8 * i));
}

static uint64_t inode_at(uint64_t nid)
{
    return META_BLOCK * BLOCK + nid * SLOT;
}

static void put_inode(uint64_t nid, unsigned layout, unsigned mode, uint64_t size, uint64_t block)
{
    uint64_t at = inode_at(nid);
    put(at, layout << 1, 2);
    put(at + 4, mode, 2);
    put(at + 8, size, 4);
    put(at + 16, block, 4);
}

static void put_entry(uint64_t at, unsigned index, uint64_t nid, uint64_t name_at)
{
    put(at + index * 12, nid, 8);
    put(at + index * 12 + 8, name_at, 2);
}

static void build(void)
{
    memset(image, 0, sizeof(image));
    put(1024, 0xe0f5e1e2, 4);
    image[1024 + 12] = 12;
    put(1024 + 14, 0, 2);
    put(1024 + 16, 4, 8);
    put(1024 + 36, IMAGE_BLOCKS, 4);
    put(1024 + 40, META_BLOCK, 4);

    put_inode(0, 2, 040755, 26, 0);
    put_entry(inode_at(0) + SLOT, 0, 4, 24);
    put_entry(inode_at(0) + SLOT, 1, 8, 25);
    memcpy(&image[inode_at(0) + SLOT + 24], "df", 2);
    put_inode(4, 0, 040755, 15, 2);
    put_entry(2 * BLOCK, 0, 12, 12);
    memcpy(&image[2 * BLOCK + 12], "big", 3);
    put_inode(8, 2, 0100644, 5, 0);
    memcpy(&image[inode_at(8) + SLOT], "hello", 5);
    put_inode(12, 0, 0100644, 100, 3);
    memset(&image[3 * BLOCK], 'x', 100);
}

static enum status read_path(const char *path, void *to, size_t size_bytes, size_t *read_out)
{
    struct erofs fs;
    struct erofs_inode inode;
    enum status status = erofs_open(&fs, image, sizeof(image));
    if (status == OK)
        status = erofs_find(&fs, path, &inode);
    if (status == OK)
        status = erofs_read(&fs, &inode, 0, to, size_bytes, read_out);
    return status;
}

TEST(reads_inline_and_plain_files)
{
    char bytes[200];
    size_t length = 0;
    build();
    EXPECT_EQ(read_path("f", bytes, sizeof(bytes), &length), OK);
    EXPECT_EQ(length, 5);
    EXPECT_EQ(memcmp(bytes, "hello", 5), 0);
    EXPECT_EQ(read_path("d/big", bytes, sizeof(bytes), &length), OK);
    EXPECT_EQ(length, 100);
    EXPECT_EQ(bytes[99], 'x');
}

TEST(reads_parts_and_stops_at_the_end)
{
    struct erofs fs;
    struct erofs_inode inode;
    char bytes[8];
    size_t length;
    build();
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), OK);
    EXPECT_EQ(erofs_find(&fs, "f", &inode), OK);
    EXPECT_EQ(erofs_read(&fs, &inode, 3, bytes, sizeof(bytes), &length), OK);
    EXPECT_EQ(length, 2);
    EXPECT_EQ(memcmp(bytes, "lo", 2), 0);
    EXPECT_EQ(erofs_read(&fs, &inode, 5, bytes, sizeof(bytes), &length), OK);
    EXPECT_EQ(length, 0);
    EXPECT_EQ(erofs_read(&fs, &inode, UINT64_MAX, bytes, sizeof(bytes), &length), OK);
    EXPECT_EQ(length, 0);
}

TEST(names_must_match_whole)
{
    char bytes[8];
    size_t length;
    build();
    static const char *const missing[] = {
        "ff", "e", "d/bi", "d/bigg", "f/x", "d/big/x", "d//big"
    };
    for (size_t i = 0; i < ARRAY_LEN(missing); i++)
        EXPECT_EQ(read_path(missing[i], bytes, sizeof(bytes), &length), ERR_NOT_FOUND);
}

TEST(refuses_what_is_not_an_image)
{
    struct erofs fs;
    build();
    EXPECT_EQ(erofs_open(&fs, image, 0), ERR_TRUNCATED);
    EXPECT_EQ(erofs_open(&fs, image, 1100), ERR_TRUNCATED);
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image) - 1), ERR_TRUNCATED);
    put(1024 + 80, 1, 4);
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), ERR_UNSUPPORTED);
    build();
    image[1024 + 12] = 30;
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), ERR_FORMAT);
    build();
    image[1024] ^= 1;
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), ERR_FORMAT);
}

TEST(refuses_lies_about_places_and_sizes)
{
    char bytes[200];
    size_t length;
    static const struct {
        uint64_t at, value;
        unsigned bytes;
        enum status expected;
    } lies[] = {
        { META_BLOCK * BLOCK + 8 * SLOT, 1 << 1, 2, ERR_UNSUPPORTED },         /* layout */
        { META_BLOCK * BLOCK + 8 * SLOT + 8, 0xffffffff, 4, ERR_TRUNCATED },   /* size */
        { META_BLOCK * BLOCK + 8 * SLOT + 2, 0xffff, 2, ERR_TRUNCATED },       /* attributes */
        { META_BLOCK * BLOCK + SLOT + 12, 0x7fffffffffffffff, 8, ERR_FORMAT }, /* nid */
        { META_BLOCK * BLOCK + SLOT + 12, 0xffffffff, 8, ERR_TRUNCATED },      /* nid */
        { META_BLOCK * BLOCK + SLOT + 8, 0, 2, ERR_FORMAT },                   /* name offsets */
        { META_BLOCK * BLOCK + SLOT + 8, 25, 2, ERR_FORMAT },
        { META_BLOCK * BLOCK + SLOT + 8, 0xfffc, 2, ERR_FORMAT },
        { META_BLOCK * BLOCK + SLOT + 20, 0xffff, 2, ERR_FORMAT },
        { META_BLOCK * BLOCK + SLOT + 20, 3, 2, ERR_FORMAT },
        { META_BLOCK * BLOCK + 8, 5, 4, ERR_FORMAT }, /* directory size */
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        build();
        put(lies[i].at, lies[i].value, lies[i].bytes);
        EXPECT_EQ(read_path("f", bytes, sizeof(bytes), &length), lies[i].expected);
    }
    build();
    put(META_BLOCK * BLOCK + 12 * SLOT + 16, 4, 4); /* the file's block is past the end */
    EXPECT_EQ(read_path("d/big", bytes, sizeof(bytes), &length), ERR_TRUNCATED);
}

TEST(contents_in_order_have_an_extent)
{
    struct erofs fs;
    struct erofs_inode inode;
    uint64_t at;
    build();
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), OK);
    EXPECT_EQ(erofs_find(&fs, "d/big", &inode), OK);
    EXPECT_EQ(erofs_extent(&fs, &inode, BLOCK, &at), OK);
    EXPECT_EQ(at, 3 * BLOCK);
    EXPECT_EQ(erofs_extent(&fs, &inode, 2 * BLOCK, &at), ERR_UNSUPPORTED); /* not aligned so */
    EXPECT_EQ(erofs_find(&fs, "f", &inode), OK);
    EXPECT_EQ(erofs_extent(&fs, &inode, BLOCK, &at), ERR_UNSUPPORTED); /* beside its inode */
}

TEST(an_extents_last_page_is_in_the_image)
{
    struct erofs fs;
    struct erofs_inode inode;
    uint64_t at;
    build();
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), OK);
    EXPECT_EQ(erofs_find(&fs, "d/big", &inode), OK);
    fs.size_bytes -= BLOCK - 200; /* the contents are there, the rest of their page is not */
    EXPECT_EQ(erofs_extent(&fs, &inode, BLOCK, &at), ERR_UNSUPPORTED);
}

TEST(entries_come_one_after_the_other)
{
    struct erofs fs;
    struct erofs_inode root;
    struct erofs_entry entry;
    uint64_t position = 0;
    build();
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), OK);
    EXPECT_EQ(erofs_inode(&fs, fs.root_nid, &root), OK);
    EXPECT_EQ(erofs_next(&fs, &root, &position, &entry), OK);
    EXPECT_EQ(entry.length, 1);
    EXPECT_EQ(entry.name[0], 'd');
    EXPECT_EQ(entry.nid, 4);
    EXPECT_EQ(erofs_next(&fs, &root, &position, &entry), OK);
    EXPECT_EQ(entry.name[0], 'f');
    EXPECT_EQ(erofs_next(&fs, &root, &position, &entry), ERR_NOT_FOUND);
}

/* nid 16: a device, extended, with one attribute of its own and a shared one in block 3. */
static void build_device(void)
{
    build();
    uint64_t at = inode_at(16);
    put(1024 + 24, 1111, 8);
    put(1024 + 44, 3, 4);
    put(at, 1, 2);
    put(at + 2, 4, 2); /* 24 bytes: header, one shared, one of its own */
    put(at + 4, 020640, 2);
    put(at + 16, 0xffff0105, 4);
    put(at + 24, 70000, 4);
    put(at + 28, 80000, 4);
    put(at + 32, 12345, 8);
    put(at + 40, 678, 4);
    put(at + 44, 3, 4);
    put(at + 64 + 4, 1, 1);
    put(at + 64 + 12, 2, 4); /* shared attribute at 3 * BLOCK + 8 */
    put(at + 80, 1, 1);
    put(at + 81, 1, 1);
    put(at + 82, 3, 2);
    memcpy(&image[at + 84], "avvv", 4);
    put(3 * BLOCK + 8, 2, 1);
    put(3 * BLOCK + 9, 6, 1);
    put(3 * BLOCK + 10, 1, 2);
    memcpy(&image[3 * BLOCK + 12], "bcw", 3);
}

TEST(attributes_and_devices)
{
    struct erofs fs;
    struct erofs_inode inode;
    build_device();
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), OK);
    EXPECT_EQ(erofs_inode(&fs, 16, &inode), OK);
    EXPECT_EQ(inode.kind, EROFS_OTHER);
    EXPECT_EQ(inode.device, 0xffff0105);
    EXPECT_EQ(inode.uid, 70000);
    EXPECT_EQ(inode.gid, 80000);
    EXPECT_EQ(inode.links, 3);
    EXPECT_EQ(inode.modified_seconds, 12345);
    EXPECT_EQ(inode.modified_nanoseconds, 678);
    EXPECT_EQ(erofs_inode(&fs, 8, &inode), OK);
    EXPECT_EQ(inode.modified_seconds, 1111);
}

TEST(extended_attributes_are_shared_or_its_own)
{
    struct erofs fs;
    struct erofs_inode inode;
    struct erofs_xattr xattr;
    uint64_t position = 0;
    build_device();
    EXPECT_EQ(erofs_open(&fs, image, sizeof(image)), OK);
    EXPECT_EQ(erofs_inode(&fs, 16, &inode), OK);
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), OK);
    EXPECT_STR(xattr.prefix, "security.");
    EXPECT_EQ(xattr.name_length, 2);
    EXPECT_EQ(memcmp(xattr.value, "w", 1), 0);
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), OK);
    EXPECT_STR(xattr.prefix, "user.");
    EXPECT_EQ(xattr.value_bytes, 3);
    EXPECT_EQ(memcmp(xattr.value, "vvv", 3), 0);
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), ERR_NOT_FOUND);

    /* Lies: a value beyond the attributes, shared ones outside, an unknown prefix. */
    put(inode_at(16) + 82, 4, 2);
    position = 1;
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), ERR_TRUNCATED);
    put(inode_at(16) + 64 + 12, UINT32_MAX, 4);
    position = 0;
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), ERR_TRUNCATED);
    put(inode_at(16) + 64 + 4, 9, 1);
    position = 0;
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), ERR_FORMAT);
    build_device();
    put(inode_at(16) + 81, 5, 1);
    position = 1;
    EXPECT_EQ(erofs_xattr_next(&fs, &inode, &position, &xattr), ERR_UNSUPPORTED);
}

/* Makes EROFS images (see image.h): blocks of 4096, extended inodes one a block, so that every
 * place is easy to compute. Block 0 is the super block, block n + 1 the inode of entry n (the root
 * is entry 0) with what is inlined, the rest contents.
 */
#include "image.h"
#include <base/test.h>
#include <linux/host.h>
#include <linux/machine.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096, SLOTS = BLOCK / 32, EXTENDED = 64, INLINE_LAYOUT = 2 };

struct image {
    uint8_t *bytes;
    uint64_t size_bytes, next_block;
    const struct image_entry *entries;
    size_t count;
    uint32_t links[IMAGE_ENTRIES + 1];
};

static void put(struct image *image, uint64_t at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        image->bytes[at + i] = (uint8_t)(value >> (8 * i));
}

static uint64_t inode_at(size_t number)
{
    return (number + 1) * BLOCK;
}

static uint64_t nid_of(size_t number)
{
    return number * SLOTS;
}

/* The directory that the path is in: an entry's number, 0 for the root. */
static size_t parent_of(const struct image *image, const char *path)
{
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; slash != NULL && i < image->count; i++) {
        size_t length = strlen(image->entries[i].path);
        if (length == (size_t)(slash - path) && strncmp(image->entries[i].path, path, length) == 0)
            return i + 1;
    }
    return 0;
}

/* Of the entry itself, or of the one that it is another link of. */
static size_t inode_of(const struct image *image, size_t index)
{
    const char *text = image->entries[index].text;
    if (text == NULL || text[0] != '=')
        return index + 1;
    for (size_t i = 0; i < image->count; i++) {
        if (strcmp(image->entries[i].path, text + 1) == 0)
            return i + 1;
    }
    abort();
}

struct child {
    const char *name;
    size_t inode;
};

static int compare_children(const void *a, const void *b)
{
    return strcmp(((const struct child *)a)->name, ((const struct child *)b)->name);
}

static size_t children_of(const struct image *image, size_t number, struct child *children)
{
    size_t count = 0;
    children[count++] = (struct child){ ".", number };
    children[count++] = (struct child){ "..", number };
    for (size_t i = 0; i < image->count; i++) {
        const char *slash = strrchr(image->entries[i].path, '/');
        if (parent_of(image, image->entries[i].path) == number)
            children[count++] = (struct child){ slash == NULL ? image->entries[i].path : slash + 1,
                                                inode_of(image, i) };
    }
    qsort(children, count, sizeof(*children), compare_children);
    return count;
}

/* Entries, then their names; its size. All fit one block. */
static uint64_t put_directory(struct image *image, size_t number, uint64_t at)
{
    struct child children[IMAGE_ENTRIES + 2];
    size_t count = children_of(image, number, children);
    uint64_t name_at = 12 * count;
    for (size_t i = 0; i < count; i++) {
        put(image, at + 12 * i, nid_of(children[i].inode), 8);
        put(image, at + 12 * i + 8, name_at, 2);
        size_t length = strlen(children[i].name);
        memcpy(image->bytes + at + name_at, children[i].name, length);
        name_at += length;
    }
    return name_at;
}

enum { TRUSTED = 4, SECURITY = 6 };

/* One with a prefix by its number; where the next one goes. */
static uint64_t put_xattr(struct image *image, uint64_t at, uint8_t prefix, const char *name,
                          const void *value, size_t value_bytes)
{
    size_t name_bytes = strlen(name);
    put(image, at, name_bytes, 1);
    put(image, at + 1, prefix, 1);
    put(image, at + 2, value_bytes, 2);
    memcpy(image->bytes + at + 4, name, name_bytes);
    memcpy(image->bytes + at + 4 + name_bytes, value, value_bytes);
    return at + (4 + name_bytes + value_bytes + 3) / 4 * 4;
}

static void put_xattrs(struct image *image, uint64_t inode, const struct image_entry *entry)
{
    uint64_t first = inode + EXTENDED + 12;
    uint64_t at = first;
    if (entry->opaque)
        at = put_xattr(image, at, TRUSTED, "overlay.opaque", "y", 1);
    if (entry->implicit)
        at = put_xattr(image, at, TRUSTED, "themelios.implicit", "y", 1);
    if (entry->capability != NULL)
        at = put_xattr(image, at, SECURITY, "capability", entry->capability,
                       entry->capability_bytes);
    if (at != first)
        put(image, inode + 2, 1 + (at - first) / 4, 2);
}

static void put_inode(struct image *image, size_t number, const struct image_entry *entry,
                      uint64_t size_bytes, uint64_t block, bool inlined)
{
    uint64_t at = inode_at(number);
    put(image, at, 1 | (inlined ? INLINE_LAYOUT << 1 : 0), 2);
    put(image, at + 4, entry->mode, 2);
    put(image, at + 8, size_bytes, 8);
    put(image, at + 16, block, 4);
    put(image, at + 24, entry->uid, 4);
    put(image, at + 28, entry->gid, 4);
    put(image, at + 32, 1000000000, 8);
    put(image, at + 40, 5, 4);
    put(image, at + 44, image->links[number], 4);
    put_xattrs(image, at, entry);
}

static uint64_t text_size(const struct image_entry *entry)
{
    uint64_t repeat = entry->repeat == 0 ? 1 : entry->repeat;
    return entry->text == NULL ? 0 : strlen(entry->text) * repeat;
}

static void put_text(struct image *image, const struct image_entry *entry, uint64_t at)
{
    size_t length = entry->text == NULL ? 0 : strlen(entry->text);
    for (uint64_t done = 0; done < text_size(entry); done += length)
        memcpy(image->bytes + at + done, entry->text, length);
}

static void put_entry(struct image *image, size_t number, const struct image_entry *entry)
{
    uint32_t type = entry->mode & S_IFMT;
    uint64_t block = image->next_block;
    if (type == S_IFDIR) {
        put_inode(image, number, entry, put_directory(image, number, block * BLOCK), block, false);
        image->next_block++;
        return;
    }
    uint64_t size_bytes = text_size(entry);
    if (type == S_IFCHR || size_bytes == 0) {
        put_inode(image, number, entry, 0, 0, false);
        return;
    }
    /* Inlined: whole blocks elsewhere, the rest beside the inode. */
    uint64_t whole = entry->inlined ? size_bytes / BLOCK : (size_bytes + BLOCK - 1) / BLOCK;
    put_inode(image, number, entry, size_bytes, block, entry->inlined);
    put_text(image, entry, block * BLOCK);
    if (entry->inlined) {
        uint64_t tail = size_bytes % BLOCK;
        memmove(image->bytes + inode_at(number) + EXTENDED, image->bytes + (block + whole) * BLOCK,
                tail);
        memset(image->bytes + (block + whole) * BLOCK, 0, tail);
    }
    image->next_block += whole;
}

static uint64_t blocks_needed(const struct image *image)
{
    uint64_t blocks = 2 + 2 * (image->count + 1);
    for (size_t i = 0; i < image->count; i++)
        blocks += text_size(&image->entries[i]) / BLOCK + 1;
    return blocks;
}

static void image_fill(struct image *image)
{
    static const struct image_entry root = { .path = "", .mode = S_IFDIR | 0755 };
    put(image, 1024, 0xe0f5e1e2, 4);
    put(image, 1024 + 12, 12, 1);
    put(image, 1024 + 14, 0, 2);
    put(image, 1024 + 16, image->count + 1, 8);
    put(image, 1024 + 36, image->size_bytes / BLOCK, 4);
    put(image, 1024 + 40, 1, 4);
    image->next_block = image->count + 2;
    for (size_t i = 0; i < image->count; i++)
        image->links[inode_of(image, i)]++;
    put_entry(image, 0, &root);
    for (size_t i = 0; i < image->count; i++) {
        if (inode_of(image, i) == i + 1)
            put_entry(image, i + 1, &image->entries[i]);
    }
}

void image_layer(const struct image_entry *entries, size_t count, struct layer *layer_out)
{
    struct image image = { .entries = entries, .count = count };
    void *base = NULL;
    image.size_bytes = blocks_needed(&image) * BLOCK;
    EXPECT_EQ(memory_allocate(image.size_bytes, &layer_out->memory), 0);
    EXPECT_EQ(
        machine_map(layer_out->memory, 0, image.size_bytes, MACHINE_READ | MACHINE_WRITE, &base),
        0);
    image.bytes = base;
    image_fill(&image);
    layer_out->base = base;
    layer_out->size_bytes = image.size_bytes;
}

void image_layer_end(struct layer *layer)
{
    machine_unmap((void *)(uintptr_t)layer->base, layer->size_bytes);
    memory_put(layer->memory);
}

/* Sparse files, in the four ways in which GNU tar has stored them. */
#include <base/checked.h>
#include <string.h>

#include "tar_impl.h"

enum {
    OLD_AT = 386, /* in the header: pairs of numbers of 12 bytes */
    OLD_COUNT = 4,
    OLD_MORE_AT = 482,
    EXTENSION_COUNT = 21, /* in each block that follows */
    EXTENSION_MORE_AT = 504,
    PAIR_BYTES = 24,
    LINE_MAX = 21, /* a number of the map in front of the data, and its line's end */
};

enum status tar_sparse_add(struct tar_reader *tar, uint64_t at, uint64_t size_bytes)
{
    if (tar->fragment_count == TAR_SPARSE_MAX)
        return tar_fail(tar, ERR_LIMIT, "a sparse file of more than 65536 fragments");
    if (tar->fragment_count == tar->fragment_room) {
        unsigned room = tar->fragment_room == 0 ? 64 : 2 * tar->fragment_room;
        void *grown = oci_realloc(tar->fragment, room * sizeof(tar->fragment[0]));
        if (grown == NULL)
            return tar_fail(tar, ERR_NO_MEMORY, "no memory for a sparse file's map");
        tar->fragment = grown;
        tar->fragment_room = room;
    }
    tar->fragment[tar->fragment_count++] = (struct tar_fragment){ at, size_bytes };
    return OK;
}

/* Pairs up to the first one that is empty. */
static enum status old_pairs(struct tar_reader *tar, const uint8_t *block, unsigned at,
                             unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned pair = at + i * PAIR_BYTES;
        uint64_t offset;
        uint64_t size;
        if (block[pair] == '\0' && block[pair + 12] == '\0')
            break;
        if (!tar_number_unsigned(block, (struct tar_field){ pair, 12 }, &offset) ||
            !tar_number_unsigned(block, (struct tar_field){ pair + 12, 12 }, &size))
            return tar_fail(tar, ERR_FORMAT, "a sparse file's map is no list of numbers");
        enum status status = tar_sparse_add(tar, offset, size);
        if (status != OK)
            return status;
    }
    return OK;
}

enum status tar_sparse_old(struct tar_reader *tar, const uint8_t *header)
{
    uint8_t block[TAR_BLOCK_BYTES];
    bool more = header[OLD_MORE_AT] != 0;
    enum status status = old_pairs(tar, header, OLD_AT, OLD_COUNT);
    while (status == OK && more) {
        unsigned before = tar->fragment_count;
        status = tar_read_exactly(tar, block, sizeof(block));
        if (status == OK)
            status = old_pairs(tar, block, 0, EXTENSION_COUNT);
        if (status == OK && tar->fragment_count == before)
            status = tar_fail(tar, ERR_FORMAT, "a sparse file's map has an empty block");
        more = block[EXTENSION_MORE_AT] != 0;
    }
    return status;
}

/* Numbers and commas: offset, size, offset, ... */
enum status tar_sparse_text(struct tar_reader *tar, const char *map)
{
    uint64_t pair[2];
    unsigned index = 0;
    const char *end = map;
    tar->fragment_count = 0;
    for (; *map != '\0'; map = *end == ',' ? end + 1 : end) {
        for (end = map; *end != '\0' && *end != ',';)
            end++;
        if (!tar_decimal(map, end, &pair[index]))
            return tar_fail(tar, ERR_FORMAT, "a sparse file's map is no list of numbers");
        index ^= 1;
        enum status status = index == 0 ? tar_sparse_add(tar, pair[0], pair[1]) : OK;
        if (status != OK)
            return status;
    }
    return index == 0 ? OK : tar_fail(tar, ERR_FORMAT, "a sparse file's map is not of pairs");
}

/* The map in front of the data: one number a line, in whole blocks. */
struct map_lines {
    struct tar_reader *tar;
    uint8_t block[TAR_BLOCK_BYTES];
    unsigned at; /* in the block */
};

static enum status map_number(struct map_lines *lines, uint64_t *value_out)
{
    char line[LINE_MAX];
    unsigned length = 0;
    for (;;) {
        if (lines->at == TAR_BLOCK_BYTES) {
            enum status status = tar_read_stored(lines->tar, lines->block, TAR_BLOCK_BYTES);
            if (status != OK)
                return status;
            lines->at = 0;
        }
        char byte = (char)lines->block[lines->at++];
        if (byte == '\n')
            break;
        if (length == LINE_MAX)
            return tar_fail(lines->tar, ERR_FORMAT, "a sparse file's map is no list of numbers");
        line[length++] = byte;
    }
    if (!tar_decimal(line, line + length, value_out))
        return tar_fail(lines->tar, ERR_FORMAT, "a sparse file's map is no list of numbers");
    return OK;
}

enum status tar_sparse_data(struct tar_reader *tar)
{
    struct map_lines lines = { .tar = tar, .at = TAR_BLOCK_BYTES };
    uint64_t count;
    tar->fragment_count = 0;
    enum status status = map_number(&lines, &count);
    if (status == OK && count > TAR_SPARSE_MAX)
        status = tar_fail(tar, ERR_LIMIT, "a sparse file of more than 65536 fragments");
    for (uint64_t i = 0; status == OK && i < count; i++) {
        uint64_t at;
        uint64_t size;
        status = map_number(&lines, &at);
        if (status == OK)
            status = map_number(&lines, &size);
        if (status == OK)
            status = tar_sparse_add(tar, at, size);
    }
    return status;
}

/* In order, within the file, and together as long as what is stored. */
enum status tar_sparse_check(struct tar_reader *tar)
{
    uint64_t end = 0;
    uint64_t sum = 0;
    for (unsigned i = 0; i < tar->fragment_count; i++) {
        const struct tar_fragment *fragment = &tar->fragment[i];
        if (fragment->at < end ||
            !checked_range_within(fragment->at, fragment->size_bytes, tar->entry.size_bytes))
            return tar_fail(tar, ERR_FORMAT, "a sparse file's map is out of order or range");
        end = fragment->at + fragment->size_bytes;
        sum += fragment->size_bytes; /* at most `end` */
    }
    if (sum != tar->left)
        return tar_fail(tar, ERR_FORMAT, "a sparse file's map does not fit its data");
    return OK;
}

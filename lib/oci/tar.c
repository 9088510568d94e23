/* The stream of a tar archive: headers, what goes before them, data. */
#include <base/checked.h>
#include <string.h>

#include "tar_impl.h"

/* Places in a header (POSIX 1003.1, "ustar Interchange Format"). */
static const struct tar_field field_name = { 0, 100 };
static const struct tar_field field_mode = { 100, 8 };
static const struct tar_field field_uid = { 108, 8 };
static const struct tar_field field_gid = { 116, 8 };
static const struct tar_field field_size = { 124, 12 };
static const struct tar_field field_mtime = { 136, 12 };
static const struct tar_field field_link = { 157, 100 };
static const struct tar_field field_major = { 329, 8 };
static const struct tar_field field_minor = { 337, 8 };
static const struct tar_field field_prefix = { 345, 155 };
static const struct tar_field field_prefix_star = { 345, 131 };
static const struct tar_field field_realsize = { 483, 12 }; /* of GNU's old sparse files */

enum { TYPE_AT = 156, MAGIC_AT = 257, STAR_AT = 508 };

enum status tar_fail(struct tar_reader *tar, enum status status, const char *reason)
{
    return oci_fail_at(tar->error, status, tar->path, reason);
}

void tar_open(struct tar_reader *tar, struct oci_source source, struct oci_error *error)
{
    memset(tar, 0, sizeof(*tar));
    tar->source = source;
    tar->error = error;
}

void tar_close(struct tar_reader *tar)
{
    oci_free(tar->pax);
    oci_free(tar->fragment);
    tar->pax = NULL;
    tar->fragment = NULL;
}

/* ---- Bytes ---- */

/* Up to `size_bytes`: fewer only at the end. */
static enum status read_up_to(struct tar_reader *tar, uint8_t *to, size_t size_bytes,
                              size_t *got_out)
{
    size_t done = 0;
    while (done < size_bytes) {
        size_t got;
        enum status status =
            tar->source.read(tar->source.context, to + done, size_bytes - done, &got);
        if (status != OK)
            return status;
        if (got == 0)
            break;
        done += got;
        tar->at += got;
    }
    *got_out = done;
    return OK;
}

enum status tar_read_exactly(struct tar_reader *tar, void *to, size_t size_bytes)
{
    size_t got;
    enum status status = read_up_to(tar, to, size_bytes, &got);
    if (status == OK && got != size_bytes)
        status = tar_fail(tar, ERR_TRUNCATED, "the archive ends within an entry");
    return status;
}

enum status tar_read_stored(struct tar_reader *tar, void *to, size_t size_bytes)
{
    if (size_bytes > tar->left)
        return tar_fail(tar, ERR_FORMAT, "an entry is shorter than what it must hold");
    tar->left -= size_bytes;
    return tar_read_exactly(tar, to, size_bytes);
}

/* What is left of an entry, and its padding. */
static enum status skip_rest(struct tar_reader *tar)
{
    uint8_t buffer[4096];
    enum status status = OK;
    uint64_t left = tar->left + tar->padding; /* each below 2^63 */
    if (left > sizeof(buffer) && tar->source.skip != NULL) {
        if (!tar->source.skip(tar->source.context, left))
            return tar_fail(tar, ERR_TRUNCATED, "the archive ends within an entry");
        tar->at += left;
        left = 0;
    }
    while (status == OK && left > 0) {
        size_t part = left < sizeof(buffer) ? (size_t)left : sizeof(buffer);
        status = tar_read_exactly(tar, buffer, part);
        left -= part;
    }
    tar->left = 0;
    tar->padding = 0;
    return status;
}

static void expect_data(struct tar_reader *tar, uint64_t size_bytes)
{
    tar->left = size_bytes;
    tar->padding = (TAR_BLOCK_BYTES - size_bytes % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;
}

/* ---- What goes before a header ---- */

struct before {
    struct tar_pax pax;
    bool path_present, link_present; /* GNU's long names: they lie in tar->path and tar->link */
};

/* A text that may be followed by zero bytes, into a text of the reader. */
static enum status read_long_text(struct tar_reader *tar, char text[TAR_PATH_MAX + 1])
{
    char buffer[TAR_PATH_MAX + 2] = { 0 };
    if (tar->left > sizeof(buffer) - 1)
        return tar_fail(tar, ERR_LIMIT, "a name longer than 4095 bytes");
    enum status status = tar_read_stored(tar, buffer, (size_t)tar->left);
    if (status == OK && strlen(buffer) > TAR_PATH_MAX)
        status = tar_fail(tar, ERR_LIMIT, "a name longer than 4095 bytes");
    if (status == OK)
        memcpy(text, buffer, TAR_PATH_MAX + 1);
    return status;
}

static enum status read_pax(struct tar_reader *tar, struct tar_pax *pax)
{
    size_t size = (size_t)tar->left;
    if (tar->left > TAR_PAX_BYTES_MAX)
        return tar_fail(tar, ERR_LIMIT, "more than 1 MiB of pax records");
    oci_free(tar->pax);
    tar->pax = oci_alloc(size);
    if (tar->pax == NULL)
        return tar_fail(tar, ERR_NO_MEMORY, "no memory for pax records");
    enum status status = tar_read_stored(tar, tar->pax, size);
    return status == OK ? tar_pax_read(tar, size, pax) : status;
}

/* The header at hand only says something about the one that follows. */
static enum status read_before(struct tar_reader *tar, char type, struct before *before)
{
    enum status status = OK;
    if (type == 'x') {
        status = read_pax(tar, &before->pax);
    } else if (type == 'L') {
        status = read_long_text(tar, tar->path);
        before->path_present = true;
    } else if (type == 'K') {
        status = read_long_text(tar, tar->link);
        before->link_present = true;
    }
    return status == OK ? skip_rest(tar) : status;
}

/* ---- Headers ---- */

static bool is_zero(const uint8_t *block)
{
    return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK_BYTES - 1) == 0;
}

/* The next header, unless that is the end: two empty blocks, or one and nothing behind it, or
 * nothing. */
static enum status read_header(struct tar_reader *tar, uint8_t *header)
{
    size_t got = 0;
    for (unsigned empty = 0; empty < 2; empty++) {
        enum status status = read_up_to(tar, header, TAR_BLOCK_BYTES, &got);
        if (status != OK)
            return status;
        if (got == 0)
            break;
        if (got != TAR_BLOCK_BYTES)
            return tar_fail(tar, ERR_TRUNCATED, "the archive ends within a header");
        if (!is_zero(header)) {
            if (empty != 0 || !tar_checksum_right(header))
                return tar_fail(tar, ERR_FORMAT, "what should be a header is none");
            return OK;
        }
    }
    tar->ended = true;
    return OK;
}

static enum status header_size(struct tar_reader *tar, const uint8_t *header, uint64_t *size_out)
{
    if (!tar_number_unsigned(header, field_size, size_out))
        return tar_fail(tar, ERR_FORMAT, "a size is no number, or negative");
    return OK;
}

static bool kind_of(char type, enum tar_kind *kind_out)
{
    static const char types[] = "01234567S";
    static const enum tar_kind kinds[] = { TAR_FILE,      TAR_HARD_LINK, TAR_SYMLINK,
                                           TAR_CHARACTER, TAR_BLOCK,     TAR_DIRECTORY,
                                           TAR_FIFO,      TAR_FILE,      TAR_FILE };
    const char *at = type == '\0' ? types : strchr(types, type);
    if (at != NULL)
        *kind_out = kinds[at - types];
    return at != NULL;
}

static enum status take_text(struct tar_reader *tar, char text[TAR_PATH_MAX + 1], const char *from)
{
    size_t length = strlen(from);
    if (length > TAR_PATH_MAX)
        return tar_fail(tar, ERR_LIMIT, "a name longer than 4095 bytes");
    memcpy(text, from, length + 1);
    return OK;
}

/* ustar puts what does not fit in front of the name; GNU keeps other things there. */
static enum status header_path(struct tar_reader *tar, const uint8_t *header)
{
    const char *magic = (const char *)header + MAGIC_AT;
    bool star = memcmp(header + STAR_AT, "tar", 4) == 0;
    bool good = true;
    tar->path[0] = '\0';
    if (memcmp(magic, "ustar", 6) == 0)
        good = tar_text(header, star ? field_prefix_star : field_prefix, tar->path);
    size_t length = strlen(tar->path);
    if (length > 0) {
        tar->path[length] = '/';
        tar->path[length + 1] = '\0';
    }
    good = good && tar_text(header, field_name, tar->path);
    return good ? OK : tar_fail(tar, ERR_LIMIT, "a name longer than 4095 bytes");
}

static enum status set_texts(struct tar_reader *tar, const uint8_t *header,
                             const struct before *before)
{
    const struct tar_pax *pax = &before->pax;
    const char *path = pax->sparse_name != NULL ? pax->sparse_name : pax->path;
    enum status status = OK;
    if (before->path_present)
        status = OK;
    else if (path != NULL)
        status = take_text(tar, tar->path, path);
    else
        status = header_path(tar, header);
    if (status != OK || before->link_present)
        return status;
    tar->link[0] = '\0';
    if (pax->link != NULL)
        return take_text(tar, tar->link, pax->link);
    return tar_text(header, field_link, tar->link) ? OK : ERR_LIMIT; /* 100 bytes fit */
}

static bool set_numbers(struct tar_entry *entry, const uint8_t *header, const struct tar_pax *pax)
{
    uint64_t mode, major = 0, minor = 0;
    uint64_t uid = pax->uid;
    uint64_t gid = pax->gid;
    if (!tar_number_unsigned(header, field_mode, &mode) ||
        (!pax->uid_present && !tar_number_unsigned(header, field_uid, &uid)) ||
        (!pax->gid_present && !tar_number_unsigned(header, field_gid, &gid)) ||
        (!pax->mtime_present && !tar_number(header, field_mtime, &entry->mtime_s)))
        return false;
    bool device = entry->kind == TAR_CHARACTER || entry->kind == TAR_BLOCK;
    if (device && (!tar_number_unsigned(header, field_major, &major) ||
                   !tar_number_unsigned(header, field_minor, &minor)))
        return false;
    if (uid > UINT32_MAX || gid > UINT32_MAX || major > 0xfff || minor > 0xfffff)
        return false;
    entry->mode = (uint32_t)mode & 07777;
    entry->uid = (uint32_t)uid;
    entry->gid = (uint32_t)gid;
    entry->device_major = (uint32_t)major;
    entry->device_minor = (uint32_t)minor;
    if (pax->mtime_present) {
        entry->mtime_s = pax->mtime_s;
        entry->mtime_ns = pax->mtime_ns;
    }
    return true;
}

/* How long the data is in the stream, and how long the file. */
static enum status set_sizes(struct tar_reader *tar, const uint8_t *header,
                             const struct tar_pax *pax)
{
    struct tar_entry *entry = &tar->entry;
    uint64_t size = pax->size_bytes;
    enum status status = pax->size_present ? OK : header_size(tar, header, &size);
    if (status != OK)
        return status;
    if (size > INT64_MAX)
        return tar_fail(tar, ERR_RANGE, "a size does not fit in 63 bits");
    if (entry->kind != TAR_FILE)
        size = 0;
    expect_data(tar, size);
    entry->size_bytes = size;
    if (header[TYPE_AT] == 'S') {
        if (!tar_number_unsigned(header, field_realsize, &entry->size_bytes))
            return tar_fail(tar, ERR_FORMAT, "a size is no number, or negative");
        tar->fragment_count = 0;
        status = tar_sparse_old(tar, header);
    } else if (pax->sparse && entry->kind == TAR_FILE) {
        entry->size_bytes = pax->realsize_present ? pax->realsize_bytes : size;
        if (pax->sparse_major)
            status = tar_sparse_data(tar);
        else if (pax->sparse_map != NULL)
            status = tar_sparse_text(tar, pax->sparse_map);
    } else {
        tar->fragment_count = 0;
        status = tar_sparse_add(tar, 0, size);
    }
    if (status == OK && entry->size_bytes > INT64_MAX)
        status = tar_fail(tar, ERR_RANGE, "a size does not fit in 63 bits");
    return status == OK ? tar_sparse_check(tar) : status;
}

static enum status take_entry(struct tar_reader *tar, const uint8_t *header,
                              const struct before *before)
{
    char type = (char)header[TYPE_AT];
    enum status status = set_texts(tar, header, before);
    if (status != OK)
        return status;
    tar->entry = (struct tar_entry){ .path = tar->path, .link = tar->link };
    if (tar->path[0] == '\0')
        return tar_fail(tar, ERR_FORMAT, "an entry without a name");
    if (!kind_of(type, &tar->entry.kind))
        return tar_fail(tar, ERR_UNSUPPORTED, "an entry of a type that is not known");
    if ((type == '0' || type == '\0') && tar->path[strlen(tar->path) - 1] == '/')
        tar->entry.kind = TAR_DIRECTORY; /* as it was written before there was a type for it */
    if (!set_numbers(&tar->entry, header, &before->pax))
        return tar_fail(tar, ERR_FORMAT, "owner, mode, time or device is no number, or too large");
    status = set_sizes(tar, header, &before->pax);
    tar->entry.data_at = tar->at;
    tar->entry.data_bytes = tar->left;
    tar->entry.xattr = tar->xattr;
    tar->entry.xattr_count = before->pax.xattr_count;
    tar->fragment_index = 0;
    tar->fragment_done = 0;
    return status;
}

enum status tar_next(struct tar_reader *tar, const struct tar_entry **entry_out, bool *more_out)
{
    uint8_t header[TAR_BLOCK_BYTES];
    struct before before = { 0 };
    enum status status = skip_rest(tar);
    tar->path[0] = '\0';
    *more_out = false;
    while (status == OK && !tar->ended) {
        status = read_header(tar, header);
        if (status != OK || tar->ended)
            break;
        char type = (char)header[TYPE_AT];
        if (type == '\0' || strchr("xgLKV", type) == NULL) {
            *more_out = true;
            *entry_out = &tar->entry;
            return take_entry(tar, header, &before);
        }
        uint64_t size;
        status = header_size(tar, header, &size);
        if (status != OK)
            break;
        expect_data(tar, size);
        status = read_before(tar, type, &before);
    }
    return status;
}

enum status tar_data(struct tar_reader *tar, void *to, size_t room, uint64_t *at_out,
                     size_t *got_out)
{
    const struct tar_fragment *fragment = NULL;
    *got_out = 0;
    while (tar->fragment_index < tar->fragment_count) {
        fragment = &tar->fragment[tar->fragment_index];
        if (tar->fragment_done < fragment->size_bytes)
            break;
        tar->fragment_index++;
        tar->fragment_done = 0;
    }
    if (fragment == NULL || tar->fragment_index == tar->fragment_count)
        return OK;
    uint64_t left = fragment->size_bytes - tar->fragment_done;
    size_t part = left < room ? (size_t)left : room;
    enum status status = tar_read_stored(tar, to, part);
    if (status != OK)
        return status;
    *at_out = fragment->at + tar->fragment_done;
    tar->fragment_done += part;
    *got_out = part;
    return OK;
}

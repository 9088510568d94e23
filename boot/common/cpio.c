/* Reading cpio archives: see cpio.h. The archive is a stranger's; nothing is believed unchecked. */

#include <base/checked.h>
#include <base/string.h>
#include <boot/cpio.h>
#include <boot/platform.h>

enum {
    CPIO_HEADER_BYTES = 110,
    CPIO_MODE_AT = 14,
    CPIO_SIZE_AT = 54,
    CPIO_NAME_BYTES_AT = 94,
    CPIO_MODE_KIND = 0170000,
    CPIO_MODE_FILE = 0100000,
};

struct cpio_reader {
    const char *bytes;
    size_t size_bytes;
    size_t at;
};

struct cpio_entry {
    const char *name; /* ended by 0 inside the archive */
    const char *data;
    size_t size_bytes;
    bool file;
};

bool cpio_is_archive(const void *archive, size_t size_bytes)
{
    return size_bytes >= CPIO_HEADER_BYTES && memcmp(archive, "070701", 6) == 0;
}

/* Eight hexadecimal digits. */
static bool cpio_number(const char *text, uint32_t *number_out)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < 8; i++) {
        char c = text[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (unsigned)((c | 32) - 'a') + 10;
        else
            return false;
        number = number << 4 | digit;
    }
    *number_out = number;
    return true;
}

/* Step over `size_bytes` bytes and the padding behind them. */
static enum status cpio_skip(struct cpio_reader *reader, uint64_t size_bytes)
{
    if (!checked_range_within(reader->at, size_bytes, reader->size_bytes))
        return ERR_TRUNCATED;
    reader->at = MIN(ALIGN_UP(reader->at + (size_t)size_bytes, 4), reader->size_bytes);
    return OK;
}

static enum status cpio_next(struct cpio_reader *reader, struct cpio_entry *entry_out)
{
    const char *header = reader->bytes + reader->at;
    uint32_t mode, size_bytes, name_bytes;

    if (!cpio_is_archive(header, reader->size_bytes - reader->at))
        return ERR_FORMAT;
    if (!cpio_number(header + CPIO_MODE_AT, &mode) ||
        !cpio_number(header + CPIO_SIZE_AT, &size_bytes) ||
        !cpio_number(header + CPIO_NAME_BYTES_AT, &name_bytes) || name_bytes == 0)
        return ERR_FORMAT;

    enum status status = cpio_skip(reader, (uint64_t)CPIO_HEADER_BYTES + name_bytes);
    if (status != OK)
        return status;
    entry_out->name = header + CPIO_HEADER_BYTES;
    if (entry_out->name[name_bytes - 1] != 0)
        return ERR_FORMAT;
    entry_out->data = reader->bytes + reader->at;
    entry_out->size_bytes = size_bytes;
    entry_out->file = (mode & CPIO_MODE_KIND) == CPIO_MODE_FILE;
    return cpio_skip(reader, size_bytes);
}

static const char *cpio_plain_name(const char *name)
{
    while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
        name++;
    return name;
}

enum status cpio_find(const void *archive, size_t size_bytes, const char *path,
                      struct cpio_file *file_out)
{
    struct cpio_reader reader = { archive, size_bytes, 0 };
    enum status found = ERR_NOT_FOUND;
    struct cpio_entry entry;

    for (;;) {
        enum status status = cpio_next(&reader, &entry);
        if (status != OK)
            return status;
        if (strcmp(entry.name, "TRAILER!!!") == 0)
            return found;
        if (entry.file && boot_path_equal(cpio_plain_name(entry.name), cpio_plain_name(path))) {
            *file_out = (struct cpio_file){ entry.data, entry.size_bytes };
            found = OK;
        }
    }
}

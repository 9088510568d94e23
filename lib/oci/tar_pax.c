/* pax records: "LENGTH KEY=VALUE\n", as POSIX 1003.1 has them (pax, "pax Extended Header"). */
#include <base/compiler.h>
#include <string.h>

#include "tar_impl.h"

#define XATTR_PREFIX "SCHILY.xattr."

struct record {
    const char *key;
    const char *value;
    size_t value_bytes; /* a zero byte follows in memory */
};

/* Seconds, perhaps with a fraction and a sign. Digits below a nanosecond are dropped. */
static bool pax_time(const char *text, size_t length, int64_t *s_out, uint32_t *ns_out)
{
    const char *end = text + length;
    bool negative = length > 0 && *text == '-';
    text += negative;
    const char *point = text;
    while (point < end && *point != '.')
        point++;
    uint64_t s;
    if (!tar_decimal(text, point, &s) || s > INT64_MAX / 2)
        return false;
    uint32_t ns = 0;
    uint32_t scale = 100000000;
    for (const char *at = point + 1; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        ns += (uint32_t)(*at - '0') * scale;
        scale /= 10;
    }
    *s_out = negative ? -(int64_t)s : (int64_t)s;
    *ns_out = ns;
    if (negative && ns != 0) {
        *s_out -= 1;
        *ns_out = 1000000000 - ns;
    }
    return true;
}

static bool pax_number(const struct record *record, uint64_t *value_out, bool *present_out)
{
    *present_out = record->value_bytes != 0;
    return record->value_bytes == 0 ||
           tar_decimal(record->value, record->value + record->value_bytes, value_out);
}

/* An empty value takes back what was said before, as POSIX has it. */
static bool pax_text(const struct record *record, const char **text_out)
{
    *text_out = record->value_bytes != 0 ? record->value : NULL;
    return memchr(record->value, '\0', record->value_bytes) == NULL;
}

/* The map of version 0.0 is a pair of records for each fragment. */
static enum status pax_fragment(struct tar_reader *tar, const struct record *record, bool offset)
{
    uint64_t value;
    if (!tar_decimal(record->value, record->value + record->value_bytes, &value))
        return tar_fail(tar, ERR_FORMAT, "a sparse file's map is no list of numbers");
    if (offset)
        return tar_sparse_add(tar, value, 0);
    if (tar->fragment_count == 0)
        return tar_fail(tar, ERR_FORMAT, "a sparse file's map begins in its middle");
    tar->fragment[tar->fragment_count - 1].size_bytes = value;
    return OK;
}

static enum status pax_sparse(struct tar_reader *tar, const struct record *record,
                              struct tar_pax *pax)
{
    const char *key = record->key + strlen("GNU.sparse.");
    bool good = true;
    if (strcmp(key, "offset") == 0 || strcmp(key, "numbytes") == 0)
        return pax_fragment(tar, record, key[0] == 'o');
    if (strcmp(key, "major") == 0)
        pax->sparse_major = strcmp(record->value, "0") != 0;
    else if (strcmp(key, "name") == 0)
        good = pax_text(record, &pax->sparse_name);
    else if (strcmp(key, "map") == 0)
        good = pax_text(record, &pax->sparse_map);
    else if (strcmp(key, "realsize") == 0 || strcmp(key, "size") == 0)
        good = pax_number(record, &pax->realsize_bytes, &pax->realsize_present);
    pax->sparse = true;
    return good ? OK : tar_fail(tar, ERR_FORMAT, "a pax record of a sparse file is malformed");
}

static enum status pax_xattr(struct tar_reader *tar, const struct record *record,
                             struct tar_pax *pax)
{
    if (pax->xattr_count == TAR_XATTR_MAX)
        return tar_fail(tar, ERR_LIMIT, "more than 256 extended attributes");
    tar->xattr[pax->xattr_count++] = (struct tar_xattr){
        .name = record->key + strlen(XATTR_PREFIX),
        .value = (const uint8_t *)record->value,
        .value_bytes = record->value_bytes,
    };
    return OK;
}

static enum status pax_record(struct tar_reader *tar, const struct record *record,
                              struct tar_pax *pax)
{
    bool good = true;
    if (strncmp(record->key, "GNU.sparse.", strlen("GNU.sparse.")) == 0)
        return pax_sparse(tar, record, pax);
    if (strncmp(record->key, XATTR_PREFIX, strlen(XATTR_PREFIX)) == 0)
        return pax_xattr(tar, record, pax);
    if (strcmp(record->key, "path") == 0)
        good = pax_text(record, &pax->path);
    else if (strcmp(record->key, "linkpath") == 0)
        good = pax_text(record, &pax->link);
    else if (strcmp(record->key, "size") == 0)
        good = pax_number(record, &pax->size_bytes, &pax->size_present);
    else if (strcmp(record->key, "uid") == 0)
        good = pax_number(record, &pax->uid, &pax->uid_present);
    else if (strcmp(record->key, "gid") == 0)
        good = pax_number(record, &pax->gid, &pax->gid_present);
    else if (strcmp(record->key, "mtime") == 0) {
        pax->mtime_present = record->value_bytes != 0;
        good = !pax->mtime_present ||
               pax_time(record->value, record->value_bytes, &pax->mtime_s, &pax->mtime_ns);
    }
    return good ? OK : tar_fail(tar, ERR_FORMAT, "a pax record is malformed");
}

/* One record at `at`; the "=" and the line's end become zero bytes, so that both texts end. */
static bool record_at(char *at, size_t left_bytes, struct record *record, size_t *size_out)
{
    const char *space = memchr(at, ' ', left_bytes < 21 ? left_bytes : 21);
    uint64_t size;
    if (space == NULL || !tar_decimal(at, space, &size) || size > left_bytes)
        return false;
    size_t digits = (size_t)(space - at) + 1;
    if (size < digits + 2 || at[size - 1] != '\n')
        return false;
    char *key = at + digits;
    char *equals = memchr(key, '=', (size_t)size - digits - 1);
    if (equals == NULL || equals == key || memchr(key, '\0', (size_t)(equals - key)) != NULL)
        return false;
    *equals = '\0';
    at[size - 1] = '\0';
    *record = (struct record){
        .key = key,
        .value = equals + 1,
        .value_bytes = (size_t)(at + size - 1 - (equals + 1)),
    };
    *size_out = (size_t)size;
    return true;
}

enum status tar_pax_read(struct tar_reader *tar, size_t size_bytes, struct tar_pax *pax)
{
    enum status status = OK;
    *pax = (struct tar_pax){ 0 };
    tar->fragment_count = 0;
    for (size_t at = 0; at < size_bytes && status == OK;) {
        struct record record;
        size_t record_bytes;
        if (!record_at(tar->pax + at, size_bytes - at, &record, &record_bytes))
            return tar_fail(tar, ERR_FORMAT, "a pax record is malformed");
        status = pax_record(tar, &record, pax);
        at += record_bytes;
    }
    return status;
}

/* Between the parts of the tar reader: fields of headers (tar_field.c), pax records (tar_pax.c),
 * sparse maps (tar_sparse.c), and the stream (tar.c). */
#pragma once

#include <oci/tar.h>

/* What pax records say of an entry, which goes before its header. */
struct tar_pax {
    const char *path, *link; /* NULL: nothing */
    const char *sparse_name;
    const char *sparse_map; /* 0.1: numbers and commas */
    bool size_present, uid_present, gid_present, mtime_present, realsize_present;
    uint64_t size_bytes, realsize_bytes;
    uint64_t uid, gid;
    int64_t mtime_s;
    uint32_t mtime_ns;
    bool sparse;       /* version 0: the map is in the records */
    bool sparse_major; /* version 1: the map is in front of the data */
    unsigned xattr_count;
};

struct tar_field {
    unsigned at, size_bytes;
};

/* Octal digits, or GNU's binary numbers; false if it is neither or does not fit. */
bool tar_number(const uint8_t *header, struct tar_field field, int64_t *value_out);
bool tar_number_unsigned(const uint8_t *header, struct tar_field field, uint64_t *value_out);
/* Append a field of text, which may fill its place to the end; false if there is no room. */
bool tar_text(const uint8_t *header, struct tar_field field, char text[TAR_PATH_MAX + 1]);
bool tar_checksum_right(const uint8_t *header);
/* Decimal digits up to `end`; false if there is anything else, or nothing. */
bool tar_decimal(const char *from, const char *end, uint64_t *value_out);

/* Take the records in tar->pax apart. */
enum status tar_pax_read(struct tar_reader *tar, size_t size_bytes, struct tar_pax *pax);

/* tar.c, for the others. */
enum status tar_fail(struct tar_reader *tar, enum status status, const char *reason);
enum status tar_read_exactly(struct tar_reader *tar, void *to, size_t size_bytes);
/* As much of the entry's data. */
enum status tar_read_stored(struct tar_reader *tar, void *to, size_t size_bytes);

/* The fragments of the entry, in order, from wherever its format keeps them; then all are checked.
 */
enum status tar_sparse_old(struct tar_reader *tar, const uint8_t *header);
enum status tar_sparse_add(struct tar_reader *tar, uint64_t at, uint64_t size_bytes);
enum status tar_sparse_text(struct tar_reader *tar, const char *map);
enum status tar_sparse_data(struct tar_reader *tar);
enum status tar_sparse_check(struct tar_reader *tar);

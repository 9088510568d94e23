/* A reader of tar streams: ustar, pax (POSIX 1003.1), GNU (long names, sparse files), as they come
 * out of image builders. It goes through a stream once and keeps one entry at a time.
 *
 * Everything in it is a stranger's. Numbers are checked for overflow, texts for length (refused,
 * never cut), and each limit below holds for what one entry can make us allocate. Names are given
 * as they stand there: whoever uses them must expect "..", and anything else but a zero byte.
 *
 * Where programs differ, this does what the programs do that unpack images elsewhere: global pax
 * headers are ignored, entries that are no files have no data, whatever their size field says; the
 * end may lack its two empty blocks.
 */
#pragma once

#include <oci/error.h>
#include <oci/source.h>
#include <stdbool.h>

enum {
    TAR_BLOCK_BYTES = 512,
    TAR_PATH_MAX = 4095,
    TAR_PAX_BYTES_MAX = 1 << 20, /* all records of one entry */
    TAR_XATTR_MAX = 256,
    TAR_SPARSE_MAX = 1 << 16, /* fragments of one file */
};

enum tar_kind {
    TAR_FILE,
    TAR_HARD_LINK,
    TAR_SYMLINK,
    TAR_CHARACTER,
    TAR_BLOCK,
    TAR_DIRECTORY,
    TAR_FIFO,
};

struct tar_xattr {
    const char *name; /* "security.capability" */
    const uint8_t *value;
    size_t value_bytes;
};

/* Stored bytes follow each other; `at` says where they belong in the file. */
struct tar_fragment {
    uint64_t at;
    uint64_t size_bytes;
};

struct tar_entry {
    enum tar_kind kind;
    const char *path; /* never empty */
    const char *link; /* of links; else "" */
    uint32_t mode;    /* 07777 */
    uint32_t uid, gid;
    int64_t mtime_s;
    uint32_t mtime_ns;
    uint32_t device_major, device_minor;
    uint64_t size_bytes;  /* of a file, with its holes */
    uint64_t data_at;     /* from the beginning of the stream */
    uint64_t data_bytes;  /* in the stream; other than size_bytes only for sparse files */
    unsigned xattr_count; /* a name may come twice: the last one counts */
    const struct tar_xattr *xattr;
};

/* Fields are the reader's own. */
struct tar_reader {
    struct oci_source source;
    struct oci_error *error;
    uint64_t at;      /* bytes of the stream that were read */
    uint64_t left;    /* data of the entry that was not read yet */
    uint64_t padding; /* behind it */
    bool ended;

    struct tar_entry entry;
    struct tar_xattr xattr[TAR_XATTR_MAX];
    char path[TAR_PATH_MAX + 1];
    char link[TAR_PATH_MAX + 1];
    char *pax; /* the records; xattr points into them */

    /* Sparse files. */
    struct tar_fragment *fragment;
    unsigned fragment_count, fragment_room;
    unsigned fragment_index; /* the one that is read, and how far */
    uint64_t fragment_done;
};

/* `error` must outlive the reader. */
void tar_open(struct tar_reader *tar, struct oci_source source, struct oci_error *error);
void tar_close(struct tar_reader *tar);

/* The next entry; its texts live until the next call. *more_out is false at the end. */
enum status tar_next(struct tar_reader *tar, const struct tar_entry **entry_out, bool *more_out);

/* A piece of a file's data, and where in the file it belongs; holes are left out. *got_out 0: that
 * was all. */
enum status tar_data(struct tar_reader *tar, void *to, size_t room, uint64_t *at_out,
                     size_t *got_out);

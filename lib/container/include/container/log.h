/* What a container wrote, kept by its creator: a ring of records in memory that readers may share
 * (read-only). The oldest go when there is no room; whoever reads too late learns how many bytes of
 * records he lost.
 *
 *     struct container_log
 *     bytes: records, each struct log_record and its data, padded to 8; they wrap around
 *
 * Positions count bytes since the beginning and never wrap. One writer. A reader copies a record
 * and then looks whether `tail` has passed it: then what it copied means nothing.
 */
#pragma once

#include <base/status.h>
#include <stddef.h>
#include <stdint.h>

struct container_log {
    uint64_t room;    /* bytes for records: a multiple of 8 */
    uint64_t tail;    /* where the oldest record begins; written before it is overwritten */
    uint64_t head;    /* behind the newest; written after it is whole */
    uint64_t dropped; /* bytes of data that went with old records */
};

enum { LOG_STREAM_OUTPUT = 1, LOG_STREAM_ERROR = 2, LOG_DATA_MAX = 4096 };

struct log_record {
    uint64_t time_ns; /* since boot */
    uint32_t session;
    uint16_t stream;
    uint16_t size_bytes; /* of data */
};

/* In `size_bytes` of zeroed memory, aligned to 8 and large enough for a few records. */
enum status container_log_open(struct container_log *log, size_t size_bytes);
/* `record->size_bytes` bytes of data, at most LOG_DATA_MAX and an eighth of the room. */
enum status container_log_append(struct container_log *log, const struct log_record *record,
                                 const void *data);
/* The record at *position, or the oldest that is there; *lost_out: bytes of records between. It may
 * be in memory that another process writes: every number of it is checked. ERR_NOT_FOUND: nothing
 * new yet; ERR_FORMAT: it is no log. */
enum status container_log_read(const struct container_log *log, size_t size_bytes,
                               uint64_t *position, struct log_record *record_out, void *data,
                               uint64_t *lost_out);

#include <base/compiler.h>
#include <base/string.h>
#include <container/log.h>

static uint64_t padded(uint32_t data_bytes)
{
    return sizeof(struct log_record) + ALIGN_UP((uint64_t)data_bytes, 8);
}

static uint8_t *records(struct container_log *log)
{
    return (uint8_t *)(log + 1);
}

enum status container_log_open(struct container_log *log, size_t size_bytes)
{
    if (size_bytes < sizeof(*log) + 1024)
        return ERR_RANGE;
    log->room = ALIGN_DOWN(size_bytes - sizeof(*log), 8);
    return OK;
}

/* ---- Writing ---- */

static void put(struct container_log *log, uint64_t position, const void *from, size_t size_bytes)
{
    uint64_t at = position % log->room;
    size_t first = (size_t)MIN(size_bytes, log->room - at);
    memcpy(records(log) + at, from, first);
    memcpy(records(log), (const uint8_t *)from + first, size_bytes - first);
}

static void get(const struct container_log *log, uint64_t room, uint64_t position, void *to,
                size_t size_bytes)
{
    const uint8_t *bytes = (const uint8_t *)(log + 1);
    uint64_t at = position % room;
    size_t first = (size_t)MIN(size_bytes, room - at);
    memcpy(to, bytes + at, first);
    memcpy((uint8_t *)to + first, bytes, size_bytes - first);
}

/* Old records go until there is room. */
static void drop(struct container_log *log, uint64_t needed)
{
    uint64_t tail = log->tail;
    while (log->head + needed - tail > log->room) {
        struct log_record old;
        get(log, log->room, tail, &old, sizeof(old));
        tail += padded(old.size_bytes);
        log->dropped += old.size_bytes;
    }
    __atomic_store_n(&log->tail, tail, __ATOMIC_RELAXED);
    /* What is overwritten next is seen only by who can see the tail. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

enum status container_log_append(struct container_log *log, const struct log_record *record,
                                 const void *data)
{
    uint64_t needed = padded(record->size_bytes);
    if (record->size_bytes > LOG_DATA_MAX || needed > log->room / 8)
        return ERR_RANGE;
    drop(log, needed);
    put(log, log->head, record, sizeof(*record));
    put(log, log->head + sizeof(*record), data, record->size_bytes);
    __atomic_store_n(&log->head, log->head + needed, __ATOMIC_RELEASE);
    return OK;
}

/* ---- Reading ---- */

static enum status read_at(const struct container_log *log, uint64_t room, uint64_t position,
                           struct log_record *record, void *data)
{
    get(log, room, position, record, sizeof(*record));
    if (record->size_bytes > LOG_DATA_MAX || padded(record->size_bytes) > room)
        return ERR_FORMAT;
    get(log, room, position + sizeof(*record), data, record->size_bytes);
    return OK;
}

enum status container_log_read(const struct container_log *log, size_t size_bytes,
                               uint64_t *position, struct log_record *record_out, void *data,
                               uint64_t *lost_out)
{
    uint64_t room = READ_ONCE(log->room);
    *lost_out = 0;
    if (size_bytes < sizeof(*log) || room > size_bytes - sizeof(*log) || room < 1024 ||
        room % 8 != 0)
        return ERR_FORMAT;
    for (unsigned attempt = 0; attempt < 16; attempt++) {
        uint64_t head = __atomic_load_n(&log->head, __ATOMIC_ACQUIRE);
        uint64_t tail = __atomic_load_n(&log->tail, __ATOMIC_RELAXED);
        if (*position < tail) {
            *lost_out += tail - *position;
            *position = tail;
        }
        if (*position >= head)
            return *position == head ? ERR_NOT_FOUND : ERR_FORMAT;
        enum status status = read_at(log, room, *position, record_out, data);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&log->tail, __ATOMIC_RELAXED) > *position)
            continue; /* it was overwritten under our eyes */
        if (status == OK)
            *position += padded(record_out->size_bytes);
        return status;
    }
    return ERR_NOT_FOUND; /* the writer is faster than we are: later */
}

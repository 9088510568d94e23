#define ZSTD_STATIC_LINKING_ONLY /* for an allocator of our own */
#include <base/checked.h>
#include <oci/unpack.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    INPUT_BYTES = 64 * 1024,
    MAGIC_BYTES = 10,
    GZIP_WINDOW_BITS = 15 + 16, /* of 32 KiB, with gzip's header and checksum */
};

enum packing { PACKED_NOT, PACKED_GZIP, PACKED_ZSTD };

struct oci_unpack {
    struct oci_source source;
    struct oci_error *error;
    struct oci_hash hash;
    uint64_t read_bytes;
    uint64_t left; /* what may still come out */
    enum packing packing;
    bool input_ended;
    bool whole; /* no member or frame is begun and not ended */
    z_stream gzip;
    ZSTD_DStream *zstd;
    size_t input_at, input_end;
    uint8_t input[INPUT_BYTES];
};

/* ---- Memory ---- */

static void *gzip_alloc(void *context, unsigned count, unsigned size_bytes)
{
    (void)context;
    return oci_alloc_zeroed(count, size_bytes);
}

static void *zstd_alloc(void *context, size_t size_bytes)
{
    (void)context;
    return oci_alloc(size_bytes);
}

static void any_free(void *context, void *memory)
{
    (void)context;
    oci_free(memory);
}

/* ---- The blob ---- */

/* Bytes behind those that are there already; none at the blob's end. */
static enum status fill(struct oci_unpack *unpack)
{
    size_t got;
    if (unpack->input_at == unpack->input_end)
        unpack->input_at = unpack->input_end = 0;
    size_t room = sizeof(unpack->input) - unpack->input_end;
    uint8_t *to = unpack->input + unpack->input_end;
    enum status status = unpack->source.read(unpack->source.context, to, room, &got);
    if (status != OK)
        return oci_fail(unpack->error, status, "the blob cannot be read");
    oci_hash_add(&unpack->hash, to, got);
    unpack->read_bytes += got;
    unpack->input_end += got;
    unpack->input_ended = got == 0;
    return OK;
}

static bool begins_with(const struct oci_unpack *unpack, const char *magic, size_t size_bytes)
{
    return unpack->input_end - unpack->input_at >= size_bytes &&
           memcmp(unpack->input + unpack->input_at, magic, size_bytes) == 0;
}

static enum status find_packing(struct oci_unpack *unpack)
{
    while (!unpack->input_ended && unpack->input_end < MAGIC_BYTES) {
        enum status status = fill(unpack);
        if (status != OK)
            return status;
    }
    if (begins_with(unpack, "\x1f\x8b\x08", 3))
        unpack->packing = PACKED_GZIP;
    /* A frame, or one that holds no data, of sixteen kinds. */
    if (begins_with(unpack, "\x28\xb5\x2f\xfd", 4) ||
        (unpack->input_end >= 4 && (unpack->input[0] & 0xf0) == 0x50 &&
         memcmp(unpack->input + 1, "\x2a\x4d\x18", 3) == 0))
        unpack->packing = PACKED_ZSTD;
    bool xz = begins_with(unpack, "\xfd\x37zXZ", 6);
    bool bzip2 = begins_with(unpack, "BZh", 3) && unpack->input_end >= MAGIC_BYTES &&
                 memcmp(unpack->input + 4, "1AY&SY", 6) == 0;
    if (xz || bzip2)
        return oci_fail(unpack->error, ERR_UNSUPPORTED,
                        "it is compressed, but neither with gzip nor with zstd");
    return OK;
}

/* ---- Opening and closing ---- */

static enum status begin_gzip(struct oci_unpack *unpack)
{
    unpack->gzip.zalloc = gzip_alloc;
    unpack->gzip.zfree = any_free;
    if (inflateInit2(&unpack->gzip, GZIP_WINDOW_BITS) != Z_OK)
        return oci_fail(unpack->error, ERR_NO_MEMORY, "no memory to decompress it");
    return OK;
}

static enum status begin_zstd(struct oci_unpack *unpack)
{
    const ZSTD_customMem memory = { .customAlloc = zstd_alloc, .customFree = any_free };
    unpack->zstd = ZSTD_createDStream_advanced(memory);
    if (unpack->zstd == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(
                                    unpack->zstd, ZSTD_d_windowLogMax, OCI_ZSTD_WINDOW_LOG_MAX)))
        return oci_fail(unpack->error, ERR_NO_MEMORY, "no memory to decompress it");
    return OK;
}

enum status oci_unpack_open(struct oci_source source, uint32_t kind, uint64_t size_max,
                            struct oci_error *error, struct oci_unpack **unpack_out)
{
    struct oci_unpack *unpack = oci_alloc_zeroed(1, sizeof(*unpack));
    if (unpack == NULL)
        return oci_fail(error, ERR_NO_MEMORY, "no memory to decompress it");
    unpack->source = source;
    unpack->error = error;
    unpack->left = size_max;
    unpack->whole = true;
    oci_hash_begin(&unpack->hash, kind);
    enum status status = find_packing(unpack);
    if (status == OK && unpack->packing == PACKED_GZIP)
        status = begin_gzip(unpack);
    else if (status == OK && unpack->packing == PACKED_ZSTD)
        status = begin_zstd(unpack);
    if (status == OK)
        *unpack_out = unpack;
    else
        oci_unpack_close(unpack);
    return status;
}

void oci_unpack_close(struct oci_unpack *unpack)
{
    if (unpack == NULL)
        return;
    if (unpack->packing == PACKED_GZIP && unpack->gzip.state != NULL)
        (void)inflateEnd(&unpack->gzip);
    (void)ZSTD_freeDStream(unpack->zstd);
    oci_free(unpack);
}

/* ---- The stream ---- */

static enum status broken(struct oci_unpack *unpack, const char *reason)
{
    return oci_fail(unpack->error, ERR_FORMAT, reason);
}

static enum status step_plain(struct oci_unpack *unpack, uint8_t *to, size_t room, size_t *got_out)
{
    size_t held = unpack->input_end - unpack->input_at;
    *got_out = held < room ? held : room;
    memcpy(to, unpack->input + unpack->input_at, *got_out);
    unpack->input_at += *got_out;
    return OK;
}

static enum status step_gzip(struct oci_unpack *unpack, uint8_t *to, size_t room, size_t *got_out)
{
    z_stream *gzip = &unpack->gzip;
    /* A member begins: the format joins them. */
    if (unpack->whole)
        (void)inflateReset(gzip);
    unpack->whole = false;
    gzip->next_in = unpack->input + unpack->input_at;
    gzip->avail_in = (unsigned)(unpack->input_end - unpack->input_at);
    gzip->next_out = to;
    gzip->avail_out = (unsigned)room;
    int result = inflate(gzip, Z_NO_FLUSH);
    unpack->input_at = unpack->input_end - gzip->avail_in;
    *got_out = room - gzip->avail_out;
    unpack->whole = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return oci_fail(unpack->error, ERR_NO_MEMORY, "no memory to decompress it");
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return broken(unpack, "its gzip data is broken");
    return OK;
}

static enum status step_zstd(struct oci_unpack *unpack, uint8_t *to, size_t room, size_t *got_out)
{
    ZSTD_inBuffer in = { unpack->input, unpack->input_end, unpack->input_at };
    ZSTD_outBuffer out = { to, room, 0 };
    size_t result = ZSTD_decompressStream(unpack->zstd, &out, &in);
    unpack->input_at = in.pos;
    *got_out = out.pos;
    if (!ZSTD_isError(result)) {
        unpack->whole = result == 0;
        return OK;
    }
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return oci_fail(unpack->error, ERR_NO_MEMORY, "no memory to decompress it");
    case ZSTD_error_frameParameter_windowTooLarge:
        return oci_fail(unpack->error, ERR_LIMIT, "its zstd window is larger than 128 MiB");
    default:
        return broken(unpack, "its zstd data is broken");
    }
}

static enum status step(struct oci_unpack *unpack, uint8_t *to, size_t room, size_t *got_out)
{
    switch (unpack->packing) {
    case PACKED_GZIP:
        return step_gzip(unpack, to, room, got_out);
    case PACKED_ZSTD:
        return step_zstd(unpack, to, room, got_out);
    default:
        return step_plain(unpack, to, room, got_out);
    }
}

/* All input is used up: that may be the end, or a decompressor has more to give. */
static enum status at_end(const struct oci_unpack *unpack)
{
    return unpack->whole ? OK
                         : oci_fail(unpack->error, ERR_TRUNCATED, "its compressed data is cut off");
}

static enum status unpack_read(void *context, void *to, size_t room, size_t *got_out)
{
    struct oci_unpack *unpack = context;
    enum status status = OK;
    *got_out = 0;
    if (room > INPUT_BYTES)
        room = INPUT_BYTES;
    while (status == OK && *got_out == 0 && room != 0) {
        bool empty = unpack->input_at == unpack->input_end;
        if (empty && !unpack->input_ended) {
            status = fill(unpack);
            continue;
        }
        if (empty && (unpack->whole || unpack->packing == PACKED_NOT))
            return OK;
        size_t before = unpack->input_at;
        status = step(unpack, to, room, got_out);
        if (status == OK && *got_out == 0 && unpack->input_at == before && unpack->input_ended)
            return at_end(unpack);
    }
    if (status == OK && *got_out > unpack->left)
        status = oci_fail(unpack->error, ERR_LIMIT, "it unpacks to more than is allowed");
    if (status == OK)
        unpack->left -= *got_out;
    return status;
}

struct oci_source oci_unpack_source(struct oci_unpack *unpack)
{
    return (struct oci_source){ .context = unpack, .read = unpack_read };
}

void oci_unpack_digest(struct oci_unpack *unpack, struct oci_digest *digest_out)
{
    oci_hash_end(&unpack->hash, digest_out);
}

uint64_t oci_unpack_read_bytes(const struct oci_unpack *unpack)
{
    return unpack->read_bytes;
}

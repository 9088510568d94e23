/* A blob becomes a stream of bytes: as it is, or out of gzip or zstd, whichever its first bytes
 * say.
 *
 * Each byte of the blob is read once, into memory of our own, and both what the digest is made of
 * and what is decompressed are that copy. What comes out is counted against a limit, so a small
 * blob cannot keep us busy for ever.
 */
#pragma once

#include <oci/digest.h>
#include <oci/error.h>
#include <oci/source.h>

struct oci_unpack;

enum { OCI_ZSTD_WINDOW_LOG_MAX = 27 }; /* 128 MiB, as the format recommends at most */

/* `source` and `error` must outlive it. `kind` of the digest of the blob; at most `size_max` bytes
 * come out. */
enum status oci_unpack_open(struct oci_source source, uint32_t kind, uint64_t size_max,
                            struct oci_error *error, struct oci_unpack **unpack_out);
void oci_unpack_close(struct oci_unpack *unpack);

/* The stream as a source. Bytes behind the compressed data are refused. */
struct oci_source oci_unpack_source(struct oci_unpack *unpack);

/* The digest of the blob; the source has come to its end. */
void oci_unpack_digest(struct oci_unpack *unpack, struct oci_digest *digest_out);
/* How many bytes of the blob were read so far. */
uint64_t oci_unpack_read_bytes(const struct oci_unpack *unpack);

/* Digests as images name them: "sha256:" or "sha512:" and hexadecimal digits. */
#pragma once

#include <base/status.h>
#include <digest/sha256.h>
#include <digest/sha512.h>
#include <stdbool.h>

enum oci_digest_kind { OCI_DIGEST_NONE, OCI_SHA256, OCI_SHA512 };

enum { OCI_DIGEST_TEXT_BYTES = 7 + 2 * SHA512_BYTES + 1 };

struct oci_digest {
    uint32_t kind;               /* enum oci_digest_kind */
    uint8_t bytes[SHA512_BYTES]; /* zeroes behind the shorter one */
};

/* The whole text, digits in small letters; false if it is anything else. */
bool oci_digest_parse(const char *text, struct oci_digest *digest_out);
void oci_digest_text(const struct oci_digest *digest, char text[OCI_DIGEST_TEXT_BYTES]);
bool oci_digest_equal(const struct oci_digest *a, const struct oci_digest *b);

/* A digest in the making. */
struct oci_hash {
    uint32_t kind;
    union {
        struct sha256 sha256;
        struct sha512 sha512;
    };
};

/* OCI_DIGEST_NONE: nothing is made. */
void oci_hash_begin(struct oci_hash *hash, uint32_t kind);
void oci_hash_add(struct oci_hash *hash, const void *data, size_t size_bytes);
void oci_hash_end(struct oci_hash *hash, struct oci_digest *digest_out);
/* Of bytes in memory. */
void oci_digest_of(uint32_t kind, const void *data, size_t size_bytes,
                   struct oci_digest *digest_out);

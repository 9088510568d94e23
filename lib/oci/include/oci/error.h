/* What is wrong with an image, for whoever gave it to us: which file or blob, which entry of it,
 * and why. Text of an archive is quoted as it stands there; whoever prints it takes care of bytes
 * that are not printable. Too long text is cut: this is for people.
 */
#pragma once

#include <base/status.h>
#include <stddef.h>

enum { OCI_ERROR_TEXT_BYTES = 256 };

struct oci_error {
    char where[OCI_ERROR_TEXT_BYTES]; /* a file of the archive, or the digest of a blob; or "" */
    char entry[OCI_ERROR_TEXT_BYTES]; /* what in it; or "" */
    char reason[OCI_ERROR_TEXT_BYTES];
};

/* Each returns `status`. The first reason stays: what follows from it is less interesting. */
enum status oci_fail(struct oci_error *error, enum status status, const char *reason);
enum status oci_fail_at(struct oci_error *error, enum status status, const char *entry,
                        const char *reason);
/* "where: entry: reason", cut to fit. */
void oci_error_line(const struct oci_error *error, char *line, size_t size_bytes);

/* A layer: a tar stream, perhaps compressed, becomes an EROFS image that can be mapped in place.
 *
 * Rules of the OCI image specification ("Image Layer Filesystem Changeset"): an entry replaces what
 * was there before it, unless both are directories; ".wh.NAME" hides NAME of the layers below, and
 * ".wh..wh..opq" all that they have in that directory, wherever in the stream they stand. In the
 * image they have the form that overlay file systems use: a character device 0/0, and the attribute
 * trusted.overlay.opaque="y". A directory that no entry describes, but that a path goes through, is
 * root's with mode 0755 and has the attribute trusted.themelios.implicit="y": what a lower layer
 * says of it should count.
 *
 * Nothing outside can be reached, because there is nothing outside: names are looked up in a tree
 * in memory. ".." above the root is refused in names; links on the way are followed inside the
 * layer. Hard links can only be made to files of the same layer.
 *
 * The image: blocks of 4 KiB; every file's data in blocks of its own, in order, so that its pages
 * can be mapped; extended inodes. File data goes out first, as it comes; the rest follows when all
 * digests are right, and the superblock last. So what was written of a bad layer is no image.
 */
#pragma once

#include <oci/digest.h>
#include <oci/error.h>
#include <oci/source.h>

/* What a layer may cost. */
struct oci_layer_limits {
    uint64_t unpacked_bytes_max; /* of the tar stream */
    uint64_t image_bytes_max;
    uint64_t metadata_bytes_max; /* memory of ours: names, attributes, the tree */
    uint32_t entry_max;          /* of the tar stream */
};

/* Sizes that no image in use comes near. */
extern const struct oci_layer_limits oci_layer_limits_default;

struct oci_layer_request {
    struct oci_source blob;
    struct oci_digest blob_digest; /* OCI_DIGEST_NONE: it is not looked at */
    struct oci_digest diff_id;     /* of the tar stream; OCI_DIGEST_NONE: not known */
    struct oci_layer_limits limits;
    /* Where the image goes. What is never written reads as zero. */
    void *context;
    enum status (*write)(void *context, uint64_t at, const void *data, size_t size_bytes);
};

struct oci_layer_result {
    uint64_t image_bytes;
    uint64_t blob_bytes;
    uint64_t unpacked_bytes;
    uint32_t entry_count;
    uint32_t inode_count;
    uint32_t xattr_ignored_count;  /* that EROFS cannot hold, or that are overlayfs's own */
    struct oci_digest blob_digest; /* of the kind that was asked for */
    struct oci_digest diff_id;     /* SHA-256 if none was asked for */
};

enum status oci_layer_build(const struct oci_layer_request *request,
                            struct oci_layer_result *result_out, struct oci_error *error);

/* Extended attributes as EROFS has them beside an inode: a number for the usual prefixes, the rest
 * of the name, the value, filled up to whole words. */
#include <base/bytes.h>
#include <string.h>

#include "layer_impl.h"

enum { ENTRY_BYTES = 4, TRUSTED = 4, VALUE_BYTES_MAX = 65535 };

static const struct {
    const char *prefix;
    uint8_t number;
    bool whole; /* the prefix is the name */
} prefixes[] = {
    { "user.", 1, false },
    { "system.posix_acl_access", 2, true },
    { "system.posix_acl_default", 3, true },
    { "trusted.", TRUSTED, false },
    { "security.", 6, false },
};

static size_t entry_bytes(size_t name_bytes, size_t value_bytes)
{
    return ALIGN_UP(ENTRY_BYTES + name_bytes + value_bytes, (size_t)ENTRY_BYTES);
}

/* Which prefix it is, and what follows; false if the image cannot hold it. What overlay file
 * systems keep in attributes is for them to say, not for an archive. */
static bool split(const char *name, uint8_t *number_out, const char **suffix_out)
{
    if (strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0 ||
        strncmp(name, "trusted.themelios.", 18) == 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t length = strlen(prefixes[i].prefix);
        if (strncmp(name, prefixes[i].prefix, length) != 0 ||
            (name[length] == '\0') != prefixes[i].whole)
            continue;
        *number_out = prefixes[i].number;
        *suffix_out = name + length;
        return true;
    }
    return false;
}

static bool named_later(const struct tar_entry *entry, unsigned index)
{
    for (unsigned i = index + 1; i < entry->xattr_count; i++) {
        if (strcmp(entry->xattr[i].name, entry->xattr[index].name) == 0)
            return true;
    }
    return false;
}

static size_t put(uint8_t *at, uint8_t number, const char *suffix, const void *value,
                  size_t value_bytes)
{
    size_t suffix_bytes = strlen(suffix);
    at[0] = (uint8_t)suffix_bytes;
    at[1] = number;
    at[2] = (uint8_t)value_bytes;
    at[3] = (uint8_t)(value_bytes >> 8);
    for (size_t i = 0; i < suffix_bytes; i++) /* without its end */
        at[ENTRY_BYTES + i] = (uint8_t)suffix[i];
    if (value_bytes != 0)
        memcpy(at + ENTRY_BYTES + suffix_bytes, value, value_bytes);
    return entry_bytes(suffix_bytes, value_bytes);
}

/* How much room they take; those that cannot be held count as ignored. */
static enum status measure(struct layer *layer, const struct tar_entry *entry, size_t *bytes_out)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *xattr = &entry->xattr[i];
        uint8_t number;
        const char *suffix;
        if (named_later(entry, i))
            continue;
        if (!split(xattr->name, &number, &suffix)) {
            layer->xattr_ignored_count++;
            continue;
        }
        if (strlen(suffix) > LAYER_NAME_MAX || xattr->value_bytes > VALUE_BYTES_MAX)
            return layer_fail(layer, ERR_LIMIT, "an extended attribute is too long");
        bytes += entry_bytes(strlen(suffix), xattr->value_bytes);
    }
    if (bytes > LAYER_XATTR_BYTES_MAX)
        return layer_fail(layer, ERR_LIMIT, "more than 64 KiB of extended attributes");
    *bytes_out = bytes;
    return OK;
}

enum status layer_xattr_set(struct layer *layer, struct layer_node *node,
                            const struct tar_entry *entry)
{
    size_t bytes = 0;
    enum status status = measure(layer, entry, &bytes);
    if (status != OK || bytes == 0)
        return status;
    node->xattr = layer_alloc(layer, bytes);
    if (node->xattr == NULL)
        return layer->alloc_status;
    node->xattr_bytes = (uint32_t)bytes;
    size_t at = 0;
    for (unsigned i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *xattr = &entry->xattr[i];
        uint8_t number;
        const char *suffix;
        if (!named_later(entry, i) && split(xattr->name, &number, &suffix))
            at += put(node->xattr + at, number, suffix, xattr->value, xattr->value_bytes);
    }
    return OK;
}

uint32_t layer_xattr_flags(const struct layer_node *node, uint8_t bytes[64])
{
    size_t at = 0;
    memset(bytes, 0, 64);
    if (node->opaque)
        at += put(bytes + at, TRUSTED, "overlay.opaque", "y", 1);
    if (node->implicit)
        at += put(bytes + at, TRUSTED, "themelios.implicit", "y", 1);
    return (uint32_t)at;
}

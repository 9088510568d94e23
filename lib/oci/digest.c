#include <oci/digest.h>
#include <string.h>

static const struct {
    const char *prefix;
    size_t bytes;
} kinds[] = { { "", 0 }, { "sha256:", SHA256_BYTES }, { "sha512:", SHA512_BYTES } };

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool parse_digits(const char *text, size_t count, uint8_t *bytes)
{
    if (strlen(text) != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool oci_digest_parse(const char *text, struct oci_digest *digest_out)
{
    for (uint32_t kind = OCI_SHA256; kind <= OCI_SHA512; kind++) {
        size_t prefix_bytes = strlen(kinds[kind].prefix);
        if (strncmp(text, kinds[kind].prefix, prefix_bytes) != 0)
            continue;
        memset(digest_out, 0, sizeof(*digest_out));
        digest_out->kind = kind;
        return parse_digits(text + prefix_bytes, kinds[kind].bytes, digest_out->bytes);
    }
    return false;
}

void oci_digest_text(const struct oci_digest *digest, char text[OCI_DIGEST_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t kind = digest->kind <= OCI_SHA512 ? digest->kind : OCI_DIGEST_NONE;
    size_t at = strlen(kinds[kind].prefix);
    memcpy(text, kinds[kind].prefix, at);
    for (size_t i = 0; i < kinds[kind].bytes; i++) {
        text[at++] = digits[digest->bytes[i] >> 4];
        text[at++] = digits[digest->bytes[i] & 15];
    }
    text[at] = '\0';
}

bool oci_digest_equal(const struct oci_digest *a, const struct oci_digest *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void oci_hash_begin(struct oci_hash *hash, uint32_t kind)
{
    hash->kind = kind;
    if (kind == OCI_SHA256)
        sha256_begin(&hash->sha256);
    else if (kind == OCI_SHA512)
        sha512_begin(&hash->sha512);
}

void oci_hash_add(struct oci_hash *hash, const void *data, size_t size_bytes)
{
    if (hash->kind == OCI_SHA256)
        sha256_add(&hash->sha256, data, size_bytes);
    else if (hash->kind == OCI_SHA512)
        sha512_add(&hash->sha512, data, size_bytes);
}

void oci_hash_end(struct oci_hash *hash, struct oci_digest *digest_out)
{
    memset(digest_out, 0, sizeof(*digest_out));
    digest_out->kind = hash->kind;
    if (hash->kind == OCI_SHA256)
        sha256_end(&hash->sha256, digest_out->bytes);
    else if (hash->kind == OCI_SHA512)
        sha512_end(&hash->sha512, digest_out->bytes);
}

void oci_digest_of(uint32_t kind, const void *data, size_t size_bytes,
                   struct oci_digest *digest_out)
{
    struct oci_hash hash;
    oci_hash_begin(&hash, kind);
    oci_hash_add(&hash, data, size_bytes);
    oci_hash_end(&hash, digest_out);
}

/* Fuzzing archives: any bytes as one, and any bytes as its index.json, manifest.json or
 * configuration, which a fuzzer would hardly wrap into a tar file with right digests. The first
 * byte says what, the second one which allocation fails.
 */
#include <oci/archive.h>
#include <oci/source.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { BLOCK = 512, FILES_MAX = 4 };

static void must(bool promise)
{
    if (!promise)
        abort();
}

struct writer {
    uint8_t *bytes;
    size_t used;
};

static void put_file(struct writer *writer, const char *name, const void *data, size_t size_bytes)
{
    uint8_t *header = writer->bytes + writer->used;
    unsigned sum = 8 * ' ';
    size_t left = size_bytes;
    memcpy(header, name, strlen(name));
    for (unsigned i = 0; i < 11; i++, left /= 8)
        header[124 + 10 - i] = (uint8_t)('0' + left % 8);
    header[156] = '0';
    memcpy(header + 257, "ustar", 6);
    for (unsigned i = 0; i < BLOCK; i++)
        sum += header[i];
    for (unsigned i = 0; i < 6; i++, sum /= 8)
        header[148 + 5 - i] = (uint8_t)('0' + sum % 8);
    if (size_bytes != 0)
        memcpy(header + BLOCK, data, size_bytes);
    writer->used += BLOCK + (size_bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
static const char manifest[] = "[{\"Config\":\"c\",\"RepoTags\":[\"x\"],\"Layers\":[\"l\"]}]";

/* The input as one file of an archive whose other files are as they should be. */
static size_t wrap(uint8_t kind, const uint8_t *data, size_t size_bytes, uint8_t *bytes)
{
    struct writer writer = { bytes, 0 };
    switch (kind) {
    case 1:
        put_file(&writer, "oci-layout", layout, sizeof(layout) - 1);
        put_file(&writer, "index.json", data, size_bytes);
        break;
    case 2:
        put_file(&writer, "manifest.json", data, size_bytes);
        break;
    default:
        put_file(&writer, "manifest.json", manifest, sizeof(manifest) - 1);
        put_file(&writer, "c", data, size_bytes);
        break;
    }
    put_file(&writer, "l", "", 0);
    return writer.used;
}

static void read_archive(const void *bytes, size_t size_bytes)
{
    const struct oci_platform platform = { "amd64", "v1" };
    struct oci_archive archive;
    struct oci_images *images = NULL;
    struct oci_error error = { 0 };
    enum status status = oci_archive_open(&archive, bytes, size_bytes, &error);
    if (status == OK) {
        status = oci_archive_images(&archive, &platform, &images);
        oci_archive_close(&archive);
    }
    must((status == OK) == (error.reason[0] == '\0'));
    if (status != OK)
        return;
    for (unsigned i = 0; i < images->count; i++) {
        const struct oci_image *image = &images->image[i];
        must(oci_config_valid(image->config, image->config->size_bytes));
        for (unsigned j = 0; j < image->layer_count; j++)
            must(image->layer[j].at + image->layer[j].size_bytes <= size_bytes);
    }
    oci_images_free(images);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    if (size_bytes < 2)
        return 0;
    uint8_t kind = data[0] % 4;
    const uint8_t *input = data + 2;
    size_t length = size_bytes - 2;
    uint8_t *bytes = calloc(1, length + (size_t)2 * FILES_MAX * BLOCK);
    must(bytes != NULL);
    size_t used = length;
    if (kind == 0)
        memcpy(bytes, input, length);
    else
        used = wrap(kind, input, length, bytes);
    /* Memory of exactly that size, so that a byte too far is seen. */
    uint8_t *exact = malloc(used != 0 ? used : 1);
    must(exact != NULL);
    memcpy(exact, bytes, used);
    free(bytes);
    oci_alloc_fail_after = data[1];
    read_archive(exact, used);
    oci_alloc_fail_after = 0;
    must(oci_alloc_count == 0);
    free(exact);
    return 0;
}

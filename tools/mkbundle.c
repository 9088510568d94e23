/* mkbundle: pack files into a cpio archive ("newc", cpio(5)), the boot volume of a loader that
 * starts without disk or firmware.
 *
 *     mkbundle ARCHIVE PATH=FILE...
 *
 * PATH is the name inside. Owners, dates and inode numbers are constants, so that the same files
 * give the same archive, byte for byte.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "mkbundle: %s: %s\n", path, what);
    exit(1);
}

static void put(FILE *archive, const void *bytes, size_t size_bytes)
{
    static const char zeroes[4];
    size_t padding = (4 - size_bytes % 4) % 4;
    if (fwrite(bytes, 1, size_bytes, archive) != size_bytes ||
        fwrite(zeroes, 1, padding, archive) != padding)
        fail("cannot write", "the archive");
}

/* Header and name are padded together. */
static void put_header(FILE *archive, const char *name, unsigned inode, unsigned mode, size_t bytes)
{
    enum { HEADER_BYTES = 110, NAME_MAX_BYTES = 1024 };
    char header[HEADER_BYTES + NAME_MAX_BYTES];
    size_t name_bytes = strlen(name) + 1;

    if (name_bytes > NAME_MAX_BYTES || bytes > UINT32_MAX)
        fail("name or file is too long", name);
    int length = snprintf(
        header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08zX%08X%s",
        inode, mode, 0u, 0u, 1u, 0u, (unsigned)bytes, 0u, 0u, 0u, 0u, name_bytes, 0u, name);
    put(archive, header, (size_t)length + 1);
}

static void *read_file(const char *path, size_t *size_bytes_out)
{
    FILE *file = fopen(path, "rb");
    long size_bytes = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        size_bytes = ftell(file);
    if (size_bytes < 0 || fseek(file, 0, SEEK_SET) != 0)
        fail("cannot read", path);
    void *bytes = malloc((size_t)size_bytes + 1);
    if (bytes == NULL || fread(bytes, 1, (size_t)size_bytes, file) != (size_t)size_bytes)
        fail("cannot read", path);
    fclose(file);
    *size_bytes_out = (size_t)size_bytes;
    return bytes;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: mkbundle ARCHIVE PATH=FILE...\n");
        return 2;
    }
    FILE *archive = fopen(argv[1], "wb");
    if (archive == NULL)
        fail("cannot write", argv[1]);

    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        size_t size_bytes;
        if (equals == NULL)
            fail("is not PATH=FILE", argv[i]);
        *equals = 0;
        void *bytes = read_file(equals + 1, &size_bytes);
        put_header(archive, argv[i], (unsigned)i - 1, 0100644, size_bytes);
        put(archive, bytes, size_bytes);
        free(bytes);
    }
    put_header(archive, "TRAILER!!!", 0, 0, 0);
    if (fclose(archive) != 0)
        fail("cannot write", argv[1]);
    return 0;
}

/* lib/oci as a host program, for tests and for looking at images:
 *
 *     oci layer BLOB IMAGE [BLOB-DIGEST|- [DIFF-ID|- [LIMIT=NUMBER...]]]
 *     oci list IMAGE
 *     oci images ARCHIVE ARCHITECTURE [alloc=NUMBER]
 *
 * `layer` makes an EROFS image of a layer and prints what it found; LIMIT is unpacked, image,
 * metadata or entries; alloc makes that allocation fail. `list` prints every path of such an image,
 * by the reader that the system has. What is wrong goes to standard error as "where: entry:
 * reason", with status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <fs/erofs.h>
#include <inttypes.h>
#include <oci/archive.h>
#include <oci/layer.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int usage(void)
{
    (void)fprintf(stderr, "usage: oci layer BLOB IMAGE [DIGEST|- [DIFF-ID|- [LIMIT=NUMBER...]]]\n"
                          "       oci list IMAGE\n"
                          "       oci images ARCHIVE ARCHITECTURE\n");
    return 2;
}

static int complain(const char *path)
{
    (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 2;
}

static int report(const struct oci_error *error)
{
    char line[3 * OCI_ERROR_TEXT_BYTES];
    oci_error_line(error, line, sizeof(line));
    (void)fprintf(stderr, "%s\n", line);
    return 1;
}

static bool map_file(const char *path, const uint8_t **bytes_out, uint64_t *size_out)
{
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &info) != 0)
        return false;
    *size_out = (uint64_t)info.st_size;
    *bytes_out = (const uint8_t *)"";
    if (info.st_size != 0)
        *bytes_out = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    (void)close(file);
    return *bytes_out != MAP_FAILED;
}

/* ---- layer ---- */

static enum status write_image(void *context, uint64_t at, const void *data, size_t size_bytes)
{
    const int *file = context;
    const uint8_t *from = data;
    while (size_bytes > 0) {
        ssize_t done = pwrite(*file, from, size_bytes, (off_t)at);
        if (done <= 0)
            return ERR_DEVICE;
        from += done;
        at += (uint64_t)done;
        size_bytes -= (size_t)done;
    }
    return OK;
}

static bool take_limit(const char *text, struct oci_layer_limits *limits)
{
    uint64_t value;
    char name[16];
    if (sscanf(text, "%15[a-z]=%" SCNu64, name, &value) != 2) /* NOLINT(cert-err34-c) */
        return false;
    if (strcmp(name, "unpacked") == 0)
        limits->unpacked_bytes_max = value;
    else if (strcmp(name, "image") == 0)
        limits->image_bytes_max = value;
    else if (strcmp(name, "metadata") == 0)
        limits->metadata_bytes_max = value;
    else if (strcmp(name, "entries") == 0)
        limits->entry_max = (uint32_t)value;
    else if (strcmp(name, "alloc") == 0)
        oci_alloc_fail_after = value;
    else
        return false;
    return true;
}

static bool take_digest(const char *text, struct oci_digest *digest)
{
    return strcmp(text, "-") == 0 || oci_digest_parse(text, digest);
}

static void print_result(const struct oci_layer_result *result)
{
    char blob[OCI_DIGEST_TEXT_BYTES];
    char diff[OCI_DIGEST_TEXT_BYTES];
    oci_digest_text(&result->blob_digest, blob);
    oci_digest_text(&result->diff_id, diff);
    printf("blob %s %" PRIu64 "\n", blob[0] != '\0' ? blob : "-", result->blob_bytes);
    printf("diff-id %s %" PRIu64 "\n", diff, result->unpacked_bytes);
    printf("image %" PRIu64 "\n", result->image_bytes);
    printf("entries %" PRIu32 " inodes %" PRIu32 " ignored-xattrs %" PRIu32 "\n",
           result->entry_count, result->inode_count, result->xattr_ignored_count);
}

static int make_layer(int count, char **words)
{
    const uint8_t *bytes;
    uint64_t size;
    struct oci_layer_request request = { .limits = oci_layer_limits_default, .write = write_image };
    for (int i = 4; i < count; i++) {
        if (!take_limit(words[i], &request.limits))
            return usage();
    }
    if ((count > 2 && !take_digest(words[2], &request.blob_digest)) ||
        (count > 3 && !take_digest(words[3], &request.diff_id)))
        return usage();
    if (!map_file(words[0], &bytes, &size))
        return complain(words[0]);
    int file = open(words[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0)
        return complain(words[1]);
    struct oci_memory memory = { bytes, size };
    struct oci_layer_result result;
    struct oci_error error = { 0 };
    request.blob = oci_memory_source(&memory);
    request.context = &file;
    enum status status = oci_layer_build(&request, &result, &error);
    (void)close(file);
    if (status != OK) {
        (void)unlink(words[1]);
        return report(&error);
    }
    print_result(&result);
    return 0;
}

/* ---- list ---- */

/* What is not plain is shown as \ooo, as tar and find do. */
static void print_bytes(const void *bytes, size_t size_bytes)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size_bytes; i++) {
        if (at[i] <= ' ' || at[i] >= 0x7f || at[i] == '\\')
            printf("\\%03o", at[i]);
        else
            (void)putchar(at[i]);
    }
}

static enum status print_contents(const struct erofs *fs, const struct erofs_inode *inode)
{
    uint8_t buffer[4096];
    struct sha256 hash;
    uint8_t digest[SHA256_BYTES];
    size_t got = 1;
    sha256_begin(&hash);
    for (uint64_t at = 0; got != 0; at += got) {
        enum status status = erofs_read(fs, inode, at, buffer, sizeof(buffer), &got);
        if (status != OK)
            return status;
        if (inode->kind == EROFS_LINK)
            print_bytes(buffer, got);
        sha256_add(&hash, buffer, got);
    }
    sha256_end(&hash, digest);
    for (size_t i = 0; inode->kind == EROFS_FILE && i < 8; i++)
        printf("%02x", digest[i]);
    return OK;
}

static enum status print_xattrs(const struct erofs *fs, const struct erofs_inode *inode)
{
    uint64_t position = 0;
    for (;;) {
        struct erofs_xattr xattr;
        enum status status = erofs_xattr_next(fs, inode, &position, &xattr);
        if (status != OK)
            return status == ERR_NOT_FOUND ? OK : status;
        printf(" %s", xattr.prefix);
        print_bytes(xattr.name, (size_t)xattr.name_length);
        (void)putchar('=');
        print_bytes(xattr.value, (size_t)xattr.value_bytes);
    }
}

/* PATH MODE UID GID SECONDS.NANOSECONDS LINKS NUMBER SIZE-or-DEVICE CONTENTS XATTR... */
static enum status print_inode(const struct erofs *fs, uint64_t nid, const char *path,
                               size_t length, struct erofs_inode *inode)
{
    enum status status = erofs_inode(fs, nid, inode);
    if (status != OK)
        return status;
    (void)putchar('/');
    print_bytes(path, length);
    printf(" %06o %u %u %lld.%09u %u %llu", inode->mode, inode->uid, inode->gid,
           (long long)inode->modified_seconds, inode->modified_nanoseconds, inode->links,
           (unsigned long long)nid);
    if (inode->kind == EROFS_OTHER)
        printf(" device=%u,%u -", inode->device >> 8 & 0xfff,
               (inode->device & 0xff) | (inode->device >> 12 & 0xfff00));
    else
        printf(" %llu ",
               inode->kind == EROFS_DIRECTORY ? 0 : (unsigned long long)inode->size_bytes);
    if (inode->kind == EROFS_FILE || inode->kind == EROFS_LINK)
        status = print_contents(fs, inode);
    if (inode->kind == EROFS_DIRECTORY)
        (void)putchar('-');
    if (status == OK)
        status = print_xattrs(fs, inode);
    (void)putchar('\n');
    return status;
}

enum { LIST_PATH_MAX = 1 << 16, LIST_DEPTH_MAX = 2048 };

/* Depth first without recursion: where each directory on the way stands. */
struct level {
    struct erofs_inode inode;
    uint64_t position;
    size_t path_length;
};

static enum status list_all(const struct erofs *fs, struct level *level, char *path)
{
    size_t depth = 0;
    enum status status = print_inode(fs, fs->root_nid, path, 0, &level[0].inode);
    while (status == OK) {
        struct level *at = &level[depth];
        struct erofs_entry entry;
        status = erofs_next(fs, &at->inode, &at->position, &entry);
        if (status == ERR_NOT_FOUND && depth == 0)
            return OK;
        if (status == ERR_NOT_FOUND) {
            depth--;
            status = OK;
            continue;
        }
        if (status != OK || (entry.length <= 2 && memcmp(entry.name, "..", entry.length) == 0))
            continue;
        uint64_t nid;
        size_t length = at->path_length + (depth != 0);
        if (length + entry.length > LIST_PATH_MAX || depth + 1 == LIST_DEPTH_MAX)
            return ERR_LIMIT;
        status = erofs_lookup(fs, &at->inode, entry.name, (size_t)entry.length, &nid);
        if (status == OK && nid != entry.nid)
            return ERR_FORMAT;
        path[at->path_length] = '/';
        memcpy(path + length, entry.name, entry.length);
        struct level *next = &level[depth + 1];
        *next = (struct level){ .path_length = length + entry.length };
        if (status == OK)
            status = print_inode(fs, entry.nid, path, next->path_length, &next->inode);
        depth += status == OK && next->inode.kind == EROFS_DIRECTORY;
    }
    return status;
}

static int list(const char *image)
{
    const uint8_t *bytes;
    uint64_t size;
    struct erofs fs;
    if (!map_file(image, &bytes, &size))
        return complain(image);
    struct level *level = calloc(LIST_DEPTH_MAX, sizeof(*level));
    char *path = calloc(1, LIST_PATH_MAX + 1);
    enum status status = level != NULL && path != NULL ? OK : ERR_NO_MEMORY;
    if (status == OK)
        status = erofs_open(&fs, bytes, size);
    if (status == OK)
        status = list_all(&fs, level, path);
    free(level);
    free(path);
    if (status != OK)
        (void)fprintf(stderr, "%s: %s\n", image, status_text(status));
    return status == OK ? 0 : 1;
}

/* ---- images ---- */

static void print_list(const char *name, const struct image_config *config,
                       const struct image_config_list *list)
{
    const char *text;
    for (uint32_t i = 0; (text = oci_config_text(config, list, i)) != NULL; i++) {
        printf("  %s ", name);
        print_bytes(text, strlen(text));
        (void)putchar('\n');
    }
}

static int print_config(const struct image_config *config)
{
    if (!oci_config_valid(config, config->size_bytes))
        return 1;
    print_list("entrypoint", config, &config->entrypoint);
    print_list("command", config, &config->command);
    print_list("environment", config, &config->environment);
    print_list("port", config, &config->ports);
    print_list("volume", config, &config->volumes);
    print_list("label", config, &config->labels);
    print_list("directory", config, &config->working_directory);
    print_list("user", config, &config->user);
    print_list("signal", config, &config->stop_signal);
    print_list("architecture", config, &config->architecture);
    return 0;
}

static int print_image(const struct oci_image *image)
{
    char text[OCI_DIGEST_TEXT_BYTES];
    oci_digest_text(&image->id, text);
    printf("image %s\n", text);
    for (unsigned i = 0; i < image->name_count; i++)
        printf("  name %s\n", image->name[i]);
    for (unsigned i = 0; i < image->layer_count; i++) {
        const struct oci_image_layer *layer = &image->layer[i];
        oci_digest_text(&layer->diff_id, text);
        printf("  layer %" PRIu64 " %" PRIu64 " %s ", layer->at, layer->size_bytes, text);
        oci_digest_text(&layer->blob, text);
        printf("%s\n", text[0] != '\0' ? text : "-");
    }
    return print_config(image->config);
}

static int images(const char *path, const char *architecture, uint64_t alloc_fail_after)
{
    const uint8_t *bytes;
    uint64_t size;
    struct oci_archive archive;
    struct oci_error error = { 0 };
    struct oci_images *found = NULL;
    const struct oci_platform platform = {
        .architecture = architecture,
        .variant = strcmp(architecture, "arm64") == 0 ? "v8" : "v1",
    };
    int result = 0;
    if (!map_file(path, &bytes, &size))
        return complain(path);
    oci_alloc_fail_after = alloc_fail_after;
    enum status status = oci_archive_open(&archive, bytes, size, &error);
    if (status == OK) {
        status = oci_archive_images(&archive, &platform, &found);
        oci_archive_close(&archive);
    }
    if (status != OK)
        return report(&error);
    for (unsigned i = 0; i < found->count; i++)
        result |= print_image(&found->image[i]);
    oci_images_free(found);
    return result;
}

static int command(int count, char **words)
{
    struct oci_layer_limits unused;
    if (count >= 4 && strcmp(words[1], "layer") == 0)
        return make_layer(count - 2, words + 2);
    if (count == 3 && strcmp(words[1], "list") == 0)
        return list(words[2]);
    if (count == 4 && strcmp(words[1], "images") == 0)
        return images(words[2], words[3], 0);
    if (count == 5 && strcmp(words[1], "images") == 0 && take_limit(words[4], &unused))
        return images(words[2], words[3], oci_alloc_fail_after);
    return usage();
}

int main(int count, char **words)
{
    int result = command(count, words);
    if (oci_alloc_count == 0)
        return result;
    (void)fprintf(stderr, "%" PRIu64 " allocations are left\n", oci_alloc_count);
    return 3;
}

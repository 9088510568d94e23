/* The files of an archive, and its images whatever way they are described. */
#include <base/checked.h>
#include <base/fmt.h>
#include <cJSON.h>
#include <oci/tar.h>
#include <string.h>

#include "archive_impl.h"
#include "json.h"

enum { LINK_HOPS_MAX = 8 };

enum status archive_fail(const struct oci_archive *archive, enum status status, const char *where,
                         const char *reason)
{
    struct oci_error *error = archive->error;
    if (error->where[0] == '\0')
        (void)format_text(error->where, sizeof(error->where), "%s", where);
    return oci_fail(error, status, reason);
}

/* ---- Files ---- */

static const char *without_dots(const char *name)
{
    for (;;) {
        if (name[0] == '/')
            name++;
        else if (name[0] == '.' && name[1] == '/')
            name += 2;
        else
            return name;
    }
}

static enum status add_file(struct oci_archive *archive, const struct tar_entry *entry)
{
    if (archive->file_count == OCI_FILE_MAX)
        return oci_fail(archive->error, ERR_LIMIT, "an archive of more than 65536 files");
    if (archive->file_count == archive->file_room) {
        unsigned room = archive->file_room == 0 ? 64 : 2 * archive->file_room;
        void *grown = oci_realloc(archive->file, room * sizeof(archive->file[0]));
        if (grown == NULL)
            return oci_fail(archive->error, ERR_NO_MEMORY, "no memory for the archive's names");
        archive->file = grown;
        archive->file_room = room;
    }
    const char *name = without_dots(entry->path);
    struct oci_file file = { .at = entry->data_at, .size_bytes = entry->size_bytes };
    file.name = oci_copy_text(name, strlen(name));
    if (entry->kind != TAR_FILE)
        file.link = oci_copy_text(entry->link, strlen(entry->link));
    if (file.name == NULL || (entry->kind != TAR_FILE && file.link == NULL)) {
        oci_free(file.name);
        oci_free(file.link);
        return oci_fail(archive->error, ERR_NO_MEMORY, "no memory for the archive's names");
    }
    archive->file[archive->file_count++] = file;
    return OK;
}

/* Sparse files would not lie in order in the memory, and no archive of images has any. */
static enum status read_files(struct oci_archive *archive, struct tar_reader *tar)
{
    for (;;) {
        const struct tar_entry *entry;
        bool more;
        enum status status = tar_next(tar, &entry, &more);
        if (status != OK || !more)
            return status;
        if (entry->kind == TAR_FILE && entry->size_bytes != entry->data_bytes)
            return oci_fail_at(archive->error, ERR_UNSUPPORTED, entry->path,
                               "a sparse file in an archive of images");
        if (entry->kind == TAR_FILE || entry->kind == TAR_SYMLINK || entry->kind == TAR_HARD_LINK)
            status = add_file(archive, entry);
        if (status != OK)
            return status;
    }
}

enum status oci_archive_open(struct oci_archive *archive, const void *bytes, uint64_t size_bytes,
                             struct oci_error *error)
{
    static const uint8_t gzip[] = { 0x1f, 0x8b };
    static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
    *archive = (struct oci_archive){ .bytes = bytes, .size_bytes = size_bytes, .error = error };
    if (size_bytes >= 4 && (memcmp(bytes, gzip, 2) == 0 || memcmp(bytes, zstd, 4) == 0))
        return oci_fail(error, ERR_UNSUPPORTED,
                        "the archive itself is compressed: unpack it first (gunzip, zstd -d)");
    struct tar_reader *tar = oci_alloc(sizeof(*tar));
    if (tar == NULL)
        return oci_fail(error, ERR_NO_MEMORY, "no memory to read an archive");
    struct oci_memory memory = { bytes, size_bytes };
    tar_open(tar, oci_memory_source(&memory), error);
    enum status status = read_files(archive, tar);
    tar_close(tar);
    oci_free(tar);
    if (status != OK)
        oci_archive_close(archive);
    return status;
}

void oci_archive_close(struct oci_archive *archive)
{
    for (unsigned i = 0; i < archive->file_count; i++) {
        oci_free(archive->file[i].name);
        oci_free(archive->file[i].link);
    }
    oci_free(archive->file);
    archive->file = NULL;
    archive->file_count = 0;
}

/* A file that comes twice counts the last time. */
static const struct oci_file *find_exactly(const struct oci_archive *archive, const char *name)
{
    for (unsigned i = archive->file_count; i > 0; i--) {
        if (strcmp(archive->file[i - 1].name, name) == 0)
            return &archive->file[i - 1];
    }
    return NULL;
}

/* Where a link of the file `from` leads, as a text: old archives have "../ID/layer.tar". */
static bool join(const char *from, const char *link, char path[TAR_PATH_MAX + 1])
{
    const char *slash = strrchr(from, '/');
    size_t length = slash == NULL || link[0] == '/' ? 0 : (size_t)(slash - from) + 1;
    memcpy(path, from, length);
    for (const char *part = link; *part != '\0';) {
        size_t part_length = strcspn(part, "/");
        if (part_length == 2 && memcmp(part, "..", 2) == 0) {
            if (length == 0)
                return false;
            for (length--; length > 0 && path[length - 1] != '/';)
                length--;
        } else if (part_length != 0 && !(part_length == 1 && part[0] == '.')) {
            if (length + part_length + 1 > TAR_PATH_MAX)
                return false;
            memcpy(path + length, part, part_length);
            length += part_length;
            path[length++] = '/';
        }
        part += part_length;
        part += *part == '/';
    }
    path[length > 0 ? length - 1 : 0] = '\0';
    return length > 0;
}

const struct oci_file *archive_find(const struct oci_archive *archive, const char *name)
{
    char path[TAR_PATH_MAX + 1];
    const struct oci_file *file = find_exactly(archive, without_dots(name));
    for (unsigned hop = 0; file != NULL && file->link != NULL; hop++) {
        if (hop == LINK_HOPS_MAX || !join(file->name, file->link, path))
            return NULL;
        const struct oci_file *next = find_exactly(archive, path);
        /* Hard links are told from the archive's root, and symbolic ones from where they are. */
        file = next != NULL ? next : find_exactly(archive, without_dots(file->link));
    }
    return file;
}

enum status archive_read(const struct oci_archive *archive, const struct oci_file *file,
                         char **text_out)
{
    if (file->size_bytes > JSON_BYTES_MAX)
        return archive_fail(archive, ERR_LIMIT, file->name, "JSON of more than 4 MiB");
    *text_out = oci_copy_text((const char *)archive->bytes + file->at, (size_t)file->size_bytes);
    return *text_out != NULL
               ? OK
               : archive_fail(archive, ERR_NO_MEMORY, file->name, "no memory to read it");
}

enum status archive_json(const struct oci_archive *archive, const char *where, const char *text,
                         uint64_t size_bytes, cJSON **json_out)
{
    enum status status = json_parse(text, (size_t)size_bytes, archive->error, json_out);
    return status == OK ? OK : archive_fail(archive, status, where, "");
}

/* ---- Images ---- */

void image_free(struct oci_image *image)
{
    for (unsigned i = 0; i < image->name_count; i++)
        oci_free(image->name[i]);
    oci_free(image->layer);
    oci_free(image->config);
    *image = (struct oci_image){ 0 };
}

void oci_images_free(struct oci_images *images)
{
    if (images == NULL)
        return;
    for (unsigned i = 0; i < images->count; i++)
        image_free(&images->image[i]);
    oci_free(images);
}

enum status images_add(const struct oci_archive *archive, struct oci_images *images,
                       struct oci_image *image_taken, struct oci_image **image_out)
{
    for (unsigned i = 0; i < images->count; i++) {
        if (oci_digest_equal(&images->image[i].id, &image_taken->id)) {
            image_free(image_taken);
            *image_out = &images->image[i];
            return OK;
        }
    }
    if (images->count == OCI_IMAGE_MAX) {
        image_free(image_taken);
        return archive_fail(archive, ERR_LIMIT, "", "an archive of more than 64 images");
    }
    images->image[images->count] = *image_taken;
    *image_out = &images->image[images->count++];
    return OK;
}

enum status image_name(const struct oci_archive *archive, struct oci_image *image, const char *name)
{
    size_t length = strlen(name);
    for (unsigned i = 0; i < image->name_count; i++) {
        if (strcmp(image->name[i], name) == 0)
            return OK;
    }
    if (length == 0 || length > OCI_NAME_BYTES_MAX || image->name_count == OCI_NAME_MAX)
        return archive_fail(archive, ERR_LIMIT, name,
                            "an image with more than 16 names, or one that is empty or too long");
    char *copy = oci_copy_text(name, length);
    if (copy == NULL)
        return archive_fail(archive, ERR_NO_MEMORY, name, "no memory for a name");
    image->name[image->name_count++] = copy;
    return OK;
}

enum status oci_archive_images(const struct oci_archive *archive,
                               const struct oci_platform *platform, struct oci_images **images_out)
{
    struct oci_images *images = oci_alloc_zeroed(1, sizeof(*images));
    enum status status;
    if (images == NULL)
        return archive_fail(archive, ERR_NO_MEMORY, "", "no memory to read an archive");
    if (archive_find(archive, "oci-layout") != NULL && archive_find(archive, "index.json") != NULL)
        status = layout_images(archive, platform, images);
    else if (archive_find(archive, "manifest.json") != NULL)
        status = docker_images(archive, platform, images);
    else
        status = archive_fail(archive, ERR_FORMAT, "",
                              "it is no archive of images: neither index.json nor manifest.json");
    if (status == OK && images->count == 0)
        status = archive_fail(archive, ERR_NOT_FOUND, "", "it has no images");
    if (status == OK)
        *images_out = images;
    else
        oci_images_free(images);
    return status;
}

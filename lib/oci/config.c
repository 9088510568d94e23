/* An image's configuration: from JSON (OCI image specification, "Image Configuration") to a block.
 */
#include <base/checked.h>
#include <base/fmt.h>
#include <cJSON.h>
#include <oci/source.h>
#include <string.h>

#include "archive_impl.h"
#include "json.h"

static const size_t list_at[] = {
    offsetof(struct image_config, entrypoint),        offsetof(struct image_config, command),
    offsetof(struct image_config, environment),       offsetof(struct image_config, ports),
    offsetof(struct image_config, volumes),           offsetof(struct image_config, labels),
    offsetof(struct image_config, working_directory), offsetof(struct image_config, user),
    offsetof(struct image_config, stop_signal),       offsetof(struct image_config, architecture),
};
static_assert(ARRAY_LEN(list_at) == OCI_CONFIG_LIST_COUNT, "every list is named once");

/* ---- The block ---- */

struct block {
    const struct oci_archive *archive;
    struct image_config *config;
    uint32_t size_bytes;
    uint32_t text_count;
    struct image_config_list *list; /* that grows */
};

static void list_begin(struct block *block, struct image_config_list *list)
{
    block->list = list;
    list->at = block->size_bytes;
    list->count = 0;
}

static enum status add_piece(struct block *block, const char *text, size_t length)
{
    if (length > IMAGE_CONFIG_BYTES_MAX - block->size_bytes)
        return oci_fail(block->archive->error, ERR_LIMIT,
                        "a configuration with more than 256 KiB of text");
    memcpy((char *)block->config + block->size_bytes, text, length);
    block->size_bytes += (uint32_t)length;
    return OK;
}

static enum status end_text(struct block *block)
{
    if (block->text_count++ == IMAGE_CONFIG_TEXT_MAX)
        return oci_fail(block->archive->error, ERR_LIMIT,
                        "a configuration of more than 8192 texts");
    block->list->count++;
    return add_piece(block, "", 1);
}

static enum status add_text(struct block *block, const char *text)
{
    enum status status = add_piece(block, text, strlen(text));
    return status == OK ? end_text(block) : status;
}

/* ---- Members ---- */

static enum status malformed(const struct block *block, const char *name)
{
    return oci_fail_at(block->archive->error, ERR_FORMAT, name,
                       "a configuration's member is not what it should be, or comes twice");
}

static enum status add_array(struct block *block, const cJSON *value, const char *name)
{
    const cJSON *item;
    if (value != NULL && !cJSON_IsArray(value))
        return malformed(block, name);
    cJSON_ArrayForEach(item, value)
    {
        enum status status =
            cJSON_IsString(item) ? add_text(block, item->valuestring) : malformed(block, name);
        if (status != OK)
            return status;
    }
    return OK;
}

/* The members' names, or "name=text". */
static enum status add_object(struct block *block, const cJSON *value, const char *name,
                              bool with_text)
{
    const cJSON *item;
    enum status status = OK;
    if (value != NULL && !cJSON_IsObject(value))
        return malformed(block, name);
    cJSON_ArrayForEach(item, value)
    {
        if (with_text && !cJSON_IsString(item))
            return malformed(block, name);
        status = add_piece(block, item->string, strlen(item->string));
        if (status == OK && with_text)
            status = add_piece(block, "=", 1);
        if (status == OK && with_text)
            status = add_piece(block, item->valuestring, strlen(item->valuestring));
        if (status == OK)
            status = end_text(block);
        if (status != OK)
            return status;
    }
    return OK;
}

static enum status add_member_text(struct block *block, const cJSON *value, const char *name)
{
    if (value != NULL && !cJSON_IsString(value))
        return malformed(block, name);
    return add_text(block, value != NULL ? value->valuestring : "");
}

enum shape { SHAPE_ARRAY, SHAPE_NAMES, SHAPE_PAIRS, SHAPE_TEXT };

static const struct {
    const char *name;
    size_t list; /* in list_at */
    enum shape shape;
} members[] = {
    { "Entrypoint", 0, SHAPE_ARRAY }, { "Cmd", 1, SHAPE_ARRAY },
    { "Env", 2, SHAPE_ARRAY },        { "ExposedPorts", 3, SHAPE_NAMES },
    { "Volumes", 4, SHAPE_NAMES },    { "Labels", 5, SHAPE_PAIRS },
    { "WorkingDir", 6, SHAPE_TEXT },  { "User", 7, SHAPE_TEXT },
    { "StopSignal", 8, SHAPE_TEXT },
};

static struct image_config_list *list_of(struct image_config *config, size_t index)
{
    return (struct image_config_list *)(void *)((char *)config + list_at[index]);
}

static enum status add_members(struct block *block, const cJSON *config)
{
    enum status status = OK;
    for (size_t i = 0; i < ARRAY_LEN(members) && status == OK; i++) {
        const char *name = members[i].name;
        bool twice = false;
        const cJSON *value = json_member(config, name, &twice);
        list_begin(block, list_of(block->config, members[i].list));
        if (twice)
            return malformed(block, name);
        if (members[i].shape == SHAPE_ARRAY)
            status = add_array(block, value, name);
        else if (members[i].shape == SHAPE_TEXT)
            status = add_member_text(block, value, name);
        else
            status = add_object(block, value, name, members[i].shape == SHAPE_PAIRS);
    }
    return status;
}

/* ---- Platform and layers ---- */

bool platform_matches(const struct oci_platform *platform, const char *os, const char *architecture,
                      const char *variant)
{
    return strcmp(os, "linux") == 0 && strcmp(architecture, platform->architecture) == 0 &&
           (variant[0] == '\0' || strcmp(variant, platform->variant) == 0);
}

static enum status read_platform(struct block *block, const cJSON *json,
                                 const struct oci_platform *platform)
{
    bool twice = false;
    char reason[OCI_ERROR_TEXT_BYTES];
    const cJSON *variant_value = json_member(json, "variant", &twice);
    const char *os = json_text(json_member(json, "os", &twice));
    const char *architecture = json_text(json_member(json, "architecture", &twice));
    const char *variant = variant_value == NULL ? "" : json_text(variant_value);
    if (twice || os == NULL || architecture == NULL || variant == NULL)
        return oci_fail(block->archive->error, ERR_FORMAT,
                        "a configuration does not say for which platform it is");
    if (!platform_matches(platform, os, architecture, variant)) {
        (void)format_text(reason, sizeof(reason), "it is for %s/%s%s%s, and this node is linux/%s",
                          os, architecture, variant[0] != '\0' ? "/" : "", variant,
                          platform->architecture);
        return oci_fail(block->archive->error, ERR_NOT_FOUND, reason);
    }
    list_begin(block, &block->config->architecture);
    enum status status = add_piece(block, architecture, strlen(architecture));
    if (status == OK && variant[0] != '\0')
        status = add_piece(block, "/", 1);
    if (status == OK)
        status = add_piece(block, variant, strlen(variant));
    return status == OK ? end_text(block) : status;
}

static enum status read_diff_ids(const struct oci_archive *archive, const cJSON *json,
                                 unsigned layer_count, struct oci_image *image)
{
    bool twice = false;
    const cJSON *rootfs = json_member(json, "rootfs", &twice);
    const char *type = json_text(json_member(rootfs, "type", &twice));
    const cJSON *ids = json_member(rootfs, "diff_ids", &twice);
    if (twice || type == NULL || strcmp(type, "layers") != 0 ||
        (ids != NULL && !cJSON_IsArray(ids)))
        return oci_fail(archive->error, ERR_FORMAT, "a configuration without a list of layers");
    if ((unsigned)cJSON_GetArraySize(ids) != layer_count)
        return oci_fail(archive->error, ERR_FORMAT,
                        "the manifest and the configuration name different numbers of layers");
    const cJSON *id;
    unsigned index = 0;
    cJSON_ArrayForEach(id, ids)
    {
        if (!cJSON_IsString(id) ||
            !oci_digest_parse(id->valuestring, &image->layer[index++].diff_id))
            return oci_fail(archive->error, ERR_FORMAT, "a DiffID that is no digest");
    }
    return OK;
}

static enum status read_all(struct block *block, const cJSON *json,
                            const struct config_wanted *wanted, struct oci_image *image)
{
    bool twice = false;
    const cJSON *config = json_member(json, "config", &twice);
    if (twice || (config != NULL && !cJSON_IsObject(config)))
        return malformed(block, "config");
    enum status status = read_platform(block, json, wanted->platform);
    if (status == OK)
        status = read_diff_ids(block->archive, json, wanted->layer_count, image);
    return status == OK ? add_members(block, config) : status;
}

enum status config_read(const struct oci_archive *archive, const cJSON *json,
                        const struct config_wanted *wanted, struct oci_image *image)
{
    struct block block = { .archive = archive, .size_bytes = sizeof(struct image_config) };
    block.config = oci_alloc_zeroed(1, IMAGE_CONFIG_BYTES_MAX);
    if (block.config == NULL)
        return oci_fail(archive->error, ERR_NO_MEMORY, "no memory for a configuration");
    enum status status = read_all(&block, json, wanted, image);
    if (status == OK) {
        block.config->magic = IMAGE_CONFIG_MAGIC;
        block.config->size_bytes = block.size_bytes;
        image->config = oci_alloc(block.size_bytes);
        if (image->config != NULL)
            memcpy(image->config, block.config, block.size_bytes);
        else
            status = oci_fail(archive->error, ERR_NO_MEMORY, "no memory for a configuration");
    }
    oci_free(block.config);
    return status;
}

/* ---- Reading a block ---- */

/* So many texts lie from `at` on, before the block's end. */
static bool list_valid(const struct image_config *config, const struct image_config_list *list,
                       uint32_t *left)
{
    const char *base = (const char *)config;
    uint32_t at = list->at;
    if (list->count > *left)
        return false;
    *left -= list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        if (at < sizeof(*config) || at >= config->size_bytes)
            return false;
        size_t length = strnlen(base + at, config->size_bytes - at);
        if (length == config->size_bytes - at)
            return false;
        at += (uint32_t)length + 1;
    }
    return true;
}

bool oci_config_valid(const void *block, size_t size_bytes)
{
    const struct image_config *config = block;
    uint32_t left = IMAGE_CONFIG_TEXT_MAX;
    if (size_bytes < sizeof(*config) || config->magic != IMAGE_CONFIG_MAGIC ||
        config->size_bytes < sizeof(*config) || config->size_bytes > size_bytes ||
        config->size_bytes > IMAGE_CONFIG_BYTES_MAX)
        return false;
    for (size_t i = 0; i < OCI_CONFIG_LIST_COUNT; i++) {
        const void *list = (const char *)block + list_at[i];
        if (!list_valid(config, list, &left))
            return false;
    }
    return config->working_directory.count == 1 && config->user.count == 1 &&
           config->stop_signal.count == 1 && config->architecture.count == 1;
}

const char *oci_config_text(const struct image_config *config, const struct image_config_list *list,
                            uint32_t index)
{
    const char *text = (const char *)config + list->at;
    if (index >= list->count)
        return NULL;
    while (index-- > 0)
        text += strlen(text) + 1;
    return text;
}

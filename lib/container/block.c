/* struct container_block out of what was asked for and what the image says. */
#include <base/compiler.h>
#include <base/string.h>
#include <container/request.h>
#include <stdlib.h>

static const char default_path[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Texts go in one behind the other; what does not fit is noticed at the end. */
struct writer {
    struct container_block *block;
    size_t used, room;
};

static uint32_t put(struct writer *writer, const char *text)
{
    size_t size_bytes = strlen(text) + 1;
    uint32_t at = (uint32_t)MIN(writer->used, (size_t)UINT32_MAX);
    if (writer->used <= writer->room && size_bytes <= writer->room - writer->used)
        memcpy((char *)writer->block + writer->used, text, size_bytes);
    writer->used += size_bytes;
    return at;
}

static const char *either(const char *wanted, const char *image, const char *otherwise)
{
    if (wanted != NULL && wanted[0] != '\0')
        return wanted;
    return image != NULL && image[0] != '\0' ? image : otherwise;
}

/* ---- Arguments ---- */

static void put_list(struct writer *writer, const struct text_list *list, uint32_t *count)
{
    for (unsigned i = 0; i < list->count; i++) {
        (void)put(writer, list->text[i]);
        (*count)++;
    }
}

static void put_arguments(struct writer *writer, const struct container_request *request,
                          const struct image_wishes *image)
{
    const struct text_list *entrypoint =
        request->entrypoint_given ? &request->entrypoint : &image->entrypoint;
    const struct text_list *command = &image->command;
    static const struct text_list none;
    if (request->command_given)
        command = &request->command;
    else if (request->entrypoint_given && request->entrypoint.count > 0)
        command = &none;
    writer->block->arguments_at = (uint32_t)writer->used;
    uint32_t count = 0;
    put_list(writer, entrypoint, &count);
    put_list(writer, command, &count);
    writer->block->argument_count = count;
}

/* ---- Environment ---- */

static size_t name_length(const char *variable)
{
    const char *equals = strchr(variable, '=');
    return equals != NULL ? (size_t)(equals - variable) : strlen(variable);
}

static bool sets(const struct text_list *list, const char *variable)
{
    size_t length = name_length(variable);
    for (unsigned i = 0; i < list->count; i++) {
        if (name_length(list->text[i]) == length && strncmp(list->text[i], variable, length) == 0)
            return true;
    }
    return false;
}

static void put_default(struct writer *writer, const struct container_request *request,
                        const struct image_wishes *image, const char *variable)
{
    if (sets(&request->environment, variable) || sets(&image->environment, variable))
        return;
    (void)put(writer, variable);
    writer->block->environment_count++;
}

static void put_environment(struct writer *writer, const struct container_request *request,
                            const struct image_wishes *image)
{
    struct container_block *block = writer->block;
    block->environment_at = (uint32_t)writer->used;
    put_default(writer, request, image, default_path);
    if (request->terminal)
        put_default(writer, request, image, "TERM=xterm");
    for (unsigned i = 0; i < image->environment.count; i++) {
        if (sets(&request->environment, image->environment.text[i]))
            continue;
        (void)put(writer, image->environment.text[i]);
        block->environment_count++;
    }
    put_list(writer, &request->environment, &block->environment_count);
}

/* ---- The whole ---- */

static void fill(struct writer *writer, const struct container_request *request,
                 const struct image_wishes *image)
{
    struct container_block *block = writer->block;
    *block = (struct container_block){
        .magic = CONTAINER_MAGIC,
        .version = CONTAINER_VERSION,
        .isolation = request->isolation,
        .terminal = request->terminal,
        .input = request->input,
        .rows = 24,
        .columns = 80,
        .memory_bytes = request->memory_bytes,
        .cpu_quota_ns = request->cpu_quota_ns,
        .cpu_period_ns = request->cpu_period_ns,
        .process_max = request->process_max,
        .read_only_root = request->read_only_root,
    };
    writer->used = sizeof(*block);
    put_arguments(writer, request, image);
    put_environment(writer, request, image);
    block->working_at = put(writer, either(request->working, image->working, "/"));
    block->user_at = put(writer, either(request->user, image->user, ""));
    block->hostname_at = put(writer, either(request->hostname, NULL, request->name));
    block->size_bytes = (uint32_t)MIN(writer->used, (size_t)UINT32_MAX);
}

enum status container_block_make(const struct container_request *request,
                                 const struct image_wishes *image,
                                 struct container_block **block_out, char *error)
{
    struct writer writer = { .room = CONTAINER_BLOCK_BYTES_MAX };
    writer.block = calloc(1, CONTAINER_BLOCK_BYTES_MAX);
    if (writer.block == NULL) {
        (void)strlcpy(error, "not enough memory for the container's arguments",
                      REQUEST_ERROR_BYTES);
        return ERR_NO_MEMORY;
    }
    fill(&writer, request, image);
    enum status status = OK;
    if (writer.used > writer.room)
        status = ERR_LIMIT;
    else if (writer.block->argument_count == 0)
        status = ERR_INVALID;
    if (status == OK) {
        *block_out = writer.block;
        return OK;
    }
    (void)strlcpy(error,
                  status == ERR_LIMIT ? "arguments and environment are too large"
                                      : "neither the image nor the request says what to run",
                  REQUEST_ERROR_BYTES);
    free(writer.block);
    return status;
}

enum status container_wishes(const struct container_block *block, struct image_wishes *wishes_out)
{
    char *at = (char *)(uintptr_t)block + block->environment_at;
    *wishes_out = (struct image_wishes){
        .working = (const char *)block + block->working_at,
        .user = (const char *)block + block->user_at,
    };
    struct text_list *environment = &wishes_out->environment;
    environment->text = calloc((size_t)block->environment_count + 1, sizeof(*environment->text));
    if (environment->text == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < block->environment_count; i++) {
        environment->text[environment->count++] = at;
        at += strlen(at) + 1;
    }
    return OK;
}

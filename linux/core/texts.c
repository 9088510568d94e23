/* The creator's block, made safe to use. */
#include <base/compiler.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/heap.h>

/* A text at that offset that ends within the block; NULL. */
static const char *text_at(const struct container_block *block, uint32_t at)
{
    const char *text = (const char *)block + at;
    if (at < sizeof(*block) || at >= block->size_bytes)
        return NULL;
    size_t room = block->size_bytes - at;
    return strnlen(text, room) < room ? text : NULL;
}

static int list_at(const struct container_block *block, uint32_t at, uint32_t count,
                   const char ***list_out)
{
    if (count > block->size_bytes)
        return -EINVAL;
    const char **list = heap_alloc_array((size_t)count + 1, sizeof(*list));
    if (list == NULL)
        return -ENOMEM;
    *list_out = list;
    for (uint32_t i = 0; i < count; i++) {
        list[i] = text_at(block, at);
        if (list[i] == NULL)
            return -EINVAL;
        at += (uint32_t)strlen(list[i]) + 1;
    }
    return 0;
}

static int take(struct container_texts *texts, size_t size_bytes)
{
    const struct container_block *block = texts->block;
    if (size_bytes < sizeof(*block) || block->magic != CONTAINER_MAGIC ||
        block->version != CONTAINER_VERSION || block->size_bytes < sizeof(*block) ||
        block->size_bytes > size_bytes || block->layer_count > CONTAINER_LAYER_MAX ||
        block->argument_count == 0)
        return -EINVAL;
    texts->working = text_at(block, block->working_at);
    texts->user = text_at(block, block->user_at);
    texts->hostname = text_at(block, block->hostname_at);
    if (texts->working == NULL || texts->user == NULL || texts->hostname == NULL)
        return -EINVAL;
    int error = list_at(block, block->arguments_at, block->argument_count, &texts->arguments);
    if (error == 0)
        error =
            list_at(block, block->environment_at, block->environment_count, &texts->environment);
    return error;
}

int container_texts_take(struct container_block *block, size_t size_bytes,
                         struct container_texts *texts_out)
{
    *texts_out = (struct container_texts){ .block = block };
    int error = take(texts_out, size_bytes);
    if (error != 0)
        container_texts_free(texts_out);
    return error;
}

void container_texts_free(struct container_texts *texts)
{
    heap_free(texts->arguments);
    heap_free(texts->environment);
    heap_free(texts->block);
    *texts = (struct container_texts){ 0 };
}

#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/container.h>
#include <linux/heap.h>
#include <string.h>

enum { TEXTS = 64 };

/* A block with two arguments, one variable, and the texts that every block has. */
static struct container_block *block_make(void)
{
    static const char texts[] = "/bin/sh\0-c\0A=1\0/work\0root\0host";
    struct container_block *block = heap_alloc(sizeof(*block) + TEXTS);
    const uint32_t at = sizeof(*block);
    memcpy((char *)block + at, texts, sizeof(texts));
    block->magic = CONTAINER_MAGIC;
    block->version = CONTAINER_VERSION;
    block->size_bytes = at + TEXTS;
    block->argument_count = 2;
    block->arguments_at = at;
    block->environment_count = 1;
    block->environment_at = at + 11;
    block->working_at = at + 15;
    block->user_at = at + 21;
    block->hostname_at = at + 26;
    return block;
}

TEST(a_block_becomes_texts)
{
    struct container_texts texts;
    struct container_block *block = block_make();
    EXPECT_EQ(container_texts_take(block, block->size_bytes, &texts), 0);
    EXPECT_STR(texts.arguments[0], "/bin/sh");
    EXPECT_STR(texts.arguments[1], "-c");
    EXPECT(texts.arguments[2] == NULL);
    EXPECT_STR(texts.environment[0], "A=1");
    EXPECT(texts.environment[1] == NULL);
    EXPECT_STR(texts.working, "/work");
    EXPECT_STR(texts.user, "root");
    EXPECT_STR(texts.hostname, "host");
    container_texts_free(&texts);
    EXPECT_EQ(heap_counts().blocks, 0);
}

static void no_magic(struct container_block *block)
{
    block->magic++;
}

static void other_version(struct container_block *block)
{
    block->version++;
}

static void too_small(struct container_block *block)
{
    block->size_bytes = sizeof(*block) - 1;
}

static void too_large(struct container_block *block)
{
    block->size_bytes++;
}

static void many_layers(struct container_block *block)
{
    block->layer_count = CONTAINER_LAYER_MAX + 1;
}

static void no_arguments(struct container_block *block)
{
    block->argument_count = 0;
}

static void many_arguments(struct container_block *block)
{
    block->argument_count = UINT32_MAX;
}

static void arguments_run_out(struct container_block *block)
{
    block->argument_count = TEXTS + 1;
}

static void text_in_the_head(struct container_block *block)
{
    block->working_at = sizeof(*block) - 1;
}

static void text_behind_the_end(struct container_block *block)
{
    block->user_at = block->size_bytes;
}

static void text_without_end(struct container_block *block)
{
    memset((char *)block + block->hostname_at, 'x', block->size_bytes - block->hostname_at);
}

static void variables_elsewhere(struct container_block *block)
{
    block->environment_at = UINT32_MAX;
}

TEST(blocks_that_lie_are_refused)
{
    static void (*const lies[])(struct container_block * block) = {
        no_magic,         other_version,       too_small,        too_large,
        many_layers,      no_arguments,        many_arguments,   arguments_run_out,
        text_in_the_head, text_behind_the_end, text_without_end, variables_elsewhere,
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct container_texts texts;
        struct container_block *block = block_make();
        uint32_t size_bytes = block->size_bytes;
        lies[i](block);
        if (container_texts_take(block, size_bytes, &texts) != -EINVAL)
            test_fail(__FILE__, (int)i, "a lie was believed");
        EXPECT_EQ(heap_counts().blocks, 0);
    }
    struct container_texts texts;
    EXPECT_EQ(container_texts_take(block_make(), sizeof(struct container_block) - 1, &texts),
              -EINVAL);
}

TEST(a_block_that_finds_no_memory_leaves_nothing)
{
    struct container_texts texts;
    for (uint64_t n = 1; n <= 2; n++) {
        struct container_block *block = block_make();
        heap_fail_after(n);
        EXPECT_EQ(container_texts_take(block, block->size_bytes, &texts), -ENOMEM);
        heap_fail_after(0);
        EXPECT_EQ(heap_counts().blocks, 0);
    }
}

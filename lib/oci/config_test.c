/* Blocks of abi/image_config.h that are what they should be, and others. */
#include <base/string.h>
#include <base/test.h>
#include <oci/config.h>

enum { TEXT_AT = sizeof(struct image_config), ROOM = 256 };

static union {
    struct image_config config;
    uint8_t bytes[ROOM];
} block;

/* Entrypoint "a", "bc"; a user; nothing else. */
static void make_block(void)
{
    static const char text[] = "a\0bc\0\0root";
    memset(&block, 0, sizeof(block));
    memcpy(block.bytes + TEXT_AT, text, sizeof(text));
    block.config.magic = IMAGE_CONFIG_MAGIC;
    block.config.size_bytes = TEXT_AT + sizeof(text);
    block.config.entrypoint = (struct image_config_list){ TEXT_AT, 2 };
    block.config.working_directory = (struct image_config_list){ TEXT_AT + 5, 1 };
    block.config.user = (struct image_config_list){ TEXT_AT + 6, 1 };
    block.config.stop_signal = block.config.working_directory;
    block.config.architecture = block.config.working_directory;
}

TEST(texts_of_a_block_are_read_in_order)
{
    make_block();
    REQUIRE(oci_config_valid(&block, sizeof(block)));
    const struct image_config *config = &block.config;
    EXPECT_EQ(strcmp(oci_config_text(config, &config->entrypoint, 0), "a"), 0);
    EXPECT_EQ(strcmp(oci_config_text(config, &config->entrypoint, 1), "bc"), 0);
    EXPECT(oci_config_text(config, &config->entrypoint, 2) == NULL);
    EXPECT(oci_config_text(config, &config->command, 0) == NULL);
    EXPECT_EQ(strcmp(oci_config_text(config, &config->user, 0), "root"), 0);
    EXPECT_EQ(strcmp(oci_config_text(config, &config->working_directory, 0), ""), 0);
}

TEST(a_block_must_be_as_large_as_it_says)
{
    make_block();
    EXPECT(oci_config_valid(&block, block.config.size_bytes));
    EXPECT(!oci_config_valid(&block, block.config.size_bytes - 1));
    EXPECT(!oci_config_valid(&block, sizeof(struct image_config) - 1));
    block.config.size_bytes = sizeof(struct image_config) - 1;
    EXPECT(!oci_config_valid(&block, sizeof(block)));
    block.config.size_bytes = IMAGE_CONFIG_BYTES_MAX + 1;
    EXPECT(!oci_config_valid(&block, IMAGE_CONFIG_BYTES_MAX + 1));
    make_block();
    block.config.magic ^= 1;
    EXPECT(!oci_config_valid(&block, sizeof(block)));
}

TEST(lists_lie_within_their_block)
{
    static const struct image_config_list lies[] = {
        { TEXT_AT, 5 },                        /* more texts than there are */
        { TEXT_AT + 11, 1 },                   /* behind the end */
        { UINT32_MAX, 1 },                     /* far behind it */
        { 0, 1 },                              /* in front of the texts */
        { TEXT_AT - 1, 1 },                    /* just in front */
        { TEXT_AT, IMAGE_CONFIG_TEXT_MAX + 1 } /* more than a block may have */
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        make_block();
        block.config.labels = lies[i];
        EXPECT(!oci_config_valid(&block, sizeof(block)));
    }
    make_block();
    block.bytes[block.config.size_bytes - 1] = 'x'; /* the last text does not end */
    EXPECT(!oci_config_valid(&block, sizeof(block)));
}

TEST(lists_of_many_empty_texts_count_together)
{
    static uint8_t large[sizeof(struct image_config) + IMAGE_CONFIG_TEXT_MAX];
    make_block();
    block.config.size_bytes = sizeof(large);
    block.config.labels = (struct image_config_list){ TEXT_AT + 16, IMAGE_CONFIG_TEXT_MAX - 16 };
    memcpy(large, &block, TEXT_AT);
    EXPECT(oci_config_valid(large, sizeof(large)));
    block.config.ports = (struct image_config_list){ TEXT_AT + 16, 16 };
    memcpy(large, &block, TEXT_AT);
    EXPECT(!oci_config_valid(large, sizeof(large)));
}

TEST(what_is_one_text_is_there_once)
{
    make_block();
    block.config.user.count = 0;
    EXPECT(!oci_config_valid(&block, sizeof(block)));
    make_block();
    block.config.architecture.count = 2;
    EXPECT(!oci_config_valid(&block, sizeof(block)));
    make_block();
    block.config.stop_signal.count = 0;
    EXPECT(!oci_config_valid(&block, sizeof(block)));
    make_block();
    block.config.working_directory.count = 0;
    EXPECT(!oci_config_valid(&block, sizeof(block)));
}

/* Multiboot2 boot information, written tag by tag. */
#include "multiboot2_info.h"

#include <base/test.h>
#include <string.h>

static uint8_t bytes[4096] ALIGNED(8);
static size_t length;
static struct multiboot2_info info;

static void put(size_t at, uint64_t value, size_t size_bytes)
{
    memcpy(bytes + at, &value, size_bytes);
}

/* Begin a tag; returns where it lies. */
static size_t tag(uint32_t type, uint32_t size_bytes)
{
    size_t at = length;
    put(at, type, 4);
    put(at + 4, size_bytes, 4);
    length += ALIGN_UP(size_bytes, 8);
    return at;
}

static void module(uint32_t base, uint32_t end, const char *text)
{
    size_t at = tag(3, (uint32_t)(16 + strlen(text) + 1));
    put(at + 8, base, 4);
    put(at + 12, end, 4);
    memcpy(bytes + at + 16, text, strlen(text) + 1);
}

static size_t memory_at, module_at, screen_at;

static void build(void)
{
    memset(bytes, 0, sizeof(bytes));
    length = 8;
    memcpy(bytes + tag(1, 8 + 9) + 8, "test=all", 9);
    module_at = length;
    module(0x200000, 0x200100, "/boot/kernel and more");
    module(0x300000, 0x300000, "");
    memory_at = tag(6, 16 + 2 * 24);
    put(memory_at + 8, 24, 4);
    put(memory_at + 24, 0x9fc00, 8);
    put(memory_at + 32, 1, 4);
    put(memory_at + 40, 0x100000, 8);
    put(memory_at + 48, 0x7f00000, 8);
    put(memory_at + 56, 3, 4);
    screen_at = tag(8, 38);
    put(screen_at + 8, 0xfd000000, 8);
    put(screen_at + 16, 4096, 4);
    put(screen_at + 20, 1024, 4);
    put(screen_at + 24, 768, 4);
    bytes[screen_at + 28] = 32;
    bytes[screen_at + 29] = 1;
    bytes[screen_at + 32] = 16;
    bytes[screen_at + 33] = 8;
    tag(14, 8 + 20);
    tag(15, 8 + 36);
    tag(99, 12);
    tag(0, 8);
    put(0, length, 4);
}

static enum status parse(void)
{
    return multiboot2_parse(bytes, length, &info);
}

TEST(information_is_read)
{
    build();
    EXPECT_EQ(parse(), OK);
    EXPECT_STR(info.cmdline, "test=all");
    EXPECT_EQ(info.module_count, 2);
    EXPECT_EQ(info.module[0].base, 0x200000);
    EXPECT_EQ(info.module[0].size_bytes, 0x100);
    EXPECT_STR(info.module[0].name, "/boot/kernel");
    EXPECT_STR(info.module[1].name, "");
    EXPECT_EQ(info.map.count, 2);
    EXPECT_EQ(info.map.range[1].type, LIMINE_MEMMAP_ACPI_RECLAIMABLE);
    EXPECT(info.framebuffer_present);
    EXPECT_EQ(info.framebuffer.address, 0xfd000000);
    EXPECT_EQ(info.framebuffer.red_mask_shift, 16);
    EXPECT(info.rsdp != NULL);
}

/* Information with one text of `length_wanted` letters, which its tag alone ends. */
static enum status parse_text(uint32_t type, uint32_t at, uint32_t length_wanted)
{
    memset(bytes, 0, sizeof(bytes));
    length = 8;
    memset(bytes + tag(type, at + length_wanted) + at, 'x', length_wanted);
    if (type == 3)
        put(16, 0, 8);
    size_t map = tag(6, 16 + 24);
    put(map + 8, 24, 4);
    put(map + 24, 0x9fc00, 8);
    put(map + 32, 1, 4);
    tag(0, 8);
    put(0, length, 4);
    return parse();
}

TEST(a_command_line_that_was_cut_is_known)
{
    EXPECT_EQ(parse_text(1, 8, MULTIBOOT2_CMDLINE_MAX - 1), OK);
    EXPECT_EQ(strlen(info.cmdline), MULTIBOOT2_CMDLINE_MAX - 1);
    EXPECT(!info.cmdline_cut);
    EXPECT_EQ(parse_text(1, 8, MULTIBOOT2_CMDLINE_MAX), OK);
    EXPECT_EQ(strlen(info.cmdline), MULTIBOOT2_CMDLINE_MAX - 1);
    EXPECT(info.cmdline_cut);
}

TEST(a_module_name_is_never_cut)
{
    EXPECT_EQ(parse_text(3, 16, MULTIBOOT2_TEXT_MAX - 1), OK);
    EXPECT_EQ(strlen(info.module[0].name), MULTIBOOT2_TEXT_MAX - 1);
    EXPECT_EQ(parse_text(3, 16, MULTIBOOT2_TEXT_MAX), ERR_LIMIT);
}

TEST(text_screens_are_no_framebuffer)
{
    build();
    bytes[screen_at + 29] = 2;
    EXPECT_EQ(parse(), OK);
    EXPECT(!info.framebuffer_present);
}

TEST(information_cut_anywhere_is_refused)
{
    build();
    size_t whole = length;
    for (size_t cut = 0; cut < whole; cut++)
        EXPECT(multiboot2_parse(bytes, cut, &info) != OK);
    for (size_t cut = 0; cut + 8 < whole; cut += 8) {
        put(0, cut, 4);
        EXPECT(multiboot2_parse(bytes, whole, &info) != OK);
    }
}

TEST(lies_are_refused)
{
    build();
    put(module_at + 4, 7, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);
    build();
    put(module_at + 4, UINT32_MAX, 4);
    EXPECT_EQ(parse(), ERR_TRUNCATED);
    build();
    put(module_at + 4, 12, 4);
    EXPECT(parse() != OK);
    build();
    put(module_at + 12, 0x1fffff, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);
    build();
    put(memory_at + 8, 23, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);
    build();
    put(memory_at + 48, UINT64_MAX, 8);
    EXPECT_EQ(parse(), ERR_RANGE);
    build();
    put(memory_at, 99, 4);
    EXPECT_EQ(parse(), ERR_NOT_FOUND);
    build();
    put(screen_at + 16, 4095, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);
}

TEST(a_tag_longer_than_the_information_is_not_read)
{
    static uint8_t small[32] ALIGNED(8); /* the sanitizer watches what lies behind it */
    memset(small, 'x', sizeof(small));
    memcpy(small, (const uint32_t[]){ sizeof(small), 0, 1, 100 }, 16);
    EXPECT_EQ(multiboot2_parse(small, sizeof(small), &info), ERR_TRUNCATED);
}

TEST(too_many_modules_are_refused)
{
    memset(bytes, 0, sizeof(bytes));
    length = 8;
    for (int i = 0; i <= MULTIBOOT2_MODULE_MAX; i++)
        module(0, 1, "m");
    tag(0, 8);
    put(0, length, 4);
    EXPECT_EQ(parse(), ERR_LIMIT);
}

/* PVH start info in a small memory of its own. */
#include "pvh_info.h"

#include <base/test.h>
#include <string.h>

enum { BASE = 0x6000, MODULES_AT = 0x100, MAP_AT = 0x200, TEXT_AT = 0x300 };

static uint8_t bytes[0x3000];
static struct pvh_info info;

static const void *view(void *context, uint64_t physical, uint64_t size_bytes)
{
    (void)context;
    if (physical < BASE || physical - BASE > sizeof(bytes) ||
        size_bytes > sizeof(bytes) - (physical - BASE))
        return NULL;
    return bytes + (physical - BASE);
}

static void put(size_t at, uint64_t value, size_t size_bytes)
{
    memcpy(bytes + at, &value, size_bytes);
}

static void build(void)
{
    memset(bytes, 0, sizeof(bytes));
    put(0, 0x336ec578, 4);
    put(4, 1, 4);
    put(12, 1, 4);
    put(16, BASE + MODULES_AT, 8);
    put(24, BASE + TEXT_AT, 8);
    put(32, 0xf0000, 8);
    put(40, BASE + MAP_AT, 8);
    put(48, 2, 4);
    put(MODULES_AT, 0x4000000, 8);
    put(MODULES_AT + 8, 0x1234, 8);
    put(MAP_AT + 8, 0x9fc00, 8);
    put(MAP_AT + 16, 1, 4);
    put(MAP_AT + 24, 0xfffc0000, 8);
    put(MAP_AT + 32, 0x40000, 8);
    put(MAP_AT + 40, 2, 4);
    memcpy(bytes + TEXT_AT, "test=all", 9);
}

static enum status parse(void)
{
    return pvh_parse(view, NULL, BASE, &info);
}

TEST(start_info_is_read)
{
    build();
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.rsdp, 0xf0000);
    EXPECT_EQ(info.module_count, 1);
    EXPECT_EQ(info.module[0].base, 0x4000000);
    EXPECT_EQ(info.module[0].size_bytes, 0x1234);
    EXPECT_EQ(info.map.count, 2);
    EXPECT_EQ(info.map.range[0].type, LIMINE_MEMMAP_USABLE);
    EXPECT_EQ(info.map.range[1].type, LIMINE_MEMMAP_RESERVED);
    EXPECT_STR(info.cmdline, "test=all");
}

TEST(nothing_but_the_memory_map_is_needed)
{
    build();
    put(12, 0, 4);
    put(16, 0, 8);
    put(24, 0, 8);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(info.module_count, 0);
    EXPECT_STR(info.cmdline, "");
}

TEST(a_command_line_that_was_cut_is_known)
{
    build();
    memset(bytes + TEXT_AT, 'x', PVH_CMDLINE_MAX - 1);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(strlen(info.cmdline), PVH_CMDLINE_MAX - 1);
    EXPECT(!info.cmdline_cut);

    bytes[TEXT_AT + PVH_CMDLINE_MAX - 1] = 'x';
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(strlen(info.cmdline), PVH_CMDLINE_MAX - 1);
    EXPECT(info.cmdline_cut);
}

TEST(lies_are_refused)
{
    static const struct {
        size_t at;
        uint64_t value;
        size_t size_bytes;
        enum status status;
    } cases[] = {
        { 0, 0x336ec579, 4, ERR_FORMAT },          { 4, 0, 4, ERR_UNSUPPORTED },
        { 12, PVH_MODULE_MAX + 1, 4, ERR_FORMAT }, { 16, 0, 8, ERR_FORMAT },
        { 16, UINT64_MAX, 8, ERR_FORMAT },         { 24, UINT64_MAX, 8, ERR_FORMAT },
        { 24, BASE + 0x3000, 8, ERR_FORMAT },      { 40, 0, 8, ERR_FORMAT },
        { 40, BASE + 0x2fff, 8, ERR_FORMAT },      { 48, 0, 4, ERR_FORMAT },
        { 48, UINT32_MAX, 4, ERR_FORMAT },         { 48, 257, 4, ERR_FORMAT },
        { MAP_AT + 8, UINT64_MAX, 8, OK },         { MAP_AT + 32, UINT64_MAX, 8, ERR_RANGE },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build();
        put(cases[i].at, cases[i].value, cases[i].size_bytes);
        EXPECT_EQ(parse(), cases[i].status);
    }
}

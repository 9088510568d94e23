/* Layouts: what lies where, for every random number. program_build is tested by the running system.
 */
#include <base/string.h>
#include <base/test.h>
#include <program/program.h>

static struct program_file file;
static struct program_layout layout;

/* Constants, code, data with zeroes: one shared page, two shared pages, three private ones. */
static void make_file(void)
{
    file = (struct program_file){
        .size_bytes = 0x4000,
        .image_offset = 0x10000,
        .elf = { .entry = 0x1080,
                 .size_bytes = 0x6000,
                 .align_bytes = 0x1000,
                 .program_headers_at = 64,
                 .program_header_count = 5,
                 .segment_count = 3,
                 .segment = { { 0, 0x800, 0, 0x800, false, false },
                              { 0x1000, 0x1100, 0x1000, 0x1100, false, true },
                              { 0x3000, 0x2800, 0x3000, 0x600, true, false } } },
    };
}

static bool apart(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a + a_bytes < b || b + b_bytes < a; /* a page between them, as all is in pages */
}

static const uint64_t numbers[] = {
    0, 1, 4095, 4096, (uint64_t)1 << 28, UINT64_MAX / 3, UINT64_MAX
};

static void check(void)
{
    uint64_t size = file.elf.size_bytes;
    EXPECT(layout.base >= program_regions.at &&
           layout.base + size <= program_regions.at + program_regions.span);
    EXPECT(layout.stack_at > program_regions.stack_at &&
           layout.stack_at + PROGRAM_STACK_BYTES < program_regions.stack_at + program_regions.span);
    EXPECT(layout.startup_at > program_regions.startup_at &&
           layout.clock_at + PROGRAM_PAGE <= program_regions.startup_at + program_regions.span);
    EXPECT((layout.base | layout.stack_at | layout.startup_at | layout.clock_at) % PROGRAM_PAGE ==
           0);
    EXPECT(apart(layout.base, size, layout.stack_at, PROGRAM_STACK_BYTES));
    EXPECT(apart(layout.startup_at, PROGRAM_PAGE, layout.clock_at, PROGRAM_PAGE));
    EXPECT(apart(layout.stack_at, PROGRAM_STACK_BYTES, layout.clock_at, PROGRAM_PAGE));
}

TEST(every_random_number_gives_a_good_place)
{
    make_file();
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        for (size_t j = 0; j < ARRAY_LEN(numbers); j++) {
            const uint64_t random[] = { numbers[i], numbers[j], numbers[(i + j) % 7] };
            program_lay_out(&file, &program_regions, random, &layout);
            check();
        }
    }
}

TEST(different_numbers_give_different_places)
{
    struct program_layout other;
    const uint64_t one[] = { 1, 2, 3 };
    const uint64_t two[] = { 4, 5, 6 };
    make_file();
    program_lay_out(&file, &program_regions, one, &layout);
    program_lay_out(&file, &program_regions, two, &other);
    EXPECT(layout.base != other.base && layout.stack_at != other.stack_at &&
           layout.startup_at != other.startup_at);
}

TEST(a_large_alignment_is_kept)
{
    const uint64_t random[] = { 12345, 0, 0 };
    make_file();
    file.elf.align_bytes = 0x10000;
    program_lay_out(&file, &program_regions, random, &layout);
    EXPECT_EQ(layout.base % 0x10000, 0);
    check();
}

TEST(private_parts_follow_each_other)
{
    const uint64_t random[] = { 0, 0, 0 };
    make_file();
    program_lay_out(&file, &program_regions, random, &layout);
    REQUIRE(layout.piece_count == 3);
    EXPECT(layout.piece[0].shared && layout.piece[1].shared && !layout.piece[2].shared);
    EXPECT_EQ(layout.piece[1].offset, 0x11000);
    EXPECT_EQ(layout.piece[1].at, layout.base + 0x1000);
    EXPECT(layout.piece[1].exec && !layout.piece[1].write);
    EXPECT_EQ(layout.piece[2].offset, 0);
    EXPECT_EQ(layout.piece[2].size_bytes, 0x3000);
    EXPECT_EQ(layout.stack_offset, 0x3000);
    EXPECT_EQ(layout.startup_offset, 0x3000 + PROGRAM_STACK_BYTES);
    EXPECT_EQ(layout.private_bytes, layout.startup_offset + PROGRAM_PAGE);
    EXPECT_EQ(layout.entry, layout.base + 0x1080);
}

TEST(the_startup_block_says_where_things_are)
{
    static uint64_t room[(sizeof(struct startup) + 2 * sizeof(struct startup_capability)) / 8];
    struct startup *block = (struct startup *)(void *)room;
    const uint64_t random[] = { 7, 8, 9 };
    make_file();
    program_lay_out(&file, &program_regions, random, &layout);
    block->capability_count = 2;
    program_describe(&file, &layout, block);
    EXPECT_EQ(block->magic, STARTUP_MAGIC);
    EXPECT_EQ(block->size_bytes, sizeof(room));
    EXPECT_EQ(block->program_headers_at, layout.base + 64);
    EXPECT_EQ(block->stack_at, layout.stack_at);
    file.elf.program_headers_at = 0;
    program_describe(&file, &layout, block);
    EXPECT_EQ(block->program_headers_at, 0);
}

TEST(a_block_of_the_largest_list_fits_its_page)
{
    EXPECT(sizeof(struct startup) + STARTUP_CAPABILITY_MAX * sizeof(struct startup_capability) <=
           PROGRAM_PAGE);
}

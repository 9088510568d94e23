/* Programs, good and bad, and how they are mapped. The kernel's own file: boot/common/elf_test.c.
 */
#include "elf_test_image.h"

#include <base/test.h>

static struct test_elf elf;
static struct elf_image image;
static const char *problem;

static enum status parse(void)
{
    return elf_parse(&elf, sizeof(elf), &test_elf_rules, &image, &problem);
}

TEST(a_program_is_understood)
{
    test_elf_build(&elf);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(image.base, 0);
    EXPECT_EQ(image.size_bytes, 0x7000);
    EXPECT_EQ(image.entry, 0x1c10);
    EXPECT_EQ(image.segment_count, 3);
    EXPECT_EQ(image.align_bytes, 0x1000);
    EXPECT_EQ(image.program_headers_at, TEST_ELF_PROGRAMS_AT);
    EXPECT_EQ(image.program_header_count, TEST_ELF_PROGRAMS);
}

TEST(the_largest_alignment_counts)
{
    test_elf_build(&elf);
    test_elf_put(&elf, TEST_ELF_PROGRAMS_AT + TEST_ELF_PROGRAM_BYTES + 48, 0x10000, 8);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(image.align_bytes, 0x10000);
}

TEST(headers_that_are_not_loaded_have_no_address)
{
    test_elf_build(&elf);
    test_elf_program(&elf, 0, 4, 0x800, 0x200, 0x200);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(image.program_headers_at, 0);
}

/* Each: one value changed, and the file must be refused. */
TEST(every_broken_promise_is_found)
{
    enum { P0 = TEST_ELF_PROGRAMS_AT, P1 = P0 + TEST_ELF_PROGRAM_BYTES };
    enum { P2 = P1 + TEST_ELF_PROGRAM_BYTES, P3 = P2 + TEST_ELF_PROGRAM_BYTES };
    static const struct {
        size_t at;
        size_t size_bytes;
        uint64_t value;
        const char *problem;
    } cases[] = {
        { 0, 4, 0, "it is not an ELF file" },
        { 4, 1, 1, "it is not a 64-bit little-endian ELF file" },
        { 5, 1, 2, "it is not a 64-bit little-endian ELF file" },
        { 6, 1, 0, "it is not a 64-bit little-endian ELF file" },
        { 16, 2, 2, "it is not position independent" },
        { 18, 2, ELF_MACHINE_ARM64, "it is for another architecture" },
        { 24, 8, 0, "its entry point is not in executable memory" },
        { 24, 8, 0x1bff, "its entry point is not in executable memory" },
        { 24, 8, 0x3400, "its entry point is not in executable memory" },
        { 24, 8, UINT64_MAX, "its entry point is not in executable memory" },
        { 32, 8, TEST_ELF_BYTES - 64, "its program headers lie outside the file" },
        { 32, 8, UINT64_MAX, "its program headers lie outside the file" },
        { 54, 2, 55, "its program headers are malformed" },
        { 56, 2, 0, "its program headers are malformed" },
        { 56, 2, 65, "its program headers are malformed" },
        { P3, 4, 3, "it is linked dynamically" },
        { P3, 4, 0x6474e551, NULL }, /* a stack that is not executable is welcome */
        { P1 + 4, 4, 7, "a segment is writable and executable" },
        { P2 + 4, 4, 7, "a segment is writable and executable" },
        { P1 + 8, 8, TEST_ELF_BYTES, "a segment lies outside the file" },
        { P1 + 8, 8, UINT64_MAX - 0xfff, "a segment lies outside the file" },
        { P1 + 8, 8, 0xc01, "a segment cannot be mapped from the file" },
        { P1 + 16, 8, 0x400, "segments share a page or are out of order" },
        { P1 + 16, 8, 0x100c00, "a segment lies outside" },
        { P1 + 16, 8, UINT64_MAX - 0x3ff, "a segment lies outside" },
        { P1 + 32, 8, 0x1801, "a segment lies outside the file" },
        { P2 + 40, 8, UINT64_MAX, "a segment lies outside" },
        { P2 + 40, 8, 0x100000 - 0x4400 + 1, "a segment lies outside" },
        { P2 + 48, 8, 0x3000, "a segment's alignment is no power of two, or too large" },
        { P2 + 48, 8, 0x400000, "a segment's alignment is no power of two, or too large" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_elf_build(&elf);
        test_elf_put(&elf, cases[i].at, cases[i].value, cases[i].size_bytes);
        problem = NULL;
        EXPECT_EQ(parse(), cases[i].problem != NULL ? ERR_FORMAT : OK);
        EXPECT_STR(problem, cases[i].problem);
    }
}

TEST(a_stack_is_never_executable)
{
    enum { P3 = TEST_ELF_PROGRAMS_AT + 3 * TEST_ELF_PROGRAM_BYTES };
    test_elf_build(&elf);
    test_elf_put(&elf, P3, 0x6474e551, 4);
    test_elf_put(&elf, P3 + 4, 7, 4);
    EXPECT_EQ(parse(), ERR_FORMAT);
    EXPECT_STR(problem, "it wants an executable stack");
}

TEST(an_image_has_a_largest_size)
{
    struct elf_rules rules = test_elf_rules;
    rules.size_max = 0x7000;
    test_elf_build(&elf);
    EXPECT_EQ(elf_parse(&elf, sizeof(elf), &rules, &image, &problem), OK);
    rules.size_max--;
    EXPECT_EQ(elf_parse(&elf, sizeof(elf), &rules, &image, &problem), ERR_FORMAT);
}

TEST(a_file_cut_anywhere_is_refused)
{
    test_elf_build(&elf);
    test_elf_put(&elf, TEST_ELF_PROGRAMS_AT + 2 * TEST_ELF_PROGRAM_BYTES + 32, 0x800, 8);
    EXPECT_EQ(parse(), OK);
    for (size_t cut = 0; cut < sizeof(elf); cut += 3)
        EXPECT_EQ(elf_parse(&elf, cut, &test_elf_rules, &image, &problem), ERR_FORMAT);
}

/* ---- Plans ---- */

static uint8_t memory[0x7000];

/* Carry a plan out; every page at most once. */
static void carry_out(const struct elf_piece *piece, size_t count)
{
    uint64_t done = 0;
    memset(memory, 0xee, sizeof(memory));
    for (size_t i = 0; i < count; i++, piece++) {
        EXPECT((piece->address | piece->size_bytes) % ELF_PAGE == 0 && piece->size_bytes != 0);
        EXPECT(piece->address >= done && !(piece->shared && piece->write));
        done = piece->address + piece->size_bytes;
        REQUIRE(done <= sizeof(memory));
        if (piece->shared) {
            EXPECT_EQ(piece->file_offset % ELF_PAGE, 0);
            memcpy(&memory[piece->address], &elf.bytes[piece->file_offset],
                   MIN(piece->size_bytes, TEST_ELF_BYTES - piece->file_offset));
        } else {
            memset(&memory[piece->address], 0, piece->size_bytes);
            memcpy(&memory[piece->address + piece->copy_at], &elf.bytes[piece->file_offset],
                   piece->copy_bytes);
        }
    }
}

static bool segment_loaded(const struct elf_segment *segment)
{
    for (uint64_t i = 0; i < segment->memory_bytes; i++) {
        uint8_t wanted = i < segment->file_bytes ? elf.bytes[segment->file_offset + i] : 0;
        if (memory[segment->address + i] != wanted)
            return false;
    }
    return true;
}

TEST(a_plan_puts_every_byte_in_place)
{
    struct elf_piece piece[ELF_PIECE_MAX];
    test_elf_build(&elf);
    REQUIRE(parse() == OK);
    for (uint64_t whole = 0; whole < TEST_ELF_BYTES + 0x1000; whole += 0x400) {
        carry_out(piece, elf_plan(&image, whole, piece));
        for (size_t i = 0; i < image.segment_count; i++)
            EXPECT(segment_loaded(&image.segment[i]));
    }
}

TEST(what_cannot_be_lent_is_copied)
{
    struct elf_piece piece[ELF_PIECE_MAX];
    test_elf_build(&elf);
    REQUIRE(parse() == OK);
    EXPECT_EQ(elf_plan(&image, 0x3000, piece), 3); /* each in one piece */
    EXPECT(piece[0].shared && piece[1].shared && !piece[2].shared);
    EXPECT(!piece[0].exec && piece[1].exec && piece[2].write);
    EXPECT_EQ(piece[1].size_bytes, 0x3000);
    EXPECT_EQ(elf_plan(&image, 0x2000, piece), 4); /* the code's last page is in the file's tail */
    EXPECT(piece[1].shared && !piece[2].shared && piece[2].exec && !piece[2].write);
    EXPECT_EQ(piece[2].copy_bytes, 0x400);
    EXPECT_EQ(elf_plan(&image, 0xfff, piece), 3);
    EXPECT(!piece[0].shared && !piece[1].shared && !piece[2].shared);
}

TEST(zeroes_are_never_the_files_bytes)
{
    struct elf_piece piece[ELF_PIECE_MAX];
    test_elf_build(&elf);
    test_elf_program(&elf, 0, 4, 0, 0x800, 0xc00); /* constants, and zeroes behind them */
    REQUIRE(parse() == OK);
    carry_out(piece, elf_plan(&image, 0x3000, piece));
    EXPECT(segment_loaded(&image.segment[0]) && !piece[0].shared);
}

/* Kernel files, good and bad. */
#include "elf_test_image.h"

#include <base/test.h>

static struct test_elf elf;
static struct elf_image image;
static const char *problem;

static enum status parse(void)
{
    return kernel_parse(&elf, sizeof(elf), ELF_MACHINE_X86_64, &image, &problem);
}

TEST(a_good_file_is_understood)
{
    test_elf_build(&elf);
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(image.base, TEST_ELF_BASE);
    EXPECT_EQ(image.size_bytes, 0x6000);
    EXPECT_EQ(image.file_backed_bytes, 0x3000);
    EXPECT_EQ(image.entry, TEST_ELF_BASE + 0x10);
    EXPECT_EQ(image.segment_count, 2);
    EXPECT(image.segment[0].exec && !image.segment[0].write);
    EXPECT(!image.segment[1].exec && image.segment[1].write);
}

TEST(loading_writes_every_byte)
{
    static uint8_t memory[0x6000];
    test_elf_build(&elf);
    EXPECT_EQ(parse(), OK);
    memset(memory, 0x55, sizeof(memory));
    kernel_load(&image, &elf, memory);
    EXPECT_EQ(memory[0x7ff], 0x90);
    EXPECT_EQ(memory[0x2000], 0xda);
    EXPECT_EQ(memory[0x2fff], 0xda);
    for (size_t i = 0; i < sizeof(memory); i++)
        EXPECT(memory[i] == 0 || i < 0x800 || (i >= 0x2000 && i < 0x3000));
}

/* Each: one value changed, and the file must be refused. */
TEST(every_broken_promise_is_found)
{
    enum { P0 = TEST_ELF_PROGRAMS_AT, P1 = TEST_ELF_PROGRAMS_AT + TEST_ELF_PROGRAM_BYTES };
    static const struct {
        size_t at;
        size_t size_bytes;
        uint64_t value;
    } cases[] = {
        { 0, 4, 0 },                            /* magic */
        { 4, 1, 1 },                            /* 32-bit */
        { 5, 1, 2 },                            /* big endian */
        { 16, 2, 3 },                           /* relocatable */
        { 18, 2, ELF_MACHINE_ARM64 },           /* another CPU */
        { 24, 8, TEST_ELF_BASE + 0x2000 },      /* entry in data */
        { 24, 8, TEST_ELF_BASE + 0x800 },       /* entry behind the code */
        { 24, 8, 0x1000 },                      /* entry outside */
        { 32, 8, TEST_ELF_BYTES - 64 },         /* headers outside */
        { 32, 8, UINT64_MAX },                  /* headers wrap */
        { 54, 2, 55 },                          /* header size */
        { 56, 2, 0 },                           /* no headers */
        { 56, 2, 65 },                          /* too many */
        { P0, 4, 2 },                           /* dynamic */
        { P0, 4, 3 },                           /* interpreter */
        { P0 + 4, 4, 7 },                       /* writable and executable */
        { P0 + 8, 8, TEST_ELF_BYTES },          /* file range outside */
        { P0 + 8, 8, UINT64_MAX },              /* file range wraps */
        { P0 + 16, 8, 0x100000 },               /* lower half */
        { P0 + 16, 8, TEST_ELF_BASE + 0x2800 }, /* shares a page */
        { P0 + 16, 8, TEST_ELF_BASE + 0x8000 }, /* out of order */
        { P0 + 32, 8, 0x801 },                  /* file larger than memory */
        { P1 + 16, 8, TEST_ELF_BASE + 0x800 },  /* shares a page */
        { P1 + 40, 8, UINT64_MAX },             /* memory wraps */
        { P1 + 40, 8, UINT64_C(0x7fffe000) },   /* ends with the address space */
        { P1 + 40, 8, ELF_IMAGE_MAX },          /* too large */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        test_elf_build(&elf);
        test_elf_put(&elf, cases[i].at, cases[i].value, cases[i].size_bytes);
        problem = NULL;
        EXPECT_EQ(parse(), ERR_FORMAT);
        EXPECT(problem != NULL);
    }
}

TEST(the_lower_half_is_not_the_kernels)
{
    test_elf_build(&elf);
    test_elf_put(&elf, 24, 0x100010, 8);
    test_elf_program(&elf, 0, 5, TEST_ELF_TEXT_AT, 0x100000, 0x800, 0x800);
    test_elf_program(&elf, 1, 6, TEST_ELF_DATA_AT, 0x102000, 0x1000, 0x1000);
    EXPECT_EQ(parse(), ERR_FORMAT);
}

TEST(too_many_segments_are_refused)
{
    test_elf_build(&elf);
    test_elf_put(&elf, 56, ELF_SEGMENT_MAX + 1, 2);
    for (unsigned i = 1; i <= ELF_SEGMENT_MAX; i++)
        test_elf_program(&elf, i, 4, 0, TEST_ELF_BASE + (uint64_t)i * 0x1000, 16, 16);
    EXPECT_EQ(parse(), ERR_FORMAT);
    test_elf_put(&elf, 56, ELF_SEGMENT_MAX, 2);
    EXPECT_EQ(parse(), OK);
}

TEST(a_file_cut_anywhere_is_refused)
{
    test_elf_build(&elf);
    for (size_t cut = 0; cut < sizeof(elf); cut += 7)
        EXPECT_EQ(kernel_parse(&elf, cut, ELF_MACHINE_X86_64, &image, &problem), ERR_FORMAT);
}

TEST(other_kinds_of_segments_are_passed_over)
{
    test_elf_build(&elf);
    test_elf_put(&elf, 56, 4, 2);
    test_elf_put(&elf, TEST_ELF_PROGRAMS_AT + 2 * TEST_ELF_PROGRAM_BYTES, 0x6474e551, 4);
    test_elf_program(&elf, 3, 6, 0, 0, 0, 0); /* empty: its address does not matter */
    EXPECT_EQ(parse(), OK);
    EXPECT_EQ(image.segment_count, 2);
}

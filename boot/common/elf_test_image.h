/* A small kernel file, put together by hand: for the tests of the ELF loader and of the whole. */
#pragma once

#include <base/string.h>
#include <boot/elf.h>

enum {
    TEST_ELF_BYTES = 0x3000,
    TEST_ELF_TEXT_AT = 0x1000,
    TEST_ELF_DATA_AT = 0x2000,
    TEST_ELF_PROGRAMS_AT = 64,
    TEST_ELF_PROGRAM_BYTES = 56,
};

#define TEST_ELF_BASE UINT64_C(0xffffffff80000000)

struct test_elf {
    uint8_t bytes[TEST_ELF_BYTES];
};

static inline void test_elf_put(struct test_elf *elf, size_t at, uint64_t value, size_t size_bytes)
{
    memcpy(elf->bytes + at, &value, size_bytes); /* the host is little endian, as the file is */
}

static inline void test_elf_program(struct test_elf *elf, unsigned index, uint32_t flags,
                                    uint64_t offset, uint64_t address, uint64_t file_bytes,
                                    uint64_t memory_bytes)
{
    size_t at = TEST_ELF_PROGRAMS_AT + (size_t)index * TEST_ELF_PROGRAM_BYTES;
    test_elf_put(elf, at, 1, 4);
    test_elf_put(elf, at + 4, flags, 4);
    test_elf_put(elf, at + 8, offset, 8);
    test_elf_put(elf, at + 16, address, 8);
    test_elf_put(elf, at + 24, address, 8);
    test_elf_put(elf, at + 32, file_bytes, 8);
    test_elf_put(elf, at + 40, memory_bytes, 8);
    test_elf_put(elf, at + 48, 0x1000, 8);
}

/* Code at the base, data two pages on with three pages of zeroes behind. */
static inline void test_elf_build(struct test_elf *elf)
{
    memset(elf, 0, sizeof(*elf));
    memcpy(elf->bytes, "\177ELF\2\1\1", 7);
    test_elf_put(elf, 16, 2, 2);
    test_elf_put(elf, 18, ELF_MACHINE_X86_64, 2);
    test_elf_put(elf, 20, 1, 4);
    test_elf_put(elf, 24, TEST_ELF_BASE + 0x10, 8);
    test_elf_put(elf, 32, TEST_ELF_PROGRAMS_AT, 8);
    test_elf_put(elf, 54, TEST_ELF_PROGRAM_BYTES, 2);
    test_elf_put(elf, 56, 2, 2);
    test_elf_program(elf, 0, 5, TEST_ELF_TEXT_AT, TEST_ELF_BASE, 0x800, 0x800);
    test_elf_program(elf, 1, 6, TEST_ELF_DATA_AT, TEST_ELF_BASE + 0x2000, 0x1000, 0x3100);
    memset(elf->bytes + TEST_ELF_TEXT_AT, 0x90, 0x800);
    memset(elf->bytes + TEST_ELF_DATA_AT, 0xda, 0x1000);
}

/* A small position independent program, put together by hand: headers and constants, code, data. */
#pragma once

#include <base/string.h>
#include <elf/elf.h>

enum {
    TEST_ELF_BYTES = 0x2c00,
    TEST_ELF_PROGRAMS_AT = 64,
    TEST_ELF_PROGRAM_BYTES = 56,
    TEST_ELF_PROGRAMS = 4,
};

struct test_elf {
    uint8_t bytes[TEST_ELF_BYTES];
};

static const struct elf_rules test_elf_rules = {
    .machine = ELF_MACHINE_X86_64,
    .position_independent = true,
    .mappable = true,
    .address_max = (1 << 20) - 1,
    .size_max = 1 << 20,
    .outside = "a segment lies outside",
};

static inline void test_elf_put(struct test_elf *elf, size_t at, uint64_t value, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++)
        elf->bytes[at + i] = (uint8_t)(value >> (8 * i));
}

static inline void test_elf_program(struct test_elf *elf, unsigned index, uint32_t flags,
                                    uint64_t offset, uint64_t file_bytes, uint64_t memory_bytes)
{
    size_t at = TEST_ELF_PROGRAMS_AT + (size_t)index * TEST_ELF_PROGRAM_BYTES;
    uint64_t address = offset + (uint64_t)index * 0x1000;
    test_elf_put(elf, at, 1, 4);
    test_elf_put(elf, at + 4, flags, 4);
    test_elf_put(elf, at + 8, offset, 8);
    test_elf_put(elf, at + 16, address, 8);
    test_elf_put(elf, at + 24, address, 8);
    test_elf_put(elf, at + 32, file_bytes, 8);
    test_elf_put(elf, at + 40, memory_bytes, 8);
    test_elf_put(elf, at + 48, 0x1000, 8);
}

/* As a linker lays it out: one file without gaps, each segment a page further on in memory. */
static inline void test_elf_build(struct test_elf *elf)
{
    for (size_t i = 0; i < sizeof(elf->bytes); i++)
        elf->bytes[i] = (uint8_t)(i * 7 + i / 256);
    memset(elf->bytes, 0, TEST_ELF_PROGRAMS_AT + 16 * TEST_ELF_PROGRAM_BYTES);
    memcpy(elf->bytes, "\177ELF\2\1\1", 7);
    test_elf_put(elf, 16, 3, 2);
    test_elf_put(elf, 18, ELF_MACHINE_X86_64, 2);
    test_elf_put(elf, 20, 1, 4);
    test_elf_put(elf, 24, 0x1c10, 8);
    test_elf_put(elf, 32, TEST_ELF_PROGRAMS_AT, 8);
    test_elf_put(elf, 54, TEST_ELF_PROGRAM_BYTES, 2);
    test_elf_put(elf, 56, TEST_ELF_PROGRAMS, 2);
    test_elf_program(elf, 0, 4, 0, 0xc00, 0xc00);
    test_elf_program(elf, 1, 5, 0xc00, 0x1800, 0x1800);
    test_elf_program(elf, 2, 6, 0x2400, 0x300, 0x2300);
    test_elf_program(elf, 3, 6, 0x2700, 0x500, 0x500);
    test_elf_put(elf, TEST_ELF_PROGRAMS_AT + 3 * TEST_ELF_PROGRAM_BYTES, 2, 4); /* PT_DYNAMIC */
}

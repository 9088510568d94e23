/* Kernel files: static ELF64 executables in the upper 2 GiB.
 *
 * A parsed image is safe to load: all file ranges are inside the file, all segments inside
 * [base, base + size_bytes), ascending, on pages of their own, never writable and executable.
 */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_ADDRESS_MIN    0xffffffff80000000u
#define ELF_IMAGE_MAX      (256u << 20)
#define ELF_MACHINE_X86_64 62
#define ELF_MACHINE_ARM64  183

enum { ELF_SEGMENT_MAX = 16 };

struct elf_segment {
    uint64_t address;
    uint64_t memory_bytes;
    uint64_t file_offset;
    uint64_t file_bytes;
    bool write;
    bool exec;
};

struct elf_image {
    uint64_t entry;
    uint64_t base;              /* page aligned */
    uint64_t size_bytes;        /* whole pages */
    uint64_t file_backed_bytes; /* behind them there is only zeroed memory */
    size_t segment_count;
    struct elf_segment segment[ELF_SEGMENT_MAX];
};

/* On failure ERR_FORMAT, and a text that continues "the kernel cannot be used: ...". */
enum status elf_parse(const void *data, size_t size_bytes, uint16_t machine,
                      struct elf_image *image_out, const char **problem_out);
/* Put the image into `memory`, which has size_bytes bytes and is written in full. */
void elf_load(const struct elf_image *image, const void *data, void *memory);
/* True if `address` lies in loaded, executable bytes. */
bool elf_executable_at(const struct elf_image *image, uint64_t address);

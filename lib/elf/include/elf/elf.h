/* Programs as ELF64 files (System V gABI, chapters 4 and 5): checked as a whole before a byte is
 * put anywhere. The loader reads the kernel with it, init the programs of the system image.
 *
 * A parsed image is safe to load: all file ranges are inside the file, all segments inside
 * [base, base + size_bytes), ascending, on pages of their own, never writable and executable, and
 * the entry is in loaded code. Nothing is allocated; the file must not change while it is read.
 */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_MACHINE_X86_64 62
#define ELF_MACHINE_ARM64  183
#define ELF_PAGE           4096u

enum { ELF_SEGMENT_MAX = 16, ELF_PIECE_MAX = 3 * ELF_SEGMENT_MAX };

/* What the reader of a file accepts. */
struct elf_rules {
    uint16_t machine;
    bool
        position_independent; /* static-PIE (ET_DYN without an interpreter), else fixed (ET_EXEC) */
    bool mappable;            /* offsets and addresses agree in their place in a page */
    uint64_t address_min;     /* the first and last byte that a segment may have */
    uint64_t address_max;
    uint64_t size_max;
    const char *outside; /* the message when a segment lies elsewhere */
};

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
    uint64_t base;               /* page aligned */
    uint64_t size_bytes;         /* whole pages */
    uint64_t file_backed_bytes;  /* behind them there is only zeroed memory */
    uint64_t align_bytes;        /* a position independent base is a multiple of it */
    uint64_t program_headers_at; /* their address, if a segment holds them; else 0 */
    unsigned program_header_count;
    size_t segment_count;
    struct elf_segment segment[ELF_SEGMENT_MAX];
};

/* On failure ERR_FORMAT, and a text that continues "the program cannot be used: ...". */
enum status elf_parse(const void *data, size_t size_bytes, const struct elf_rules *rules,
                      struct elf_image *image_out, const char **problem_out);
/* True if `address` lies in loaded, executable bytes. */
bool elf_executable_at(const struct elf_image *image, uint64_t address);

/* One stretch of whole pages of a `mappable` image, and where it comes from. */
struct elf_piece {
    uint64_t address;
    uint64_t size_bytes;
    uint64_t file_offset; /* shared: page aligned; else of the bytes to copy */
    uint64_t copy_at;     /* private: where they go, counted from `address` */
    uint64_t copy_bytes;  /* private: how many; zeroes around them */
    bool shared;          /* the file's own pages, read-only */
    bool write;
    bool exec;
};

/* How to map the image. `whole_bytes` is how much of the file, from its start, lies in order and in
 * whole pages, and so can be mapped where it is. Returns the number of pieces, in ascending order.
 */
size_t elf_plan(const struct elf_image *image, uint64_t whole_bytes,
                struct elf_piece piece_out[ELF_PIECE_MAX]);

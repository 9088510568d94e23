/* Starting a program of the system image in a process of its own.
 *
 *   file     program_find: the ELF file, checked, and where it lies in the image
 *   layout   program_lay_out: which pages go where; random base, stack and start-up block
 *   memory   program_map: the pages mapped
 *   process  program_build: that, and the first thread made, not yet started
 *
 * What the file can lend is mapped from the image's own Memory, read-only or executable, and shared
 * by all that run the program. Everything else (data, stack, start-up block) lies in one private
 * Memory, which the new process's budget pays for. Nothing is ever writable and executable. Below
 * the stack, and around every other part, nothing is mapped.
 */
#pragma once

#include <elf/elf.h>
#include <fs/erofs.h>
#include <startup.h>

#define PROGRAM_PAGE ((uint64_t)4096)

/* Three regions of user space, each with room for a random place in it. */
struct program_regions {
    uint64_t at, startup_at, stack_at;
    uint64_t span; /* of each */
};
extern const struct program_regions program_regions;
/* Those of a sandbox: in the part of user space that its guests do not have (abi/guest.h). */
extern const struct program_regions program_sandbox_regions;
#define PROGRAM_SIZE_MAX ((uint64_t)256 << 20)

enum {
    PROGRAM_STACK_BYTES = 256 * 1024,
    PROGRAM_RANDOM_WORDS = 3, /* of the base, the stack, the start-up block */
};

struct program_file {
    struct elf_image elf;
    const uint8_t *bytes;
    uint64_t size_bytes;
    uint64_t image_offset; /* page aligned */
};

struct program_piece {
    uint64_t at;
    uint64_t size_bytes;
    uint64_t offset; /* in the image if shared, else in the private Memory */
    uint64_t file_offset, copy_at, copy_bytes; /* private: what is copied, and where in the piece */
    bool shared;
    bool write;
    bool exec;
};

struct program_layout {
    uint64_t base; /* added to every address of the file */
    uint64_t entry;
    uint64_t stack_at, stack_offset;
    uint64_t startup_at, startup_offset;
    uint64_t clock_at; /* the page behind the start-up block and a gap */
    uint64_t private_bytes;
    unsigned piece_count;
    struct program_piece piece[ELF_PIECE_MAX];
};

/* The program at `path`. ERR_NOT_FOUND; ERR_FORMAT and ERR_UNSUPPORTED with a text that continues
 * "the program cannot be used: ...". */
enum status program_find(const struct erofs *fs, const char *path, uint16_t machine,
                         struct program_file *file_out, const char **problem_out);
void program_lay_out(const struct program_file *file, const struct program_regions *regions,
                     const uint64_t random[PROGRAM_RANDOM_WORDS],
                     struct program_layout *layout_out);

/* What a process is built from: handles of whoever builds it. */
struct program_request {
    const struct program_file *file;
    const struct program_layout *layout;
    uint64_t image;                /* Memory of the system image: read, execute, map */
    uint64_t self;                 /* own process: map */
    uint64_t process;              /* the new one: map, spawn */
    uint64_t budget;               /* pays for what is private: charge */
    uint64_t clock;                /* Memory of the clock page: read, map; 0 for none */
    uint64_t window_at;            /* where the builder sees the private Memory for a while, as much
                                      as the layout says; 0: a place that is free in init */
    const struct startup *startup; /* program_describe has filled in what the layout decides */
};

/* The part of the start-up block that says where things are. */
void program_describe(const struct program_file *file, const struct program_layout *layout,
                      struct startup *startup);
/* Fill the private Memory and map everything. On failure the process may have some of it. */
enum status program_map(const struct program_request *request, uint64_t *memory_out);

/* The mappings live as long as `memory`. */
struct program {
    uint64_t memory;
    uint64_t thread;
};

/* On failure nothing is left but what the budget's end takes along. */
enum status program_build(const struct program_request *request, struct program *program_out);

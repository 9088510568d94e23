/* Programs as ELF files, as Linux loads them (System V gABI, chapter 5): the file is a stranger's,
 * and may change while it is read, so what is copied is checked, and a wrong one harms its process
 * alone.
 */
#include "exec_impl.h"
#include <base/bytes.h>
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/node.h>

enum {
    ELF_TYPE_EXEC = 2,
    ELF_TYPE_DYN = 3,
    PT_LOAD = 1,
    PT_INTERP = 3,
    PT_GNU_STACK = 0x6474e551,
    PF_X = 1,
    PF_W = 2,
    PF_R = 4,
    HEADER_BYTES = 56,
    FILE_HEADER_BYTES = 64,
    INTERPRETER_BYTES_MAX = 4096,
};
/* Where programs that can lie anywhere go: two thirds up, and up to 2^28 pages further. */
#define PROGRAM_BASE  ((uint64_t)0x555555554000)
#define PROGRAM_PAGES ((uint64_t)1 << 28)
#define BRK_SPREAD    ((uint64_t)32 << 20)

struct segment {
    uint32_t type, flags;
    uint64_t offset, address, file_bytes, memory_bytes, align;
};

struct elf {
    uint16_t type;
    uint64_t entry, headers_offset;
    unsigned count;
    struct segment *segment;
    uint64_t lowest, highest; /* of what is loaded; whole pages */
    uint64_t align;
    uint64_t bias;
};

static int read_exactly(struct file *file, void *to, uint64_t size_bytes, uint64_t offset)
{
    int64_t got = node_read(file->node, to, size_bytes, offset);
    if (got < 0)
        return (int)got;
    return (uint64_t)got == size_bytes ? 0 : -ENOEXEC;
}

static void segment_of(const uint8_t *header, struct segment *segment)
{
    *segment = (struct segment){
        .type = load_le32(header),
        .flags = load_le32(header + 4),
        .offset = load_le64(header + 8),
        .address = load_le64(header + 16),
        .file_bytes = load_le64(header + 32),
        .memory_bytes = load_le64(header + 40),
        .align = load_le64(header + 48),
    };
}

/* A segment that is loaded lies below GUEST_END, in whole pages too, and in the file where it does
 * in its page. */
static bool segment_ok(const struct segment *segment)
{
    uint64_t file_end;
    return segment->file_bytes <= segment->memory_bytes &&
           segment->memory_bytes <= GUEST_END - MACHINE_PAGE &&
           segment->address <= GUEST_END - MACHINE_PAGE - segment->memory_bytes &&
           segment->offset % MACHINE_PAGE == segment->address % MACHINE_PAGE &&
           !__builtin_add_overflow(segment->offset, segment->file_bytes, &file_end) &&
           file_end <= INT64_MAX;
}

static int measure(struct elf *elf)
{
    elf->lowest = UINT64_MAX;
    elf->align = MACHINE_PAGE;
    for (unsigned i = 0; i < elf->count; i++) {
        const struct segment *segment = &elf->segment[i];
        if (segment->type != PT_LOAD)
            continue;
        if (!segment_ok(segment))
            return -ENOEXEC;
        elf->lowest = MIN(elf->lowest, page_down(segment->address));
        elf->highest = MAX(elf->highest, page_up(segment->address + segment->memory_bytes));
        bool power = segment->align != 0 && (segment->align & (segment->align - 1)) == 0;
        if (power && segment->align <= (uint64_t)1 << 30)
            elf->align = MAX(elf->align, segment->align);
    }
    return elf->highest > elf->lowest ? 0 : -ENOEXEC;
}

static int read_headers(struct file *file, struct elf *elf)
{
    uint8_t *bytes = heap_alloc_array(elf->count, HEADER_BYTES);
    elf->segment = heap_alloc_array(elf->count, sizeof(*elf->segment));
    int error = bytes == NULL || elf->segment == NULL ? -ENOMEM : 0;
    if (error == 0)
        error = read_exactly(file, bytes, (uint64_t)elf->count * HEADER_BYTES, elf->headers_offset);
    for (unsigned i = 0; error == 0 && i < elf->count; i++)
        segment_of(bytes + (size_t)i * HEADER_BYTES, &elf->segment[i]);
    heap_free(bytes);
    return error != 0 ? error : measure(elf);
}

static int elf_read(struct file *file, struct elf *elf)
{
    static const uint8_t identification[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
    uint8_t header[FILE_HEADER_BYTES];
    *elf = (struct elf){ 0 };
    int error = read_exactly(file, header, sizeof(header), 0);
    if (error != 0)
        return error;
    elf->type = load_le16(header + 16);
    elf->entry = load_le64(header + 24);
    elf->headers_offset = load_le64(header + 32);
    elf->count = load_le16(header + 56);
    if (memcmp(header, identification, sizeof(identification)) != 0 ||
        (elf->type != ELF_TYPE_EXEC && elf->type != ELF_TYPE_DYN) ||
        load_le16(header + 18) != arch_elf_machine() || load_le16(header + 54) != HEADER_BYTES ||
        elf->count == 0 || elf->count > EXEC_HEADERS_MAX || elf->headers_offset > INT64_MAX / 2)
        return -ENOEXEC;
    return read_headers(file, elf);
}

/* ---- Into memory ---- */

static uint32_t protection_of(const struct segment *segment)
{
    return ((segment->flags & PF_R) != 0 ? PROT_READ : 0) |
           ((segment->flags & PF_W) != 0 ? PROT_WRITE : 0) |
           ((segment->flags & PF_X) != 0 ? PROT_EXEC : 0);
}

/* What the file has of the last page behind the segment is not the program's. */
static int clear_tail(struct mm *mm, const struct segment *segment, uint64_t bias)
{
    static const uint8_t zeroes[MACHINE_PAGE];
    uint64_t end = bias + segment->address + segment->file_bytes;
    uint64_t size_bytes = page_up(end) - end;
    if (size_bytes == 0 || (segment->flags & PF_W) == 0)
        return 0;
    int64_t done = mm_write(mm, end, zeroes, size_bytes);
    return done < 0 ? (int)done : 0;
}

static int map_file_part(struct mm *mm, struct file *file, const struct segment *segment,
                         uint64_t bias)
{
    uint64_t start = page_down(segment->address);
    uint64_t end = page_up(segment->address + segment->file_bytes);
    const struct mm_request request = {
        .address = bias + start,
        .size_bytes = end - start,
        .protection = protection_of(segment),
        .flags = MAP_PRIVATE | MAP_FIXED,
        .file = file,
        .offset = page_down(segment->offset),
    };
    int64_t at = mm_map(mm, &request);
    return at < 0 ? (int)at : 0;
}

static int load_segment(struct mm *mm, struct file *file, const struct segment *segment,
                        uint64_t bias)
{
    int error = 0;
    uint64_t file_end;
    if (segment->file_bytes != 0) {
        error = map_file_part(mm, file, segment, bias);
        file_end = page_up(segment->address + segment->file_bytes);
    } else {
        file_end = page_down(segment->address);
    }
    uint64_t end = page_up(segment->address + segment->memory_bytes);
    if (error == 0 && end > file_end) {
        const struct mm_request request = {
            .address = bias + file_end,
            .size_bytes = end - file_end,
            .protection = protection_of(segment),
            .flags = MAP_PRIVATE | MAP_FIXED,
        };
        int64_t at = mm_map(mm, &request);
        error = at < 0 ? (int)at : 0;
    }
    if (error == 0 && segment->file_bytes != 0 && segment->memory_bytes > segment->file_bytes)
        error = clear_tail(mm, segment, bias);
    return error;
}

static int load_segments(struct mm *mm, struct file *file, const struct elf *elf)
{
    int error = 0;
    for (unsigned i = 0; error == 0 && i < elf->count; i++) {
        if (elf->segment[i].type == PT_LOAD && elf->segment[i].memory_bytes != 0)
            error = load_segment(mm, file, &elf->segment[i], elf->bias);
    }
    return error == -ENODEV ? -ENOEXEC : error;
}

/* ---- The program, and its interpreter ---- */

static uint64_t random_below(uint64_t count)
{
    uint64_t word;
    machine_random(&word, sizeof(word));
    return word % count;
}

/* A program without a place of its own; everything above it stays for mmap and the stack. */
static void place_program(struct elf *elf)
{
    if (elf->type == ELF_TYPE_EXEC)
        return;
    uint64_t base = PROGRAM_BASE + random_below(PROGRAM_PAGES) * MACHINE_PAGE;
    elf->bias = ALIGN_DOWN(base, elf->align) - elf->lowest;
}

/* The interpreter goes where mmap would put it. */
static int place_interpreter(struct mm *mm, struct elf *elf)
{
    if (elf->type == ELF_TYPE_EXEC)
        return 0;
    uint64_t size_bytes = elf->highest - elf->lowest;
    rt_lock(&mm->lock);
    uint64_t at = space_find(mm, size_bytes + elf->align, MMAP_LOWEST, mm->mmap_top);
    rt_unlock(&mm->lock);
    if (at == 0)
        return -ENOMEM;
    elf->bias = ALIGN_UP(at, elf->align) - elf->lowest;
    return 0;
}

/* Where the program headers are in memory: in the segment that holds their part of the file. */
static uint64_t headers_address(const struct elf *elf)
{
    for (unsigned i = 0; i < elf->count; i++) {
        const struct segment *segment = &elf->segment[i];
        if (segment->type == PT_LOAD && elf->headers_offset >= segment->offset &&
            elf->headers_offset - segment->offset < segment->file_bytes)
            return elf->bias + segment->address + (elf->headers_offset - segment->offset);
    }
    return 0;
}

static void note_places(struct program *program, const struct elf *elf)
{
    struct mm *mm = program->mm;
    mm->code_start = UINT64_MAX;
    for (unsigned i = 0; i < elf->count; i++) {
        const struct segment *segment = &elf->segment[i];
        uint64_t start = elf->bias + segment->address;
        uint64_t end = start + segment->file_bytes;
        if (segment->type != PT_LOAD)
            continue;
        if ((segment->flags & PF_X) != 0) {
            mm->code_start = MIN(mm->code_start, start);
            mm->code_end = MAX(mm->code_end, end);
        }
        if (end > mm->data_end) {
            mm->data_start = start;
            mm->data_end = end;
        }
    }
    mm->brk_start =
        elf->bias + elf->highest + random_below(BRK_SPREAD / MACHINE_PAGE) * MACHINE_PAGE;
    mm->brk = mm->brk_start;
    program->headers_at = headers_address(elf);
    program->header_count = elf->count;
    program->program_entry = program->entry = elf->bias + elf->entry;
}

static int open_interpreter(struct program *program, const struct segment *segment,
                            struct file **file_out)
{
    if (segment->file_bytes < 2 || segment->file_bytes > INTERPRETER_BYTES_MAX)
        return -ENOEXEC;
    char *name = heap_alloc(segment->file_bytes);
    if (name == NULL)
        return -ENOMEM;
    int error = read_exactly(program->file, name, segment->file_bytes, segment->offset);
    if (error == 0 && name[segment->file_bytes - 1] != 0)
        error = -ENOEXEC;
    struct path path;
    if (error == 0)
        error = path_find(AT_FDCWD, name, LOOKUP_FOLLOW, &path);
    heap_free(name);
    if (error != 0)
        return error;
    error = program_open(program, &path, file_out);
    path_put(&path);
    return error;
}

static int load_interpreter(struct program *program, const struct segment *segment)
{
    struct file *file;
    struct elf elf = { 0 };
    int error = open_interpreter(program, segment, &file);
    if (error != 0)
        return error;
    error = elf_read(file, &elf);
    if (error == 0)
        error = place_interpreter(program->mm, &elf);
    if (error == 0)
        error = load_segments(program->mm, file, &elf);
    program->interpreter_base = elf.bias + (elf.lowest == UINT64_MAX ? 0 : elf.lowest);
    program->entry = elf.bias + elf.entry;
    heap_free(elf.segment);
    file_put(file);
    return error == -ENOEXEC ? -ELIBBAD : error;
}

static int load_both(struct program *program, struct elf *elf)
{
    int error = load_segments(program->mm, program->file, elf);
    if (error != 0)
        return error;
    note_places(program, elf);
    for (unsigned i = 0; i < elf->count; i++) {
        if (elf->segment[i].type == PT_INTERP)
            return load_interpreter(program, &elf->segment[i]);
    }
    return 0;
}

int program_load(struct program *program)
{
    struct elf elf = { 0 };
    int error = elf_read(program->file, &elf);
    for (unsigned i = 0; error == 0 && i < elf.count; i++) {
        if (elf.segment[i].type == PT_GNU_STACK)
            program->stack_executable = (elf.segment[i].flags & PF_X) != 0;
    }
    if (error == 0) {
        place_program(&elf);
        error = load_both(program, &elf);
    }
    heap_free(elf.segment);
    return error;
}

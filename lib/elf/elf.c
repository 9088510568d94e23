#include <base/bytes.h>
#include <base/checked.h>
#include <base/string.h>
#include <elf/elf.h>

enum {
    ELF_HEADER_BYTES = 64,
    ELF_PROGRAM_BYTES = 56,
    ELF_CLASS_64 = 2,
    ELF_LITTLE_ENDIAN = 1,
    ELF_VERSION = 1,
    ELF_TYPE_EXEC = 2,
    ELF_TYPE_DYN = 3,
    ELF_PROGRAM_MAX = 64,
    ELF_ALIGN_MAX = 2 << 20,
    PT_LOAD = 1,
    PT_DYNAMIC = 2,
    PT_INTERP = 3,
    PT_GNU_STACK = 0x6474e551,
    PF_X = 1,
    PF_W = 2,
};

struct elf_file {
    const uint8_t *bytes;
    size_t size_bytes;
    const struct elf_rules *rules;
    const char *problem;
};

static enum status elf_refuse(struct elf_file *file, const char *problem)
{
    file->problem = problem;
    return ERR_FORMAT;
}

static enum status elf_check_type(struct elf_file *file)
{
    unsigned type = load_le16(file->bytes + 16);
    if (file->rules->position_independent && type != ELF_TYPE_DYN)
        return elf_refuse(file, "it is not position independent");
    if (!file->rules->position_independent && type != ELF_TYPE_EXEC)
        return elf_refuse(file, "it is not an executable with a fixed address");
    return OK;
}

static enum status elf_check_header(struct elf_file *file)
{
    const uint8_t *h = file->bytes;
    if (file->size_bytes < ELF_HEADER_BYTES || memcmp(h, "\177ELF", 4) != 0)
        return elf_refuse(file, "it is not an ELF file");
    if (h[4] != ELF_CLASS_64 || h[5] != ELF_LITTLE_ENDIAN || h[6] != ELF_VERSION)
        return elf_refuse(file, "it is not a 64-bit little-endian ELF file");
    if (load_le16(h + 18) != file->rules->machine)
        return elf_refuse(file, "it is for another architecture");
    enum status status = elf_check_type(file);
    if (status != OK)
        return status;
    if (load_le16(h + 54) != ELF_PROGRAM_BYTES || load_le16(h + 56) == 0 ||
        load_le16(h + 56) > ELF_PROGRAM_MAX)
        return elf_refuse(file, "its program headers are malformed");
    if (!checked_range_within(load_le64(h + 32), (uint64_t)load_le16(h + 56) * ELF_PROGRAM_BYTES,
                              file->size_bytes))
        return elf_refuse(file, "its program headers lie outside the file");
    return OK;
}

/* Alignment matters to whoever chooses the address, and to whoever maps pages of the file. */
static enum status elf_check_alignment(struct elf_file *file, const struct elf_segment *segment,
                                       uint64_t align, struct elf_image *image)
{
    if (align > 1 && (align > ELF_ALIGN_MAX || (align & (align - 1)) != 0))
        return elf_refuse(file, "a segment's alignment is no power of two, or too large");
    if (file->rules->mappable && (segment->address - segment->file_offset) % ELF_PAGE != 0)
        return elf_refuse(file, "a segment cannot be mapped from the file");
    image->align_bytes = MAX(image->align_bytes, align);
    return OK;
}

/* One PT_LOAD. Segments are in ascending order, so comparing with the last one finds any overlap.
 */
static enum status elf_add_segment(struct elf_file *file, const uint8_t *p, struct elf_image *image)
{
    const struct elf_rules *rules = file->rules;
    uint32_t flags = load_le32(p + 4);
    struct elf_segment segment = {
        .file_offset = load_le64(p + 8),
        .address = load_le64(p + 16),
        .file_bytes = load_le64(p + 32),
        .memory_bytes = load_le64(p + 40),
        .write = (flags & PF_W) != 0,
        .exec = (flags & PF_X) != 0,
    };
    uint64_t end;

    if (segment.memory_bytes == 0)
        return OK;
    if (image->segment_count == ELF_SEGMENT_MAX)
        return elf_refuse(file, "it has too many segments");
    if (segment.file_bytes > segment.memory_bytes ||
        !checked_range_within(segment.file_offset, segment.file_bytes, file->size_bytes))
        return elf_refuse(file, "a segment lies outside the file");
    if (segment.write && segment.exec)
        return elf_refuse(file, "a segment is writable and executable");
    if (segment.address < rules->address_min ||
        !checked_add_u64(segment.address, segment.memory_bytes, &end) ||
        !checked_align_up_u64(end, ELF_PAGE, &end) || end - 1 > rules->address_max)
        return elf_refuse(file, rules->outside);
    if (image->segment_count > 0 &&
        ALIGN_DOWN(segment.address, ELF_PAGE) < image->base + image->size_bytes)
        return elf_refuse(file, "segments share a page or are out of order");
    enum status status = elf_check_alignment(file, &segment, load_le64(p + 48), image);
    if (status != OK)
        return status;

    if (image->segment_count == 0)
        image->base = ALIGN_DOWN(segment.address, ELF_PAGE);
    image->size_bytes = end - image->base;
    image->file_backed_bytes = segment.address + segment.file_bytes - image->base;
    image->segment[image->segment_count++] = segment;
    return OK;
}

bool elf_executable_at(const struct elf_image *image, uint64_t address)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segment[i];
        if (segment->exec && address >= segment->address &&
            address - segment->address < segment->file_bytes)
            return true;
    }
    return false;
}

static enum status elf_add_header(struct elf_file *file, const uint8_t *program,
                                  struct elf_image *image)
{
    uint32_t type = load_le32(program);
    if (type == PT_INTERP || (type == PT_DYNAMIC && !file->rules->position_independent))
        return elf_refuse(file, "it is linked dynamically");
    if (type == PT_GNU_STACK && (load_le32(program + 4) & PF_X) != 0)
        return elf_refuse(file, "it wants an executable stack");
    return type == PT_LOAD ? elf_add_segment(file, program, image) : OK;
}

/* A program finds its own headers, for thread-local storage and the like, where they are loaded. */
static void elf_find_headers(const struct elf_file *file, struct elf_image *image)
{
    uint64_t at = load_le64(file->bytes + 32);
    image->program_header_count = load_le16(file->bytes + 56);
    uint64_t size = (uint64_t)image->program_header_count * ELF_PROGRAM_BYTES;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segment[i];
        if (at >= segment->file_offset &&
            checked_range_within(at - segment->file_offset, size, segment->file_bytes))
            image->program_headers_at = segment->address + (at - segment->file_offset);
    }
}

static enum status elf_read(struct elf_file *file, struct elf_image *image)
{
    enum status status = elf_check_header(file);
    if (status != OK)
        return status;

    const uint8_t *program = file->bytes + load_le64(file->bytes + 32);
    unsigned count = load_le16(file->bytes + 56);
    image->align_bytes = ELF_PAGE;
    for (unsigned i = 0; i < count && status == OK; i++, program += ELF_PROGRAM_BYTES)
        status = elf_add_header(file, program, image);
    if (status != OK)
        return status;
    if (image->segment_count == 0)
        return elf_refuse(file, "it has no segments");
    if (image->size_bytes > file->rules->size_max)
        return elf_refuse(file, "its memory image is too large");
    image->entry = load_le64(file->bytes + 24);
    if (!elf_executable_at(image, image->entry))
        return elf_refuse(file, "its entry point is not in executable memory");
    elf_find_headers(file, image);
    return OK;
}

enum status elf_parse(const void *data, size_t size_bytes, const struct elf_rules *rules,
                      struct elf_image *image_out, const char **problem_out)
{
    struct elf_file file = { data, size_bytes, rules, NULL };
    *image_out = (struct elf_image){ 0 };
    enum status status = elf_read(&file, image_out);
    *problem_out = file.problem;
    return status;
}

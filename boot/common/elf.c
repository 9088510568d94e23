/* The kernel's ELF file (System V gABI, chapters 4 and 5): checked as a whole before a byte of it
 * is put anywhere.
 */

#include <base/bytes.h>
#include <base/checked.h>
#include <base/string.h>
#include <boot/elf.h>
#include <boot/platform.h>

enum {
    ELF_HEADER_BYTES = 64,
    ELF_PROGRAM_BYTES = 56,
    ELF_CLASS_64 = 2,
    ELF_LITTLE_ENDIAN = 1,
    ELF_VERSION = 1,
    ELF_TYPE_EXEC = 2,
    ELF_PROGRAM_MAX = 64,
    PT_LOAD = 1,
    PT_DYNAMIC = 2,
    PT_INTERP = 3,
    PF_X = 1,
    PF_W = 2,
};

struct elf_file {
    const uint8_t *bytes;
    size_t size_bytes;
    const char *problem;
};

static enum status elf_refuse(struct elf_file *file, const char *problem)
{
    file->problem = problem;
    return ERR_FORMAT;
}

static enum status elf_check_header(struct elf_file *file, uint16_t machine)
{
    const uint8_t *h = file->bytes;
    if (file->size_bytes < ELF_HEADER_BYTES || memcmp(h, "\177ELF", 4) != 0)
        return elf_refuse(file, "it is not an ELF file");
    if (h[4] != ELF_CLASS_64 || h[5] != ELF_LITTLE_ENDIAN || h[6] != ELF_VERSION)
        return elf_refuse(file, "it is not a 64-bit little-endian ELF file");
    if (load_le16(h + 18) != machine)
        return elf_refuse(file, "it is for another architecture");
    if (load_le16(h + 16) != ELF_TYPE_EXEC)
        return elf_refuse(file, "it is not an executable with a fixed address");
    if (load_le16(h + 54) != ELF_PROGRAM_BYTES || load_le16(h + 56) == 0 ||
        load_le16(h + 56) > ELF_PROGRAM_MAX)
        return elf_refuse(file, "its program headers are malformed");
    if (!checked_range_within(load_le64(h + 32), (uint64_t)load_le16(h + 56) * ELF_PROGRAM_BYTES,
                              file->size_bytes))
        return elf_refuse(file, "its program headers lie outside the file");
    return OK;
}

/* One PT_LOAD. Segments are in ascending order, so comparing with the last one finds any overlap.
 */
static enum status elf_add_segment(struct elf_file *file, const uint8_t *p, struct elf_image *image)
{
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
    if (segment.address < ELF_ADDRESS_MIN ||
        !checked_add_u64(segment.address, segment.memory_bytes, &end) ||
        !checked_align_up_u64(end, BOOT_PAGE_SIZE, &end))
        return elf_refuse(file, "a segment lies outside the kernel's half of memory");
    if (image->segment_count > 0 &&
        ALIGN_DOWN(segment.address, BOOT_PAGE_SIZE) < image->base + image->size_bytes)
        return elf_refuse(file, "segments share a page or are out of order");

    if (image->segment_count == 0)
        image->base = ALIGN_DOWN(segment.address, BOOT_PAGE_SIZE);
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

static enum status elf_read(struct elf_file *file, uint16_t machine, struct elf_image *image)
{
    enum status status = elf_check_header(file, machine);
    if (status != OK)
        return status;

    const uint8_t *program = file->bytes + load_le64(file->bytes + 32);
    unsigned count = load_le16(file->bytes + 56);
    for (unsigned i = 0; i < count && status == OK; i++, program += ELF_PROGRAM_BYTES) {
        uint32_t type = load_le32(program);
        if (type == PT_DYNAMIC || type == PT_INTERP)
            return elf_refuse(file, "it is linked dynamically");
        if (type == PT_LOAD)
            status = elf_add_segment(file, program, image);
    }
    if (status != OK)
        return status;
    if (image->segment_count == 0)
        return elf_refuse(file, "it has no segments");
    if (image->size_bytes > ELF_IMAGE_MAX)
        return elf_refuse(file, "its memory image is too large");
    image->entry = load_le64(file->bytes + 24);
    if (!elf_executable_at(image, image->entry))
        return elf_refuse(file, "its entry point is not in executable memory");
    return OK;
}

enum status elf_parse(const void *data, size_t size_bytes, uint16_t machine,
                      struct elf_image *image_out, const char **problem_out)
{
    struct elf_file file = { data, size_bytes, NULL };
    *image_out = (struct elf_image){ 0 };
    enum status status = elf_read(&file, machine, image_out);
    *problem_out = file.problem;
    return status;
}

/* Every byte of the image is written: copied, or zeroed between and behind the copies. */
void elf_load(const struct elf_image *image, const void *data, void *memory)
{
    uint8_t *to = memory;
    uint64_t done = 0;

    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segment[i];
        uint64_t offset = segment->address - image->base;
        memset(to + done, 0, offset - done);
        memcpy(to + offset, (const uint8_t *)data + segment->file_offset, segment->file_bytes);
        done = offset + segment->file_bytes;
    }
    memset(to + done, 0, image->size_bytes - done);
}

/* Program files from a fuzzer: whatever is accepted keeps the promises of elf/elf.h, and its plan
 * covers each page of each segment once, from inside the file.
 */
#include <base/checked.h>
#include <elf/elf.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { IMAGE_MAX = 1 << 20 };

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void check_piece(const struct elf_image *image, const struct elf_piece *piece,
                        size_t file_bytes, uint64_t whole_bytes)
{
    check((piece->address | piece->size_bytes) % ELF_PAGE == 0 && piece->size_bytes != 0);
    check(piece->address >= image->base &&
          checked_range_within(piece->address - image->base, piece->size_bytes, image->size_bytes));
    check(!piece->write || !piece->exec);
    if (piece->shared) {
        check(!piece->write && piece->file_offset % ELF_PAGE == 0);
        check(checked_range_within(piece->file_offset, piece->size_bytes, whole_bytes));
    } else {
        check(checked_range_within(piece->copy_at, piece->copy_bytes, piece->size_bytes));
        check(piece->copy_bytes == 0 ||
              checked_range_within(piece->file_offset, piece->copy_bytes, file_bytes));
    }
}

static void check_plan(const struct elf_image *image, size_t file_bytes, uint64_t whole_bytes)
{
    struct elf_piece piece[ELF_PIECE_MAX];
    size_t count = elf_plan(image, whole_bytes, piece);
    uint64_t pages = 0;
    uint64_t wanted = 0;
    check(count <= ELF_PIECE_MAX);
    for (size_t i = 0; i < count; i++) {
        check_piece(image, &piece[i], file_bytes, whole_bytes);
        check(i == 0 || piece[i].address >= piece[i - 1].address + piece[i - 1].size_bytes);
        pages += piece[i].size_bytes;
    }
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segment[i];
        wanted += ALIGN_UP(segment->address + segment->memory_bytes, ELF_PAGE) -
                  ALIGN_DOWN(segment->address, ELF_PAGE);
    }
    check(pages == wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const struct elf_rules rules = {
        .machine = ELF_MACHINE_X86_64,
        .position_independent = true,
        .mappable = true,
        .address_max = IMAGE_MAX - 1,
        .size_max = IMAGE_MAX,
        .outside = "a segment lies outside",
    };
    struct elf_image image;
    const char *problem = NULL;
    if (elf_parse(data, size_bytes, &rules, &image, &problem) != OK) {
        check(problem != NULL);
        return 0;
    }
    check(elf_executable_at(&image, image.entry) && image.size_bytes <= IMAGE_MAX);
    for (uint64_t whole = 0; whole <= size_bytes; whole += ELF_PAGE)
        check_plan(&image, size_bytes, whole);
    check_plan(&image, size_bytes, size_bytes);
    return 0;
}

/* From segments to pages: what can be the file's own pages, and what must be a private copy. */
#include <base/compiler.h>
#include <elf/elf.h>

/* How many bytes of a read-only segment, from the start of its first page, the file can lend: whole
 * pages, all of them in its mappable part. The last page may show what follows in the file, but not
 * where zeroes belong.
 */
static uint64_t lent_bytes(const struct elf_segment *segment, uint64_t whole_bytes)
{
    uint64_t from = ALIGN_DOWN(segment->file_offset, ELF_PAGE);
    uint64_t end = segment->file_offset + segment->file_bytes;
    if (segment->memory_bytes > segment->file_bytes)
        end = ALIGN_DOWN(end, ELF_PAGE);
    end = MIN(ALIGN_UP(end, ELF_PAGE), ALIGN_DOWN(whole_bytes, ELF_PAGE));
    return !segment->write && end > from ? end - from : 0;
}

static size_t plan_segment(const struct elf_segment *segment, uint64_t whole_bytes,
                           struct elf_piece *piece)
{
    struct elf_piece *first = piece;
    uint64_t address = ALIGN_DOWN(segment->address, ELF_PAGE);
    uint64_t end = ALIGN_UP(segment->address + segment->memory_bytes, ELF_PAGE);
    uint64_t lent = MIN(lent_bytes(segment, whole_bytes), end - address);
    if (lent != 0)
        *piece++ = (struct elf_piece){
            .address = address,
            .size_bytes = lent,
            .file_offset = ALIGN_DOWN(segment->file_offset, ELF_PAGE),
            .shared = true,
            .exec = segment->exec,
        };
    if (address + lent < end) {
        uint64_t from = MAX(address + lent, segment->address);
        uint64_t done = from - segment->address;
        *piece++ = (struct elf_piece){
            .address = address + lent,
            .size_bytes = end - address - lent,
            .file_offset = segment->file_offset + done,
            .copy_at = from - (address + lent),
            .copy_bytes = segment->file_bytes > done ? segment->file_bytes - done : 0,
            .write = segment->write,
            .exec = segment->exec,
        };
    }
    return (size_t)(piece - first);
}

size_t elf_plan(const struct elf_image *image, uint64_t whole_bytes,
                struct elf_piece piece_out[ELF_PIECE_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < image->segment_count; i++)
        count += plan_segment(&image->segment[i], whole_bytes, &piece_out[count]);
    return count;
}

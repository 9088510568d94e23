#include <base/compiler.h>
#include <guest.h>
#include <program/program.h>

const struct program_regions program_regions = {
    .at = 0x550000000000,
    .startup_at = 0x7c0000000000,
    .stack_at = 0x7e0000000000,
    .span = (uint64_t)1 << 40,
};

const struct program_regions program_sandbox_regions = {
    .at = GUEST_END,
    .startup_at = GUEST_END + ((uint64_t)32 << 30),
    .stack_at = GUEST_END + ((uint64_t)64 << 30),
    .span = (uint64_t)32 << 30,
};

enum status program_find(const struct erofs *fs, const char *path, uint16_t machine,
                         struct program_file *file_out, const char **problem_out)
{
    const struct elf_rules rules = {
        .machine = machine,
        .position_independent = true,
        .mappable = true,
        .address_max = PROGRAM_SIZE_MAX - 1,
        .size_max = PROGRAM_SIZE_MAX,
        .outside = "it is too large",
    };
    struct erofs_inode inode;
    *problem_out = "it is not in the system image";
    enum status status = erofs_find(fs, path, &inode);
    if (status == OK && inode.kind != EROFS_FILE)
        status = ERR_NOT_FOUND;
    if (status != OK)
        return status;
    *problem_out = "it does not lie in whole pages of the image, in order";
    status = erofs_extent(fs, &inode, PROGRAM_PAGE, &file_out->image_offset);
    if (status != OK)
        return status;
    file_out->bytes = fs->image + file_out->image_offset;
    file_out->size_bytes = inode.size_bytes;
    return elf_parse(file_out->bytes, inode.size_bytes, &rules, &file_out->elf, problem_out);
}

/* A page aligned place in a region, so that `size_bytes` fit behind it. */
static uint64_t place(uint64_t region, uint64_t span, uint64_t random, uint64_t size_bytes,
                      uint64_t align)
{
    uint64_t steps = (span - size_bytes) / align;
    return region + random % steps * align;
}

static void lay_out_pieces(const struct program_file *file, struct program_layout *layout)
{
    struct elf_piece piece[ELF_PIECE_MAX];
    layout->piece_count = (unsigned)elf_plan(&file->elf, file->size_bytes, piece);
    for (unsigned i = 0; i < layout->piece_count; i++) {
        layout->piece[i] = (struct program_piece){
            .at = layout->base + piece[i].address,
            .size_bytes = piece[i].size_bytes,
            .offset =
                piece[i].shared ? file->image_offset + piece[i].file_offset : layout->private_bytes,
            .file_offset = piece[i].file_offset,
            .copy_at = piece[i].copy_at,
            .copy_bytes = piece[i].copy_bytes,
            .shared = piece[i].shared,
            .write = piece[i].write,
            .exec = piece[i].exec,
        };
        if (!piece[i].shared)
            layout->private_bytes += piece[i].size_bytes;
    }
}

/* A page stays free below every part, and the stack's guard is one of them. */
void program_lay_out(const struct program_file *file, const struct program_regions *regions,
                     const uint64_t random[PROGRAM_RANDOM_WORDS], struct program_layout *layout_out)
{
    uint64_t align = file->elf.align_bytes;
    uint64_t span = regions->span;
    *layout_out = (struct program_layout){
        .base = place(regions->at, span, random[0], ALIGN_UP(file->elf.size_bytes, align), align),
        .stack_at = PROGRAM_PAGE + place(regions->stack_at, span, random[1],
                                         PROGRAM_STACK_BYTES + 2 * PROGRAM_PAGE, PROGRAM_PAGE),
        .startup_at = PROGRAM_PAGE +
                      place(regions->startup_at, span, random[2], 4 * PROGRAM_PAGE, PROGRAM_PAGE),
    };
    layout_out->base -= file->elf.base;
    layout_out->clock_at = layout_out->startup_at + 2 * PROGRAM_PAGE;
    layout_out->entry = layout_out->base + file->elf.entry;
    lay_out_pieces(file, layout_out);
    layout_out->stack_offset = layout_out->private_bytes;
    layout_out->startup_offset = layout_out->stack_offset + PROGRAM_STACK_BYTES;
    layout_out->private_bytes = layout_out->startup_offset + PROGRAM_PAGE;
}

void program_describe(const struct program_file *file, const struct program_layout *layout,
                      struct startup *startup)
{
    startup->magic = STARTUP_MAGIC;
    startup->version = STARTUP_VERSION;
    startup->size_bytes =
        (uint32_t)(sizeof(*startup) + startup->capability_count * sizeof(startup->capability[0]));
    startup->program_base = layout->base;
    startup->program_headers_at =
        file->elf.program_headers_at == 0 ? 0 : layout->base + file->elf.program_headers_at;
    startup->program_header_count = file->elf.program_header_count;
    startup->stack_at = layout->stack_at;
    startup->stack_bytes = PROGRAM_STACK_BYTES;
    startup->entry = layout->entry;
}

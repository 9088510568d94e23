#include <base/string.h>
#include <boot/elf.h>

enum status kernel_parse(const void *data, size_t size_bytes, uint16_t machine,
                         struct elf_image *image_out, const char **problem_out)
{
    const struct elf_rules rules = {
        .machine = machine,
        .address_min = ELF_ADDRESS_MIN,
        .address_max = UINT64_MAX,
        .size_max = ELF_IMAGE_MAX,
        .outside = "a segment lies outside the kernel's half of memory",
    };
    return elf_parse(data, size_bytes, &rules, image_out, problem_out);
}

/* Every byte of the image is written: copied, or zeroed between and behind the copies. */
void kernel_load(const struct elf_image *image, const void *data, void *memory)
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

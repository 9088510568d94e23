/* Kernel files from a fuzzer: whatever is accepted can be loaded and searched for requests. */
#include <boot/elf.h>
#include <boot/request.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct elf_image image;
    struct request_set set;
    const char *problem = NULL;

    if (kernel_parse(data, size_bytes, ELF_MACHINE_X86_64, &image, &problem) != OK) {
        if (problem == NULL)
            abort();
        return 0;
    }
    if (image.size_bytes > 1 << 22)
        return 0; /* accepted, but slow to fill */
    void *memory = aligned_alloc(4096, image.size_bytes);
    if (memory == NULL)
        abort();
    kernel_load(&image, data, memory);
    (void)request_scan(memory, image.file_backed_bytes, &set, &problem);
    free(memory);
    return 0;
}

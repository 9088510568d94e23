/* Multiboot2 information from a fuzzer. */
#include "multiboot2_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct multiboot2_info info;
    static struct boot_map_scratch scratch;

    if (multiboot2_parse(data, size_bytes, &info) == OK)
        (void)boot_map_finish(&info.map, &scratch);
    return 0;
}

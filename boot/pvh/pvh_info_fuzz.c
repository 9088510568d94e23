/* PVH start info from a fuzzer: the input is physical memory at 0x6000, the start info first. */
#include "pvh_info.h"

#include <string.h>

enum { MEMORY_BASE = 0x6000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

struct input {
    const uint8_t *data;
    size_t size_bytes;
};

static const void *view(void *context, uint64_t physical, uint64_t size_bytes)
{
    const struct input *input = context;
    if (physical < MEMORY_BASE || physical - MEMORY_BASE > input->size_bytes ||
        size_bytes > input->size_bytes - (physical - MEMORY_BASE))
        return NULL;
    return input->data + (physical - MEMORY_BASE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct pvh_info info;
    static struct boot_map_scratch scratch;
    struct input input = { data, size_bytes };

    if (pvh_parse(view, &input, MEMORY_BASE, &info) == OK)
        (void)boot_map_finish(&info.map, &scratch);
    return 0;
}

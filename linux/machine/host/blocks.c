#include <linux/blocks.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

void *block_alloc(size_t size_bytes)
{
    return calloc(1, size_bytes == 0 ? 1 : size_bytes);
}

void block_free(void *block)
{
    free(block);
}

size_t block_size(const void *block)
{
    return malloc_usable_size((void *)(uintptr_t)block);
}

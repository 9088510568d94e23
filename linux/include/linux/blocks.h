/* Below the heap: blocks of memory, zeroed. On the development machine the C library's, so that the
 * sanitizers see each of them. Any thread.
 */
#pragma once

#include <stddef.h>

void *block_alloc(size_t size_bytes); /* NULL: no more */
void block_free(void *block);
/* At least what was asked for; behind it nothing is the block's. */
size_t block_size(const void *block);

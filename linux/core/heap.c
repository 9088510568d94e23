/* Accounts, and failures on demand; the blocks come from below (blocks.h). */
#include <base/checked.h>
#include <base/string.h>
#include <linux/blocks.h>
#include <linux/heap.h>

static struct heap_counts counts; /* atomic */
static uint64_t fails_after;      /* atomic; tests */

/* Does this one fail because a test wants it to? */
static bool fails_now(void)
{
    uint64_t left = __atomic_load_n(&fails_after, __ATOMIC_RELAXED);
    if (LIKELY(left == 0))
        return false;
    return __atomic_fetch_sub(&fails_after, 1, __ATOMIC_RELAXED) == 1;
}

static void count(uint64_t blocks, uint64_t bytes)
{
    (void)__atomic_fetch_add(&counts.blocks, blocks, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&counts.bytes, bytes, __ATOMIC_RELAXED);
}

void *heap_alloc(size_t size_bytes)
{
    if (fails_now())
        return NULL;
    void *block = block_alloc(size_bytes);
    if (block != NULL)
        count(1, block_size(block));
    return block;
}

void *heap_alloc_array(size_t item_count, size_t size_bytes)
{
    size_t total;
    return checked_mul_size(item_count, size_bytes, &total) ? heap_alloc(total) : NULL;
}

void *heap_resize(void *memory, size_t size_bytes)
{
    if (memory == NULL)
        return heap_alloc(size_bytes);
    size_t old = block_size(memory);
    void *block = heap_alloc(size_bytes);
    if (block == NULL)
        return NULL;
    memcpy(block, memory, MIN(old, size_bytes));
    heap_free(memory);
    return block;
}

char *heap_copy_text(const char *text)
{
    size_t size_bytes = strlen(text) + 1;
    char *copy = heap_alloc(size_bytes);
    if (copy != NULL)
        memcpy(copy, text, size_bytes);
    return copy;
}

void heap_free(void *memory)
{
    if (memory == NULL)
        return;
    count(UINT64_MAX, -(uint64_t)block_size(memory));
    block_free(memory);
}

struct heap_counts heap_counts(void)
{
    return (struct heap_counts){
        .blocks = __atomic_load_n(&counts.blocks, __ATOMIC_RELAXED),
        .bytes = __atomic_load_n(&counts.bytes, __ATOMIC_RELAXED),
    };
}

void heap_fail_after(uint64_t n)
{
    __atomic_store_n(&fails_after, n, __ATOMIC_RELAXED);
}

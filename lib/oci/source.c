#include <base/checked.h>
#include <oci/source.h>
#include <stdlib.h>
#include <string.h>

uint64_t oci_alloc_fail_after;
uint64_t oci_alloc_count;

static enum status memory_read(void *context, void *to, size_t room, size_t *got_out)
{
    struct oci_memory *memory = context;
    size_t part = memory->left < room ? (size_t)memory->left : room;
    if (part != 0)
        memcpy(to, memory->at, part);
    memory->at += part;
    memory->left -= part;
    *got_out = part;
    return OK;
}

static bool memory_skip(void *context, uint64_t size_bytes)
{
    struct oci_memory *memory = context;
    if (size_bytes > memory->left)
        return false;
    memory->at += size_bytes;
    memory->left -= size_bytes;
    return true;
}

struct oci_source oci_memory_source(struct oci_memory *memory)
{
    return (struct oci_source){ .context = memory, .read = memory_read, .skip = memory_skip };
}

static bool alloc_fails(void)
{
    return oci_alloc_fail_after != 0 && --oci_alloc_fail_after == 0;
}

void *oci_realloc(void *old, size_t size_bytes)
{
    if (alloc_fails())
        return NULL;
    void *memory = realloc(old, size_bytes != 0 ? size_bytes : 1);
    if (memory != NULL && old == NULL)
        oci_alloc_count++;
    return memory;
}

void *oci_alloc(size_t size_bytes)
{
    return oci_realloc(NULL, size_bytes);
}

void *oci_alloc_zeroed(size_t count, size_t size_bytes)
{
    size_t bytes;
    if (!checked_mul_size(count, size_bytes, &bytes))
        return NULL;
    void *memory = oci_alloc(bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

char *oci_copy_text(const char *text, size_t length)
{
    size_t bytes;
    char *copy = checked_add_size(length, 1, &bytes) ? oci_alloc(bytes) : NULL;
    if (copy == NULL)
        return NULL;
    if (length != 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void oci_free(void *memory)
{
    if (memory == NULL)
        return;
    oci_alloc_count--;
    free(memory);
}

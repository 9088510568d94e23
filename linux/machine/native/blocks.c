/* The heap's region: one Memory, mapped whole, whose pages are made as they are needed. */
#include <linux/blocks.h>
#include <linux/slabs.h>
#include <rt/startup.h>
#include <rt/syscall.h>

#include "native_impl.h"

enum { HEAP_PAGES = HEAP_BYTES / MACHINE_PAGE };

static uint64_t memory;
static uint64_t bits[HEAP_PAGES / 64];
static struct slabs slabs;

static uint64_t offset_of(const void *at)
{
    return (uint64_t)(uintptr_t)at - HEAP_AT;
}

static bool make(void *at, size_t size_bytes)
{
    return native_commit(memory, offset_of(at), at, size_bytes);
}

static void take_back(void *at, size_t size_bytes)
{
    if (memory_range(memory, MEMORY_OP_DECOMMIT, offset_of(at), size_bytes) != OK)
        machine_panic("the heap cannot give pages back");
}

void native_heap_init(void)
{
    enum status status = memory_create(rt_budget(), HEAP_BYTES, 0, 0, 0, &memory);
    if (status == OK)
        status = map(rt_process(), memory, HEAP_AT, 0, HEAP_BYTES, ACCESS_READ | ACCESS_WRITE);
    if (status != OK)
        machine_panic("no memory for the heap");
    slabs_init(&slabs, (void *)(uintptr_t)HEAP_AT, HEAP_PAGES, bits, make, take_back);
}

void *block_alloc(size_t size_bytes)
{
    return slabs_alloc(&slabs, size_bytes);
}

void block_free(void *block)
{
    slabs_free(&slabs, block);
}

size_t block_size(const void *block)
{
    return slabs_size(&slabs, block);
}

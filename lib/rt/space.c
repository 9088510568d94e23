/* Two bits a page: has an owner, is mapped. One Memory holds all private pages, each at the offset
 * that it has in the region, so nothing else need be remembered.
 */
#include <base/checked.h>
#include <rt/lock.h>
#include <rt/pages.h>
#include <rt/random.h>
#include <rt/space.h>
#include <rt/startup.h>
#include <rt/syscall.h>

enum {
    PAGE_COUNT = SPACE_BYTES / SPACE_PAGE,
    TRIES_MAX = 16, /* places where something is mapped already */
};
/* Where the region may begin: 25 random bits. */
#define BASE_LOWEST ((uint64_t)0x100000000000)
#define BASE_COUNT  ((uint64_t)1 << 25)
#define BASE_STEP   ((uint64_t)2 << 20)

static uint64_t used_word[PAGE_COUNT / 64];
static uint64_t mapped_word[PAGE_COUNT / 64];

static struct rt_lock lock;
/* All under lock. */
static struct pages used = { .word = used_word, .count = PAGE_COUNT };
static struct pages mapped = { .word = mapped_word, .count = PAGE_COUNT };
static uint64_t base;
static uint64_t heap; /* the Memory of private pages */

/* Nothing may lie in the region: that is what mapping all of it for a moment shows. */
static enum status place(void)
{
    uint64_t random;
    rt_random_bytes(&random, sizeof(random));
    base = BASE_LOWEST + random % BASE_COUNT * BASE_STEP;
    enum status status = map(rt_process(), heap, base, 0, SPACE_BYTES, ACCESS_READ);
    return status == OK ? unmap(rt_process(), base, SPACE_BYTES) : status;
}

static enum status begin(void)
{
    if (base != 0)
        return OK;
    enum status status = OK;
    if (heap == 0)
        status = memory_create(rt_budget(), SPACE_BYTES, 0, 0, 0, &heap);
    if (status == OK)
        status = place();
    for (unsigned i = 0; i < TRIES_MAX && status == ERR_EXISTS; i++)
        status = place();
    if (status != OK)
        base = 0;
    return status;
}

static size_t page_of(const void *at)
{
    return (size_t)(((uint64_t)(uintptr_t)at - base) / SPACE_PAGE);
}

static uint64_t address_of(size_t page)
{
    return base + (uint64_t)page * SPACE_PAGE;
}

static bool range_valid(const void *at, uint64_t size_bytes)
{
    uint64_t offset = (uint64_t)(uintptr_t)at - base;
    return base != 0 && size_bytes != 0 && (offset | size_bytes) % SPACE_PAGE == 0 &&
           checked_range_within(offset, size_bytes, SPACE_BYTES);
}

static enum status take(uint64_t size_bytes, size_t *first_out)
{
    enum status status = begin();
    if (status != OK)
        return status;
    if (size_bytes == 0 || size_bytes % SPACE_PAGE != 0)
        return ERR_RANGE;
    return pages_take(&used, size_bytes / SPACE_PAGE, first_out) ? OK : ERR_NO_MEMORY;
}

enum status space_map(uint64_t memory, uint64_t offset, uint64_t size_bytes, uint32_t access,
                      void **at_out)
{
    size_t first;
    rt_lock(&lock);
    enum status status = take(size_bytes, &first);
    if (status == OK) {
        status = map(rt_process(), memory, address_of(first), offset, size_bytes, access);
        if (status != OK)
            pages_set(&used, first, size_bytes / SPACE_PAGE, false);
    }
    if (status == OK) {
        pages_set(&mapped, first, size_bytes / SPACE_PAGE, true);
        *at_out = (void *)(uintptr_t)address_of(first);
    }
    rt_unlock(&lock);
    return status;
}

enum status space_unmap(void *at, uint64_t size_bytes)
{
    rt_lock(&lock);
    enum status status = range_valid(at, size_bytes)
                             ? unmap(rt_process(), (uint64_t)(uintptr_t)at, size_bytes)
                             : ERR_RANGE;
    if (status == OK) {
        pages_set(&mapped, page_of(at), size_bytes / SPACE_PAGE, false);
        pages_set(&used, page_of(at), size_bytes / SPACE_PAGE, false);
    }
    rt_unlock(&lock);
    return status;
}

enum status space_reserve(uint64_t size_bytes, void **at_out)
{
    size_t first;
    rt_lock(&lock);
    enum status status = take(size_bytes, &first);
    if (status == OK)
        *at_out = (void *)(uintptr_t)address_of(first);
    rt_unlock(&lock);
    return status;
}

/* The mapped parts change, the others come. */
static enum status allow(size_t first, size_t end, uint32_t access)
{
    enum status status = OK;
    while (first < end && status == OK) {
        size_t count = pages_run(&mapped, first, end);
        uint64_t at = address_of(first);
        uint64_t size_bytes = (uint64_t)count * SPACE_PAGE;
        if (pages_get(&mapped, first))
            status = protect(rt_process(), at, size_bytes, access);
        else
            status = map(rt_process(), heap, at, at - base, size_bytes, access);
        if (status == OK)
            pages_set(&mapped, first, count, true);
        first += count;
    }
    return status;
}

static enum status forbid(size_t first, size_t end)
{
    size_t count = end - first;
    enum status status = OK;
    if (pages_get(&mapped, first) || pages_run(&mapped, first, end) != count)
        status = unmap(rt_process(), address_of(first), (uint64_t)count * SPACE_PAGE);
    if (status == OK)
        pages_set(&mapped, first, count, false);
    return status;
}

static enum status allow_range(const void *at, uint64_t size_bytes, uint32_t access)
{
    if (!range_valid(at, size_bytes))
        return ERR_RANGE;
    size_t first = page_of(at);
    size_t end = first + size_bytes / SPACE_PAGE;
    return access == 0 ? forbid(first, end) : allow(first, end, access);
}

enum status space_allow(void *at, uint64_t size_bytes, uint32_t access)
{
    rt_lock(&lock);
    enum status status = allow_range(at, size_bytes, access);
    rt_unlock(&lock);
    return status;
}

static enum status give_back(const void *at, uint64_t size_bytes)
{
    return memory_range(heap, MEMORY_OP_DECOMMIT, (uint64_t)(uintptr_t)at - base, size_bytes);
}

enum status space_clear(void *at, uint64_t size_bytes)
{
    rt_lock(&lock);
    enum status status = range_valid(at, size_bytes) ? give_back(at, size_bytes) : ERR_RANGE;
    rt_unlock(&lock);
    return status;
}

enum status space_release(void *at, uint64_t size_bytes)
{
    rt_lock(&lock);
    enum status status = allow_range(at, size_bytes, 0);
    if (status == OK)
        status = give_back(at, size_bytes);
    if (status == OK)
        pages_set(&used, page_of(at), size_bytes / SPACE_PAGE, false);
    rt_unlock(&lock);
    return status;
}

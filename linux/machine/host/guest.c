/* Guests' address spaces: lists of mappings, and accesses that look there. */
#define _GNU_SOURCE
#include <base/compiler.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host_impl.h"

void machine_set_fused(bool fused)
{
    (void)fused;
}

int guest_space_create(struct guest_space **space_out)
{
    struct guest_space *space = heap_alloc(sizeof(*space));
    if (space == NULL)
        return -ENOMEM;
    pthread_mutex_init(&space->lock, NULL);
    list_init(&space->mappings);
    host_count(&host_now.spaces, 1);
    *space_out = space;
    return 0;
}

static void mapping_free(struct mapping *mapping)
{
    list_remove(&mapping->link);
    memory_put(mapping->memory);
    heap_free(mapping);
    host_count(&host_now.mappings, -1);
}

void guest_space_destroy(struct guest_space *space)
{
    while (!list_empty(&space->mappings))
        mapping_free(CONTAINER_OF(space->mappings.next, struct mapping, link));
    pthread_mutex_destroy(&space->lock);
    host_count(&host_now.spaces, -1);
    heap_free(space);
}

/* Not in a list yet. The memory's reference is the caller's to count. */
static struct mapping *mapping_create(const struct mapping *like)
{
    struct mapping *mapping = heap_alloc(sizeof(*mapping));
    if (mapping == NULL)
        return NULL;
    *mapping = *like;
    list_init(&mapping->link);
    host_count(&host_now.mappings, 1);
    return mapping;
}

/* No mapping reaches across `at` afterwards. */
static int split(struct guest_space *space, uint64_t at)
{
    LIST_FOR_EACH(link, &space->mappings)
    {
        struct mapping *mapping = CONTAINER_OF(link, struct mapping, link);
        if (at <= mapping->at || at >= mapping->at + mapping->size_bytes)
            continue;
        uint64_t first = at - mapping->at;
        struct mapping rest = *mapping;
        rest.at = at;
        rest.size_bytes -= first;
        rest.offset += first;
        struct mapping *second = mapping_create(&rest);
        if (second == NULL)
            return -ENOMEM;
        (void)memory_get(rest.memory);
        list_insert_after(&mapping->link, &second->link);
        mapping->size_bytes = first;
        return 0;
    }
    return 0;
}

static int split_both(struct guest_space *space, uint64_t at, uint64_t size_bytes)
{
    if (at % MACHINE_PAGE != 0 || size_bytes % MACHINE_PAGE != 0 || size_bytes == 0 ||
        at >= GUEST_END || size_bytes > GUEST_END - at)
        machine_panic("a range that no guest can have: %llx + %llx", (unsigned long long)at,
                      (unsigned long long)size_bytes);
    int error = split(space, at);
    return error != 0 ? error : split(space, at + size_bytes);
}

static bool within(const struct mapping *mapping, uint64_t at, uint64_t size_bytes)
{
    return mapping->at >= at && mapping->at + mapping->size_bytes <= at + size_bytes;
}

static void remove_within(struct guest_space *space, uint64_t at, uint64_t size_bytes)
{
    LIST_FOR_EACH_SAFE(link, &space->mappings)
    {
        struct mapping *mapping = CONTAINER_OF(link, struct mapping, link);
        if (within(mapping, at, size_bytes))
            mapping_free(mapping);
    }
}

static int map_locked(struct guest_space *space, const struct mapping *wanted)
{
    int error = split_both(space, wanted->at, wanted->size_bytes);
    if (error != 0)
        return error;
    struct mapping *mapping = mapping_create(wanted);
    if (mapping == NULL)
        return -ENOMEM;
    (void)memory_get(mapping->memory);
    remove_within(space, wanted->at, wanted->size_bytes);
    struct list *before = &space->mappings;
    LIST_FOR_EACH(link, &space->mappings)
    {
        if (CONTAINER_OF(link, struct mapping, link)->at < wanted->at)
            before = link;
    }
    list_insert_after(before, &mapping->link);
    return 0;
}

int guest_space_map(struct guest_space *space, uint64_t at, struct memory *memory, uint64_t offset,
                    uint64_t size_bytes, uint32_t access)
{
    if (offset > memory->size_bytes || size_bytes > memory->size_bytes - offset ||
        offset % MACHINE_PAGE != 0)
        machine_panic("a mapping beyond its Memory");
    const struct mapping wanted = {
        .at = at,
        .size_bytes = size_bytes,
        .memory = memory,
        .offset = offset,
        .access = access,
    };
    pthread_mutex_lock(&space->lock);
    int error = map_locked(space, &wanted);
    pthread_mutex_unlock(&space->lock);
    return error;
}

int guest_space_unmap(struct guest_space *space, uint64_t at, uint64_t size_bytes)
{
    pthread_mutex_lock(&space->lock);
    int error = split_both(space, at, size_bytes);
    if (error == 0)
        remove_within(space, at, size_bytes);
    pthread_mutex_unlock(&space->lock);
    return error;
}

int guest_space_protect(struct guest_space *space, uint64_t at, uint64_t size_bytes,
                        uint32_t access)
{
    pthread_mutex_lock(&space->lock);
    int error = split_both(space, at, size_bytes);
    LIST_FOR_EACH(link, &space->mappings)
    {
        struct mapping *mapping = CONTAINER_OF(link, struct mapping, link);
        if (error == 0 && within(mapping, at, size_bytes))
            mapping->access = access | (mapping->access & MACHINE_SHARED);
    }
    pthread_mutex_unlock(&space->lock);
    return error;
}

/* One mapping of the source, in the copy: the same Memory, or a snapshot of the part. */
static int fork_mapping(struct guest_space *copy, const struct mapping *source)
{
    struct mapping wanted = *source;
    if ((source->access & MACHINE_SHARED) != 0) {
        (void)memory_get(wanted.memory);
    } else {
        int error =
            memory_snapshot(source->memory, source->offset, source->size_bytes, &wanted.memory);
        if (error != 0)
            return error;
        wanted.offset = 0;
    }
    struct mapping *mapping = mapping_create(&wanted);
    if (mapping == NULL) {
        memory_put(wanted.memory);
        return -ENOMEM;
    }
    list_push_back(&copy->mappings, &mapping->link);
    return 0;
}

int guest_space_fork_into(struct guest_space *source, struct guest_space *copy)
{
    int error = 0;
    pthread_mutex_lock(&source->lock);
    LIST_FOR_EACH(link, &source->mappings)
    {
        if (error == 0)
            error = fork_mapping(copy, CONTAINER_OF(link, struct mapping, link));
    }
    pthread_mutex_unlock(&source->lock);
    return error;
}

/* The mapping at an address with a right, and how far it reaches; NULL: a fault. */
static struct mapping *mapping_at(struct guest_space *space, uint64_t at, uint32_t access)
{
    LIST_FOR_EACH(link, &space->mappings)
    {
        struct mapping *mapping = CONTAINER_OF(link, struct mapping, link);
        if (at >= mapping->at && at - mapping->at < mapping->size_bytes)
            return (mapping->access & access) == access ? mapping : NULL;
    }
    return NULL;
}

/* Bytes of the piece at `at` that were moved; 0: a fault. */
static size_t move_piece(struct guest_space *space, uint64_t at, void *memory, size_t size_bytes,
                         bool write)
{
    struct mapping *mapping = mapping_at(space, at, write ? MACHINE_WRITE : MACHINE_READ);
    if (mapping == NULL)
        return 0;
    uint64_t in_mapping = at - mapping->at;
    size_t part = (size_t)MIN((uint64_t)size_bytes, mapping->size_bytes - in_mapping);
    off_t offset = (off_t)(mapping->offset + in_mapping);
    int file = memory_file(mapping->memory);
    ssize_t moved = write ? pwrite(file, memory, part, offset) : pread(file, memory, part, offset);
    if (moved <= 0)
        machine_panic("a Memory cannot be accessed");
    return (size_t)moved;
}

static size_t move(struct guest_space *space, uint64_t at, void *memory, size_t size_bytes,
                   bool write)
{
    size_t done = 0;
    if (space == NULL || at >= GUEST_END || size_bytes > GUEST_END - at)
        return size_bytes;
    pthread_mutex_lock(&space->lock);
    while (done < size_bytes) {
        size_t part = move_piece(space, at + done, (char *)memory + done, size_bytes - done, write);
        if (part == 0)
            break;
        done += part;
    }
    pthread_mutex_unlock(&space->lock);
    return size_bytes - done;
}

size_t host_guest_read(struct guest_space *space, void *to, uint64_t from, size_t size_bytes)
{
    return move(space, from, to, size_bytes, false);
}

size_t host_guest_write(struct guest_space *space, uint64_t to, const void *from, size_t size_bytes)
{
    return move(space, to, (void *)(uintptr_t)from, size_bytes, true);
}

bool host_guest_executable(struct guest_space *space, uint64_t at)
{
    pthread_mutex_lock(&space->lock);
    bool executable = mapping_at(space, at, MACHINE_EXECUTE) != NULL;
    pthread_mutex_unlock(&space->lock);
    return executable;
}

size_t guest_copy_in(void *to, uint64_t from, size_t size_bytes)
{
    return host_guest_read(host_space_self(), to, from, size_bytes);
}

size_t guest_copy_out(uint64_t to, const void *from, size_t size_bytes)
{
    return host_guest_write(host_space_self(), to, from, size_bytes);
}

/* A word of the guest's as memory of ours, for as long as an atomic access takes. */
static uint32_t *word_map(struct guest_space *space, uint64_t at, uint32_t access, void **page_out)
{
    struct mapping *mapping = NULL;
    if (space != NULL && at < GUEST_END && at % 4 == 0)
        mapping = mapping_at(space, at, access);
    if (mapping == NULL)
        return NULL;
    uint64_t offset = mapping->offset + (at - mapping->at);
    void *page = mmap(NULL, MACHINE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                      memory_file(mapping->memory), (off_t)ALIGN_DOWN(offset, MACHINE_PAGE));
    if (page == MAP_FAILED)
        machine_panic("a word cannot be mapped");
    *page_out = page;
    return (uint32_t *)((char *)page + offset % MACHINE_PAGE);
}

int guest_load_32(uint64_t at, uint32_t *value_out)
{
    struct guest_space *space = host_space_self();
    void *page;
    if (space == NULL)
        return -EFAULT;
    pthread_mutex_lock(&space->lock);
    const uint32_t *word = word_map(space, at, MACHINE_READ, &page);
    if (word != NULL) {
        *value_out = __atomic_load_n(word, __ATOMIC_SEQ_CST);
        (void)munmap(page, MACHINE_PAGE);
    }
    pthread_mutex_unlock(&space->lock);
    return word != NULL ? 0 : -EFAULT;
}

int guest_compare_exchange_32(uint64_t at, uint32_t expected, uint32_t desired, uint32_t *old_out)
{
    struct guest_space *space = host_space_self();
    void *page;
    if (space == NULL)
        return -EFAULT;
    pthread_mutex_lock(&space->lock);
    uint32_t *word = word_map(space, at, MACHINE_READ | MACHINE_WRITE, &page);
    if (word != NULL) {
        (void)__atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST);
        *old_out = expected;
        (void)munmap(page, MACHINE_PAGE);
    }
    pthread_mutex_unlock(&space->lock);
    return word != NULL ? 0 : -EFAULT;
}

#define _GNU_SOURCE
#include <base/compiler.h>
#include <fcntl.h>
#include <linux/abi/errno.h>
#include <linux/heap.h>
#include <linux/machine.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_impl.h"

struct host_counts host_now;
static uint64_t fails_after; /* atomic */

struct host_counts host_counts(void)
{
    return (struct host_counts){
        .memories = __atomic_load_n(&host_now.memories, __ATOMIC_RELAXED),
        .spaces = __atomic_load_n(&host_now.spaces, __ATOMIC_RELAXED),
        .mappings = __atomic_load_n(&host_now.mappings, __ATOMIC_RELAXED),
        .vcpus = __atomic_load_n(&host_now.vcpus, __ATOMIC_RELAXED),
    };
}

void host_memory_fail_after(uint64_t n)
{
    __atomic_store_n(&fails_after, n, __ATOMIC_RELAXED);
}

bool host_memory_fails(void)
{
    if (__atomic_load_n(&fails_after, __ATOMIC_RELAXED) == 0)
        return false;
    return __atomic_fetch_sub(&fails_after, 1, __ATOMIC_RELAXED) == 1;
}

/* Every Memory is a descriptor. */
static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int memory_allocate(uint64_t size_bytes, struct memory **memory_out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, allow_many_files);
    if (size_bytes == 0 || size_bytes % MACHINE_PAGE != 0)
        return -EINVAL;
    struct memory *memory = host_memory_fails() ? NULL : heap_alloc(sizeof(*memory));
    if (memory == NULL)
        return -ENOMEM;
    int file = memfd_create("memory", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, (off_t)size_bytes) != 0)
        machine_panic("no file for a Memory");
    *memory = (struct memory){ .handle = (uint64_t)file, .size_bytes = size_bytes };
    memory->references = 1;
    host_count(&host_now.memories, 1);
    *memory_out = memory;
    return 0;
}

int memory_adopt(uint64_t handle, uint64_t size_bytes, struct memory **memory_out)
{
    struct memory *memory = heap_alloc(sizeof(*memory));
    if (memory == NULL)
        return -ENOMEM;
    *memory = (struct memory){ .handle = handle, .size_bytes = size_bytes, .references = 1 };
    host_count(&host_now.memories, 1);
    *memory_out = memory;
    return 0;
}

static void copy_range(int from, int to, uint64_t at, uint64_t end, uint64_t base)
{
    unsigned char buffer[MACHINE_PAGE * 4];
    while (at < end) {
        size_t part = (size_t)MIN(end - at, (uint64_t)sizeof(buffer));
        ssize_t got = pread(from, buffer, part, (off_t)at);
        if (got <= 0 || pwrite(to, buffer, (size_t)got, (off_t)(at - base)) != got)
            machine_panic("a Memory cannot be copied");
        at += (uint64_t)got;
    }
}

int memory_snapshot(struct memory *source, uint64_t offset, uint64_t size_bytes,
                    struct memory **memory_out)
{
    if (offset > source->size_bytes || size_bytes > source->size_bytes - offset)
        return -EINVAL;
    int error = memory_allocate(size_bytes, memory_out);
    if (error != 0)
        return error;
    uint64_t at = offset;
    uint64_t end = offset + size_bytes;
    while (at < end) {
        off_t data = lseek(memory_file(source), (off_t)at, SEEK_DATA);
        if (data < 0 || (uint64_t)data >= end)
            break;
        off_t hole = lseek(memory_file(source), data, SEEK_HOLE);
        uint64_t stop = hole < 0 ? end : MIN(end, (uint64_t)hole);
        copy_range(memory_file(source), memory_file(*memory_out), (uint64_t)data, stop, offset);
        at = stop;
    }
    return 0;
}

int memory_commit(struct memory *memory, uint64_t offset, uint64_t size_bytes)
{
    if (host_memory_fails())
        return -ENOMEM;
    if (fallocate(memory_file(memory), 0, (off_t)offset, (off_t)size_bytes) != 0)
        return -ENOMEM;
    return 0;
}

static bool clear_fails; /* atomic */

void host_clear_fails(bool fails)
{
    __atomic_store_n(&clear_fails, fails, __ATOMIC_RELAXED);
}

int memory_clear(struct memory *memory, uint64_t offset, uint64_t size_bytes)
{
    if (__atomic_load_n(&clear_fails, __ATOMIC_RELAXED))
        return -ENOMEM;
    if (size_bytes != 0 &&
        fallocate(memory_file(memory), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                  (off_t)size_bytes) != 0)
        machine_panic("a Memory cannot be cleared");
    return 0;
}

uint64_t memory_resident(struct memory *memory)
{
    struct stat status;
    return fstat(memory_file(memory), &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

struct memory *memory_get(struct memory *memory)
{
    (void)__atomic_fetch_add(&memory->references, 1, __ATOMIC_RELAXED);
    return memory;
}

void memory_put(struct memory *memory)
{
    if (memory == NULL || __atomic_sub_fetch(&memory->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    (void)close(memory_file(memory));
    host_count(&host_now.memories, -1);
    heap_free(memory);
}

int machine_map(struct memory *memory, uint64_t offset, uint64_t size_bytes, uint32_t access,
                void **at_out)
{
    int protection = PROT_READ | ((access & MACHINE_WRITE) != 0 ? PROT_WRITE : 0);
    void *at = mmap(NULL, size_bytes, protection, MAP_SHARED | MAP_NORESERVE, memory_file(memory),
                    (off_t)offset);
    if (at == MAP_FAILED)
        return -ENOMEM;
    *at_out = at;
    return 0;
}

void machine_unmap(void *at, uint64_t size_bytes)
{
    if (munmap(at, size_bytes) != 0)
        machine_panic("cannot unmap");
}

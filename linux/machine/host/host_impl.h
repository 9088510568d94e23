/* Between the files of machine/host. */
#pragma once

#include <base/list.h>
#include <linux/host.h>
#include <pthread.h>

/* The file of a Memory; struct memory's `handle` is its descriptor. */
static inline int memory_file(const struct memory *memory)
{
    return (int)memory->handle;
}

struct mapping {
    struct list link;
    uint64_t at, size_bytes;
    struct memory *memory;
    uint64_t offset;
    uint32_t access;
};

/* Mappings in order of addresses. */
struct guest_space {
    pthread_mutex_t lock;
    struct list mappings;
};

struct vcpu {
    struct vcpu_head head; /* first: machine.h says so */
    void *argument;
    struct guest_space *space;
    void (*run)(void *argument);
    uint32_t kicked;
};

extern struct host_counts host_now; /* atomic */

static inline void host_count(uint64_t *counter, int change)
{
    (void)__atomic_fetch_add(counter, (uint64_t)(int64_t)change, __ATOMIC_RELAXED);
}

/* A test wants this one to fail. */
bool host_memory_fails(void);

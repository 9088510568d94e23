/* Typed allocators for kernel objects: one cache per type, slabs of one or more frames, a magazine
 * per CPU. Objects come zeroed. In the debug flavour free objects are poisoned, and a double free,
 * a free into the wrong cache and a write after free are panics.
 *
 * Locking: [L] the cache's lock   [C] constant after the first use
 */
#pragma once

#include <base/list.h>
#include <kernel/cpu.h>
#include <kernel/spinlock.h>

struct slab_cache {
    const char *name;         /* [C] */
    size_t object_size_bytes; /* [C] rounded up to the alignment */
    size_t align_bytes;       /* [C] a power of two, at most a page */
    size_t stride_bytes;      /* [C] from one object to the next: in debug with a red word */
    uint32_t id;              /* [C] marks its slabs and its magazines (cpu->magazine); from 1 */
    unsigned slab_order;      /* [C] frames per slab, as a power of two */
    uint32_t slab_capacity;   /* [C] objects per slab */
    struct spinlock lock;
    struct list partial; /* [L] slabs with free objects and used ones; full ones are in no list */
    struct list empty;   /* [L] at most one is kept */
    uint64_t slab_count; /* [L] */
    uint64_t used_count; /* [A] objects handed out */
    struct list registry;
};

/* A cache is a static variable. Where the size of an object depends on the machine, it is set
 * before the first use.
 */
#define SLAB_CACHE_INIT(cache_name, type)                                                          \
    {                                                                                              \
        .name = (cache_name), .object_size_bytes = sizeof(type), .align_bytes = _Alignof(type),    \
    }

/* Zeroed, or NULL when memory is exhausted. */
void *slab_alloc(struct slab_cache *cache);
void slab_free(struct slab_cache *cache, void *object_taken);

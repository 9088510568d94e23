/* What only tests, and the shell beside them, ask of the kernel's parts. */
#pragma once

#ifdef CONFIG_TESTS
#include <base/status.h>
#include <kernel/addr.h>

struct object;
struct slab_cache;
struct vspace;

/* Walk every list and array and panic on an inconsistency. Slow. */
void frame_check(void);
/* Panic if the forest of capabilities contradicts itself. Slow. */
void object_check(struct object *object);

/* Fail the n-th allocation from now; 0 switches off. */
void frame_fail_after(uint64_t nth);
void slab_fail_after(uint64_t nth);

/* Empty this CPU's magazine and give unused slabs back. */
void slab_cache_drain(struct slab_cache *cache);
void slab_drain_all(void);
/* Call `visit` with every cache. */
void slab_for_each(void (*visit)(const struct slab_cache *cache, void *context), void *context);

/* All slices at once, of what must be whole pages (ERR_RANGE). */
enum status vspace_unmap(struct vspace *vspace, uaddr_t at, uint64_t size_bytes);
enum status vspace_protect(struct vspace *vspace, uaddr_t at, uint64_t size_bytes, unsigned perm);
/* The physical address behind `at`, with what page tables grant (read, write, execute, memory
 * type), or ERR_NOT_FOUND.
 */
enum status vspace_query(struct vspace *vspace, uaddr_t at, paddr_t *pa_out, unsigned *perm_out);
#endif

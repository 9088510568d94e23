/* Addresses by kind. Each is a one-word structure, so that a physical, a kernel and a user address
 * cannot be mixed up, and none can be dereferenced by accident.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  ((size_t)1 << PAGE_SHIFT)
#define PAGE_MASK  (PAGE_SIZE - 1)

typedef struct {
    uint64_t raw;
} paddr_t; /* physical */
typedef struct {
    uint64_t raw;
} uaddr_t; /* virtual, user half; from a stranger until checked */
/* A kernel virtual address that is not (yet) a C pointer. */
typedef struct {
    uint64_t raw;
} vaddr_t;

static inline paddr_t paddr(uint64_t raw)
{
    return (paddr_t){ raw };
}

static inline uaddr_t uaddr(uint64_t raw)
{
    return (uaddr_t){ raw };
}

static inline vaddr_t vaddr(uint64_t raw)
{
    return (vaddr_t){ raw };
}

static inline vaddr_t vaddr_of(const void *pointer)
{
    return (vaddr_t){ (uint64_t)(uintptr_t)pointer };
}

/* User space ends here on every architecture: 47 bits, so that one layout serves both. The last
 * page stays unmapped (a sysret to a non-canonical address is out of reach).
 */
#define USER_END   ((uint64_t)0x00007ffffffff000)
#define USER_START ((uint64_t)PAGE_SIZE) /* the null page is never mapped */

/* True if [at, at + size) lies in the user half; no sum wraps. */
static inline bool uaddr_range_ok(uaddr_t at, uint64_t size_bytes)
{
    return at.raw >= USER_START && at.raw <= USER_END && size_bytes <= USER_END - at.raw;
}

/* The direct map: all RAM, at the offset that the boot loader chose (never assumed). Set once by
 * boot_info_init before anything uses it.
 */
extern uint64_t direct_map_offset;

static inline void *paddr_to_kernel(paddr_t pa)
{
    return (void *)(uintptr_t)(pa.raw + direct_map_offset);
}

/* Only for addresses inside the direct map; an image or stack address goes through kmap_query. */
static inline paddr_t paddr_of_direct(const void *pointer)
{
    return paddr((uint64_t)(uintptr_t)pointer - direct_map_offset);
}

/* What a mapping allows. Never WRITE and EXECUTE together. */
enum perm {
    PERM_READ = 1 << 0,
    PERM_WRITE = 1 << 1,
    PERM_EXECUTE = 1 << 2,
    PERM_USER = 1 << 3,
    PERM_DEVICE = 1 << 4,        /* strongly ordered, uncached */
    PERM_WRITE_COMBINE = 1 << 5, /* framebuffer */
    PERM_GLOBAL = 1 << 6,        /* same in every address space: kernel mappings */
};

/* The kernel's own address space: the image with per-section permissions, the direct map of RAM (2
 * MiB pages), device registers, and stacks with guard pages. Shared by all address spaces: every
 * top-level entry that the kernel half will ever use exists from kmap_init on, so later mappings
 * are seen everywhere.
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

struct boot_info;

/* Build the tables and switch this CPU to them. */
enum status kmap_init(const struct boot_info *info);

/* Map device registers, for good. ERR_INVALID: RAM that the frame allocator owns. ERR_RANGE: beyond
 * physical memory. ERR_LIMIT: no room in the area. ERR_NO_MEMORY.
 */
enum status kmap_device(paddr_t pa, size_t size_bytes, void **kernel_out);
/* Make firmware tables readable: through the direct map where it has them, else mapped read-only
 * and cached. Errors as kmap_device, but for ERR_INVALID.
 */
enum status kmap_firmware(paddr_t pa, size_t size_bytes, const void **kernel_out);

/* A stack for good, of `size_bytes` (a power of two, a page to 64 KiB) with an unmapped guard page
 * below. ERR_LIMIT: there are too many. ERR_NO_MEMORY.
 */
enum status kmap_stack_create(size_t size_bytes, void **top_out);

/* Where a kernel address leads, with what permissions; ERR_NOT_FOUND if unmapped. */
enum status kmap_query(vaddr_t at, paddr_t *pa_out, unsigned *perm_out);
/* True if `at` lies in a stack's guard page (panic wording). */
bool kmap_is_guard(vaddr_t at);

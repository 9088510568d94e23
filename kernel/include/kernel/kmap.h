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
/* Switch another CPU to them. */
void kmap_activate(void);

/* Map device registers; never RAM that the frame allocator owns. Mapped for good. */
enum status kmap_device(paddr_t pa, size_t size_bytes, unsigned perm, void **kernel_out);
/* Map physical memory that is not in the direct map, read-only and cached (firmware tables). */
enum status kmap_firmware(paddr_t pa, size_t size_bytes, const void **kernel_out);

/* A stack of `size_bytes` (page multiple) with an unmapped guard page below; *top_out is
 * 16-aligned. */
enum status kmap_stack_create(size_t size_bytes, void **top_out);
void kmap_stack_destroy(void *top_taken, size_t size_bytes);

/* Where a kernel address leads, with what permissions; ERR_NOT_FOUND if unmapped. */
enum status kmap_query(vaddr_t at, paddr_t *pa_out, unsigned *perm_out);
/* True if `at` lies in a stack's guard page (panic wording). */
bool kmap_is_guard(vaddr_t at);

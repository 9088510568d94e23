/* This process's address space: a region at a random place, handed out by pages, in which the heap
 * and everything else is mapped that the loader did not map.
 *
 * Any thread may call; a lock protects the books.
 */
#pragma once

#include <base/status.h>
#include <stddef.h>
#include <stdint.h>

enum { SPACE_PAGE = 4096 };
#define SPACE_BYTES ((uint64_t)16 << 30)

/* Map a part of a Memory or a device; access as for map(). Sizes in whole pages. */
enum status space_map(uint64_t memory, uint64_t offset, uint64_t size_bytes, uint32_t access,
                      void **at_out);
enum status space_unmap(void *at, uint64_t size_bytes);

/* Private pages of this process, zeroed when first touched, paid by its budget. They have an
 * address, but cannot be touched before space_allow.
 */
enum status space_reserve(uint64_t size_bytes, void **at_out);
/* `access` 0: not at all; the contents stay. */
enum status space_allow(void *at, uint64_t size_bytes, uint32_t access);
/* Give the pages back, and the address. */
enum status space_release(void *at, uint64_t size_bytes);
/* Give the pages back; they are zero again when touched. */
enum status space_clear(void *at, uint64_t size_bytes);

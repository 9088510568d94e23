/* Copies between kernel and the current thread's user space: the only way to touch user memory.
 *
 * The range is checked against the user half; a fault that vspace_fault cannot resolve ends the
 * copy with ERR_FAULT through the fix-up table, under SMAP or PAN. What was copied before stays
 * copied.
 */
#pragma once

#include <base/status.h>
#include <kernel/addr.h>

enum status copy_from_user(void *to, uaddr_t from, size_t size_bytes);
enum status copy_to_user(uaddr_t to, const void *from, size_t size_bytes);

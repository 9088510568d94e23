/* Address spaces that a handle can name. */
#pragma once

#include <base/status.h>
#include <stdint.h>

struct vspace;

/* That of a process or a guest, by a capability with the right to map. Borrowed, as what
 * syscall_lookup finds. ERR_NOT_FOUND, ERR_ACCESS.
 */
enum status space_lookup(uint64_t handle, struct vspace **vspace_out);

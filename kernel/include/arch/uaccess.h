/* Raw user copies with fault fix-up. The range is already checked to lie in the user half. */
#pragma once

#include <kernel/addr.h>

/* Return the bytes that were not copied: 0 on success. Opens and closes SMAP/PAN itself. A fault
 * first goes to vspace_fault of the current thread; only then to the fix-up.
 */
size_t arch_copy_from_user(void *to, uaddr_t from, size_t size_bytes);
size_t arch_copy_to_user(uaddr_t to, const void *from, size_t size_bytes);

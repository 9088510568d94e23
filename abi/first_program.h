/* What the first program finds when it starts. Its argument is the size of the system image in
 * bytes, 0 if the loader brought none.
 */
#pragma once

#include <stdint.h>

/* The system image, mapped read-only. */
#define SYSTEM_IMAGE_AT ((uint64_t)0x100000000000)

/* The log capability. */
enum { HANDLE_LOG = 1 };

/* Beside the frame: segment bases, and the vector state once there is one. */
#pragma once

#include <stdint.h>

struct arch_thread {
    void *vector_area; /* from the vector slab; NULL until the first vector instruction */
    uint64_t fs_base;  /* as of the last switch away */
    uint64_t gs_base;
};

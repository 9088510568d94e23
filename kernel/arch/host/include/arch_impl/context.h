/* No vector state; threads never execute. */
#pragma once

#include <stdint.h>

struct arch_thread {
    uint64_t thread_pointer;
};

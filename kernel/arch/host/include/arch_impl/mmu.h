/* No translation happens, so there is nothing to identify; flushes are counted for tests. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arch_vspace {
    bool live; /* between arch_vspace_init and _fini */
};

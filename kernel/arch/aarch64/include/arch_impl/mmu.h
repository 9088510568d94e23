/* Address space identifiers: see kernel/arch/aarch64/asid.h. */
#pragma once

#include <stdint.h>

struct arch_vspace {
    uint64_t asid_word; /* [A] generation and ASID; 0: never ran */
};

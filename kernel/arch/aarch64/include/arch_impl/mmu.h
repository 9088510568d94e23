/* Address space identifiers: see kernel/arch/aarch64/asid.h. */
#pragma once

#include <stdint.h>

/* In a word the generation is above the ASID, which has this place in TTBR0: bit 48 tells the two
 * roots apart. */
enum { GENERATION_SHIFT = 16, TTBR_ASID_SHIFT = 49 };

struct arch_vspace {
    uint64_t asid_word; /* [A] generation and ASID; 0: never ran */
};

/* The vector state's layout, as far as software must know it. */
#pragma once

#include <base/compiler.h>
#include <stdint.h>

enum { FXSAVE_BYTES = 512, XSAVE_HEADER_BYTES = 64 };

#define XSTATE_X87    BIT64(0)
#define XSTATE_SSE    BIT64(1)
#define XSTATE_AVX    BIT64(2)
#define XSTATE_AVX512 (BIT64(5) | BIT64(6) | BIT64(7))

struct vector_legacy { /* the start of both kinds of area */
    uint16_t control;
    uint16_t status;
    uint16_t tags;
    uint16_t opcode;
    uint64_t instruction;
    uint64_t data;
    uint32_t mxcsr;
    uint32_t mxcsr_mask;
};

/* The components to switch on, of those that the CPU has. */
uint64_t x86_vector_components_of(uint64_t supported);
void x86_vector_area_reset(void *area);

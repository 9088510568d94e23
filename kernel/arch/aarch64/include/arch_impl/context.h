/* Thread pointer and vector state. */
#pragma once

#include <stdint.h>

struct cpu;

/* The FP and SIMD registers; SVE stays off. Assembly knows the layout. */
struct vector_state {
    uint8_t q[32][16];
    uint64_t fpcr;
    uint64_t fpsr;
} ALIGNED(16);

struct arch_thread {
    struct vector_state *vector; /* [O] NULL until the first vector instruction */
    struct cpu *vector_cpu;      /* [O] where the registers were last loaded from it, or NULL */
    uint64_t tpidr;              /* [O] TPIDR_EL0 while it does not run */
};

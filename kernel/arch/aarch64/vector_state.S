/* Save and load the vector registers (struct vector_state). The unit must be on. */
#include <asm_offsets.h>

    .arch_extension fp
    .arch_extension simd

    .macro each_pair op, base
    \op     q0, q1, [\base, #32 * 0]
    \op     q2, q3, [\base, #32 * 1]
    \op     q4, q5, [\base, #32 * 2]
    \op     q6, q7, [\base, #32 * 3]
    \op     q8, q9, [\base, #32 * 4]
    \op     q10, q11, [\base, #32 * 5]
    \op     q12, q13, [\base, #32 * 6]
    \op     q14, q15, [\base, #32 * 7]
    \op     q16, q17, [\base, #32 * 8]
    \op     q18, q19, [\base, #32 * 9]
    \op     q20, q21, [\base, #32 * 10]
    \op     q22, q23, [\base, #32 * 11]
    \op     q24, q25, [\base, #32 * 12]
    \op     q26, q27, [\base, #32 * 13]
    \op     q28, q29, [\base, #32 * 14]
    \op     q30, q31, [\base, #32 * 15]
    .endm

    .text
    .global vector_state_save
    .type vector_state_save, %function
vector_state_save:
    each_pair stp, x0
    mrs     x1, fpcr
    mrs     x2, fpsr
    str     x1, [x0, #VECTOR_FPCR]
    str     x2, [x0, #VECTOR_FPCR + 8]
    ret
    .size vector_state_save, . - vector_state_save

    .global vector_state_load
    .type vector_state_load, %function
vector_state_load:
    each_pair ldp, x0
    ldr     x1, [x0, #VECTOR_FPCR]
    ldr     x2, [x0, #VECTOR_FPCR + 8]
    msr     fpcr, x1
    msr     fpsr, x2
    ret
    .size vector_state_load, . - vector_state_load

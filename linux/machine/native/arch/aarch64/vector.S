/* void native_vector_save(void *area), void native_vector_load(const void *area): FPSR, FPCR, and
 * the registers. */
    .arch_extension fp
    .arch_extension simd

    .macro each_pair op
    \op     q0, q1, [x1, #32 * 0]
    \op     q2, q3, [x1, #32 * 1]
    \op     q4, q5, [x1, #32 * 2]
    \op     q6, q7, [x1, #32 * 3]
    \op     q8, q9, [x1, #32 * 4]
    \op     q10, q11, [x1, #32 * 5]
    \op     q12, q13, [x1, #32 * 6]
    \op     q14, q15, [x1, #32 * 7]
    \op     q16, q17, [x1, #32 * 8]
    \op     q18, q19, [x1, #32 * 9]
    \op     q20, q21, [x1, #32 * 10]
    \op     q22, q23, [x1, #32 * 11]
    \op     q24, q25, [x1, #32 * 12]
    \op     q26, q27, [x1, #32 * 13]
    \op     q28, q29, [x1, #32 * 14]
    \op     q30, q31, [x1, #32 * 15]
    .endm

    .text
    .global native_vector_save
native_vector_save:
    add     x1, x0, #8
    each_pair stp
    mrs     x2, fpsr
    mrs     x3, fpcr
    stp     w2, w3, [x0]
    ret

    .global native_vector_load
native_vector_load:
    add     x1, x0, #8
    each_pair ldp
    ldp     w2, w3, [x0]
    msr     fpsr, x2
    msr     fpcr, x3
    ret

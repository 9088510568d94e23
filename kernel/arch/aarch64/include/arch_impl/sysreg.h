/* System registers: how to reach them, and the fields that more than one file needs (Arm ARM D17).
 */
#pragma once

#include <stdint.h>

/* Reads are volatile: some of these registers change, and order matters. Names that the assembler
 * does not know at -march=armv8-a are written as S<op0>_<op1>_C<n>_C<m>_<op2>.
 */
#define SYSREG_READ(name)                                                                          \
    ({                                                                                             \
        uint64_t sysreg_read_;                                                                     \
        __asm__ volatile("mrs %0, " #name : "=r"(sysreg_read_) : : "memory");                      \
        sysreg_read_;                                                                              \
    })
#define SYSREG_WRITE(name, value)                                                                  \
    do {                                                                                           \
        uint64_t sysreg_write_ = (value);                                                          \
        __asm__ volatile("msr " #name ", %0" : : "r"(sysreg_write_) : "memory");                   \
    } while (0)

/* A field of four bits of an ID register. */
#define ID_FIELD(value, shift) ((unsigned)((value) >> (shift)) & 0xf)

static inline void isb(void)
{
    __asm__ volatile("isb" : : : "memory");
}

#define DSB(domain) __asm__ volatile("dsb " #domain : : : "memory")

/* Affinity fields of MPIDR_EL1. */
#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)

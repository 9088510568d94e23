/* Vector registers as the signal frame has them: FPSR, FPCR, and 32 registers of 16 bytes. */
#include <base/string.h>

#include <native_thread.h>

enum { AREA_BYTES = 8 + 32 * 16 };
/* Rounding, flush to zero, default NaN, half precision: what a program may set. */
#define FPCR_BITS ((uint32_t)0x07f80000)
#define FPSR_BITS ((uint32_t)0xf800009f)

struct vcpu *native_cpu_self(void)
{
    struct vcpu *vcpu;
    __asm__("mrs %0, tpidr_el0" : "=r"(vcpu));
    return vcpu;
}

void native_vector_init(void) {}

size_t native_vector_size(void)
{
    return AREA_BYTES;
}

void native_vector_initial(void *area)
{
    memset(area, 0, AREA_BYTES);
}

void native_vector_check(void *area)
{
    uint32_t words[2];
    memcpy(words, area, sizeof(words));
    words[0] &= FPSR_BITS;
    words[1] &= FPCR_BITS;
    memcpy(area, words, sizeof(words));
}

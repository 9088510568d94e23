/* Vector registers in XSAVE's standard form (Intel SDM vol. 1, 13.4), or FXSAVE's where there is
 * none.
 */
#include <base/string.h>

#include <native_thread.h>

enum {
    LEGACY_BYTES = 512,
    HEADER_BYTES = 64,
    OFFSET_CONTROL = 0,
    OFFSET_MXCSR = 24,
    OFFSET_MXCSR_MASK = 28,
};

static uint64_t components; /* XCR0; 0: no XSAVE */
static size_t area_bytes;
static uint32_t mxcsr_mask;

static void cpuid(uint32_t leaf, uint32_t index, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(index));
}

struct vcpu *native_cpu_self(void)
{
    struct vcpu *vcpu;
    static_assert(offsetof(struct vcpu, self) == 16, "where the instruction looks");
    __asm__("mov %%fs:16, %0" : "=r"(vcpu));
    return vcpu;
}

void native_vector_init(void)
{
    static uint8_t area[LEGACY_BYTES] ALIGNED(64);
    uint32_t out[4];
    cpuid(1, 0, out);
    area_bytes = LEGACY_BYTES;
    if ((out[2] >> 27 & 1) != 0) { /* the kernel has turned it on */
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        components = (uint64_t)high << 32 | low;
        cpuid(0xd, 0, out);
        area_bytes = out[1];
    }
    if (area_bytes > VECTOR_BYTES_MAX)
        machine_panic("the vector registers are too large: %zu bytes", area_bytes);
    __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
    memcpy(&mxcsr_mask, area + OFFSET_MXCSR_MASK, sizeof(mxcsr_mask));
    if (mxcsr_mask == 0)
        mxcsr_mask = 0xffbf;
}

size_t native_vector_size(void)
{
    return area_bytes;
}

void native_vector_save(void *area)
{
    if (components == 0) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
        return;
    }
    memset((char *)area + LEGACY_BYTES, 0, HEADER_BYTES);
    __asm__ volatile("xsave64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)components), "d"((uint32_t)(components >> 32))
                     : "memory");
}

void native_vector_load(const void *area)
{
    if (components == 0)
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
    else
        __asm__ volatile("xrstor64 (%0)"
                         :
                         : "r"(area), "a"((uint32_t)components), "d"((uint32_t)(components >> 32))
                         : "memory");
}

void native_vector_initial(void *area)
{
    const uint16_t control = 0x037f;
    const uint32_t mxcsr = 0x1f80;
    memset(area, 0, area_bytes);
    memcpy((char *)area + OFFSET_CONTROL, &control, sizeof(control));
    memcpy((char *)area + OFFSET_MXCSR, &mxcsr, sizeof(mxcsr));
}

/* What makes XRSTOR fault: bits of MXCSR, components that are not there, and the rest of the
 * header.
 */
void native_vector_check(void *area)
{
    /* Copies of a word, of private memory: no calls for them. */
    uint32_t mxcsr;
    __builtin_memcpy(&mxcsr, (char *)area + OFFSET_MXCSR, sizeof(mxcsr));
    mxcsr &= mxcsr_mask;
    __builtin_memcpy((char *)area + OFFSET_MXCSR, &mxcsr, sizeof(mxcsr));
    if (components == 0)
        return;
    uint64_t present;
    __builtin_memcpy(&present, (char *)area + LEGACY_BYTES, sizeof(present));
    present &= components;
    memset((char *)area + LEGACY_BYTES, 0, HEADER_BYTES);
    __builtin_memcpy((char *)area + LEGACY_BYTES, &present, sizeof(present));
}

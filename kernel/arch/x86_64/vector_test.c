#include "regs.h"
#include "vector_impl.h"
#include "x86.h"
#include <base/string.h>
#include <base/test.h>

TEST(switches_on_whole_families_only)
{
    uint64_t base = XSTATE_X87 | XSTATE_SSE;
    EXPECT_EQ(x86_vector_components_of(base), base);
    EXPECT_EQ(x86_vector_components_of(base | XSTATE_AVX), base | XSTATE_AVX);
    EXPECT_EQ(x86_vector_components_of(base | BIT64(5)), base);
    EXPECT_EQ(x86_vector_components_of(base | XSTATE_AVX | BIT64(5)), base | XSTATE_AVX);
    EXPECT_EQ(x86_vector_components_of(base | XSTATE_AVX | XSTATE_AVX512),
              base | XSTATE_AVX | XSTATE_AVX512);
    /* Protection keys, tiles and whatever comes: not without the kernel's knowledge. */
    EXPECT_EQ(x86_vector_components_of(UINT64_MAX), base | XSTATE_AVX | XSTATE_AVX512);
}

TEST(a_fresh_area_is_the_state_after_reset)
{
    uint8_t area[FXSAVE_BYTES + XSAVE_HEADER_BYTES] ALIGNED(64) = { 0 };
    x86_vector_area_reset(area);
    struct vector_legacy legacy;
    memcpy(&legacy, area, sizeof(legacy));
    EXPECT_EQ(legacy.control, 0x37f);
    EXPECT_EQ(legacy.mxcsr, 0x1f80); /* every exception masked */
    EXPECT_EQ(legacy.tags, 0);
    for (size_t i = sizeof(legacy); i < sizeof(area); i++)
        EXPECT_EQ(area[i], 0);
}

/* Behind CR0.TS too: speculation reads there. */
GUEST_TEST(a_shut_unit_is_an_empty_one)
{
    uint64_t low = 0x5ec2e7;
    struct arch_cpu *cpu = arch_cpu_self_arch();
    EXPECT(!cpu->vector_on);
    if (cpu->vector_on)
        return; /* somebody's registers */
    __asm__ volatile("clts; movq %0, %%xmm5" : : "r"(low) : "memory");
    cpu->vector_on = true;
    x86_vector_close();
    EXPECT((read_cr0() & CR0_TS) != 0);
    EXPECT(!cpu->vector_on);
    __asm__ volatile("clts; movq %%xmm5, %0" : "=r"(low) : : "memory");
    write_cr0(read_cr0() | CR0_TS);
    EXPECT_EQ(low, 0);
}

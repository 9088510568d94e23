#include "clock_impl.h"
#include "regs.h"
#include "x86.h"
#include <arch/timer.h>
#include <base/test.h>

TEST(scales_spans_of_centuries_without_overflow)
{
    uint64_t hz = 3000000000;
    uint64_t to_ns = clock_rate(NS_PER_S, hz);
    EXPECT_EQ(clock_scale(0, to_ns), 0);
    uint64_t year_s = (uint64_t)365 * 86400;
    uint64_t ns = clock_scale(100 * year_s * hz, to_ns);
    uint64_t wanted = 100 * year_s * NS_PER_S;
    EXPECT(ns <= wanted && wanted - ns < NS_PER_S * 2); /* a part in 2^31 */
}

TEST(divides_all_128_bits)
{
    EXPECT_EQ(clock_multiply_divide(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    EXPECT_EQ(clock_multiply_divide(UINT64_MAX, 2, 1), UINT64_MAX);
    EXPECT_EQ(clock_multiply_divide(7, 3, 2), 10);
    EXPECT_EQ(clock_multiply_divide((uint64_t)1 << 63, 6, 12), (uint64_t)1 << 62);
}

TEST(reads_the_rate_from_cpuid_only_where_it_is_whole)
{
    EXPECT_EQ(clock_tsc_hz_of_cpuid(2, 168, 25000000, 0), 2100000000);
    EXPECT_EQ(clock_tsc_hz_of_cpuid(2, 168, 0, 2100), 2100000000);
    EXPECT_EQ(clock_tsc_hz_of_cpuid(0, 168, 25000000, 2100), 0);
    EXPECT_EQ(clock_tsc_hz_of_cpuid(2, 0, 25000000, 2100), 0);
    EXPECT_EQ(clock_tsc_hz_of_cpuid(2, 168, 0, 0), 0);
    EXPECT_EQ(clock_tsc_hz_of_cpuid(1, UINT32_MAX, UINT32_MAX, 0),
              (uint64_t)UINT32_MAX * UINT32_MAX);
}

TEST(corrects_only_a_counter_that_is_provably_off)
{
    struct clock_bracket between = { 1000, 1500, 2000 };
    struct clock_bracket behind = { 1000, 500, 2000 };
    struct clock_bracket ahead = { 1000, 9000, 2000 };
    EXPECT_EQ(clock_correction(&between), 0);
    EXPECT_EQ(behind.other + clock_correction(&behind), 1500);
    EXPECT_EQ(ahead.other + clock_correction(&ahead), 1500);
}

GUEST_TEST(the_clock_moves_and_never_back)
{
    uint64_t start_ns = arch_clock_ns(), last_ns = start_ns;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now_ns = arch_clock_ns();
        EXPECT(now_ns >= last_ns);
        last_ns = now_ns;
    }
    EXPECT(last_ns > start_ns);
}

GUEST_TEST(a_deadline_is_never_past_and_never_off)
{
    static const uint64_t spans[] = { 0, 1, NS_PER_S, 60 * NS_PER_S };
    uint64_t last = 0;
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        uint64_t before = rdtsc_ordered();
        uint64_t at = x86_clock_tsc_after(spans[i]);
        EXPECT(at > before && at > last);
        EXPECT(at - before >= spans[i] / 1000); /* a counter of 1 MHz at least */
        last = at;
    }
}

/* A CPU that was given up while it started, and comes when the next one is waited for. */
GUEST_TEST(a_cpu_that_comes_late_does_not_pass_for_another)
{
    static struct cpu other;
    other.index = cpu_self()->index + 1;
    uint64_t offset = cpu_self()->arch.tsc_offset;
    x86_clock_meeting_prepare(&other);
    EXPECT(!x86_clock_meet_boot_cpu(cpu_self()));
    EXPECT_EQ(cpu_self()->arch.tsc_offset, offset);
}

/* The clock: the time stamp counter, scaled.
 *
 * Its rate comes from CPUID where the CPU knows it, else from a comparison with a counter of known
 * rate: HPET, ACPI timer or PIT. Every CPU's counter is set to, or compared with, the boot CPU's
 * when it comes up; a difference that the hardware does not let us remove is added at each reading.
 */
#include "clock_impl.h"
#include "firmware.h"
#include "regs.h"
#include "x86.h"
#include <arch/timer.h>
#include <kernel/kmap.h>
#include <kernel/log.h>
#include <kernel/panic.h>

enum {
    PM_TIMER_HZ = 3579545,
    PIT_HZ = 1193182,
    CALIBRATION_NS = 2 * 1000 * 1000, /* at least, and */
    CALIBRATION_COUNTS = 8192,        /* of the reference: an error of one is 122 ppm */
    SAMPLE_TRIES = 5,
    MEET_ROUNDS = 8,
    CLOCK_HZ_MIN = 1000 * 1000,
};

static struct {
    uint64_t tsc_base;  /* where time 0 is */
    uint64_t tsc_to_ns; /* 32.32 fixed point */
    uint64_t ns_to_tsc;
    uint64_t tsc_hz;
} clock;

/* A counter of known rate that counts up. */
struct reference {
    const char *name;
    uint64_t hz;
    uint64_t mask;
    uint64_t (*read)(void);
};

/* ---- Reading ---- */

uint64_t arch_cycle_count(void)
{
    return rdtsc();
}

uint64_t arch_clock_ns(void)
{
    uint64_t tsc = rdtsc_ordered() + arch_cpu_self_arch()->tsc_offset;
    return clock_scale(tsc - clock.tsc_base, clock.tsc_to_ns);
}

/* Programs do not know which CPU they are on, so where the machine's counters differ their clocks
 * do. */
void arch_clock_scale(uint64_t *base_out, uint64_t *ns_per_count_out)
{
    *base_out = clock.tsc_base;
    *ns_per_count_out = clock.tsc_to_ns;
}

uint64_t x86_clock_tsc_after(uint64_t span_ns)
{
    uint64_t at = rdtsc() + clock_scale(span_ns, clock.ns_to_tsc) + 1;
    return at != 0 ? at : 1; /* 0 switches the deadline off */
}

/* ---- References ---- */

static const volatile uint32_t *hpet;

static uint64_t hpet_read(void)
{
    return hpet[0xf0 / 4];
}

static uint64_t pm_timer_read(void)
{
    return in32(platform.pm_timer_port);
}

/* Channel 2 counts down from 65536 and starts again; the latch command takes both bytes at once. */
static uint64_t pit_read(void)
{
    out8(0x43, 0x80);
    uint64_t low = in8(0x42);
    uint64_t high = in8(0x42);
    return 0x10000 - (high << 8 | low);
}

static bool hpet_find(struct reference *reference)
{
    void *registers;
    if (platform.hpet_base == 0 || kmap_device(paddr(platform.hpet_base), 1024, &registers) != OK)
        return false;
    volatile uint32_t *hpet_registers = registers;
    uint64_t period_fs = hpet_registers[1];
    if (period_fs == 0 || period_fs > 100000000)
        return false;
    hpet_registers[0x10 / 4] |= 1; /* count */
    hpet = hpet_registers;
    *reference = (struct reference){ "HPET", 1000000000000000u / period_fs, UINT32_MAX, hpet_read };
    return true;
}

static struct reference pit_start(void)
{
    out8(0x61, (uint8_t)((in8(0x61) & ~2u) | 1)); /* gate on, speaker off */
    out8(0x43, 0xb4);                             /* channel 2, both bytes, mode 2 */
    out8(0x42, 0);
    out8(0x42, 0);
    return (struct reference){ "PIT", PIT_HZ, UINT16_MAX, pit_read };
}

/* A reference is usable if it moves. */
static bool counts(const struct reference *reference)
{
    uint64_t first = reference->read();
    for (unsigned i = 0; i < 100000; i++) {
        if (((reference->read() - first) & reference->mask) != 0)
            return true;
    }
    return false;
}

static struct reference reference_find(void)
{
    struct reference reference;
    if (hpet_find(&reference) && counts(&reference))
        return reference;
    reference = (struct reference){ "ACPI timer", PM_TIMER_HZ, 0xffffff, pm_timer_read };
    if (platform.pm_timer_port != 0 && counts(&reference))
        return reference;
    reference = pit_start();
    if (counts(&reference))
        return reference;
    panic("no counter of known rate: CPUID, HPET, ACPI timer and PIT all fail");
}

/* ---- Calibration ---- */

/* What the counters said at one moment. */
struct sample {
    uint64_t tsc, reference, lapic;
};

/* The reading that was disturbed least is the best. */
static struct sample sample_take(const struct reference *reference)
{
    struct sample best = { 0, 0, 0 };
    uint64_t best_width = UINT64_MAX;
    for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = rdtsc_ordered();
        uint64_t count = reference->read();
        uint32_t lapic = x86_lapic_timer_counted();
        uint64_t after = rdtsc_ordered();
        if (after - before < best_width) {
            best_width = after - before;
            best = (struct sample){ before + best_width / 2, count, lapic };
        }
    }
    return best;
}

/* CPUID 15h: the ratio to a crystal of stated rate. 16h, a label in MHz, only where 15h has the
 * ratio without the crystal: then the crystal was derived from it.
 */
static uint64_t tsc_hz_by_cpuid(void)
{
    struct cpuid ratio = cpuid(0x15, 0);
    struct cpuid label = cpuid(0x16, 0);
    return clock_tsc_hz_of_cpuid(ratio.eax, ratio.ebx, ratio.ecx, label.eax);
}

void x86_clock_init(void)
{
    struct reference reference = { "CPUID", 0, UINT64_MAX, rdtsc };
    clock.tsc_hz = tsc_hz_by_cpuid();
    if (clock.tsc_hz == 0)
        reference = reference_find();
    else
        reference.hz = clock.tsc_hz;

    x86_lapic_timer_start_counting();
    struct sample first = sample_take(&reference);
    struct sample last = first;
    uint64_t wanted = MAX(clock_scale(CALIBRATION_NS, clock_rate(reference.hz, NS_PER_S)),
                          (uint64_t)CALIBRATION_COUNTS);
    while (((last.reference - first.reference) & reference.mask) < wanted) {
        last.reference = reference.read();
        arch_relax();
    }
    last = sample_take(&reference);

    uint64_t counted = (last.reference - first.reference) & reference.mask;
    if (clock.tsc_hz == 0)
        clock.tsc_hz = clock_hz(last.tsc - first.tsc, counted, reference.hz);
    uint64_t lapic_hz = clock_hz(last.lapic - first.lapic, counted, reference.hz);
    if (clock.tsc_hz < CLOCK_HZ_MIN)
        panic("the time stamp counter stands still");
    if (lapic_hz == 0 && !x86_features.tsc_deadline)
        panic("the local timer stands still");
    x86_lapic_timer_set_rate(lapic_hz);
    clock.tsc_to_ns = clock_rate(NS_PER_S, clock.tsc_hz);
    clock.ns_to_tsc = clock_rate(clock.tsc_hz, NS_PER_S);
    clock.tsc_base = rdtsc();
    log_info("clock: counter at %llu kHz by %s, local timer at %llu kHz",
             (unsigned long long)clock.tsc_hz / 1000, reference.name,
             (unsigned long long)lapic_hz / 1000);
}

/* ---- Two counters meet ----
 *
 * The boot CPU and a secondary take turns, each writing what its counter says; `turn` tells whose
 * it is. The boot CPU's reading before and after bracket the secondary's. Before they meet, `turn`
 * says who is expected: one that comes too late must not pass for the next. In the end the
 * secondary takes its correction and says that it is gone; until then the next one is not expected,
 * or the one that lingers would answer in its place.
 */
enum { TURN_BOOT_CPU, TURN_SECONDARY, TURN_ABANDONED, TURN_OVER, TURN_GONE, TURN_EXPECTED };

static struct {
    uint32_t turn;          /* [A] TURN_EXPECTED + the CPU's index: it has not come yet */
    uint64_t secondary_tsc; /* of the one whose turn ended */
    uint64_t correction;    /* what the secondary has to add */
    uint64_t adjust;        /* of the boot CPU's MSR */
} meeting;

static uint32_t turn_expecting(const struct cpu *secondary)
{
    return TURN_EXPECTED + secondary->index;
}

void x86_clock_meeting_prepare(const struct cpu *secondary)
{
    meeting.adjust = x86_features.tsc_adjust ? rdmsr(MSR_TSC_ADJUST) : 0;
    __atomic_store_n(&meeting.turn, turn_expecting(secondary), __ATOMIC_RELEASE);
}

static uint32_t turn_of(void)
{
    return __atomic_load_n(&meeting.turn, __ATOMIC_ACQUIRE);
}

/* Pass the turn to the secondary and wait until it answers with `answer`. */
static void await_answer(const struct cpu *secondary, uint32_t turn, uint32_t answer)
{
    uint64_t limit_ns = arch_clock_ns() + CPU_START_TIMEOUT_NS;
    __atomic_store_n(&meeting.turn, turn, __ATOMIC_RELEASE);
    while (turn_of() != answer) {
        if (arch_clock_ns() > limit_ns)
            panic("CPU %u fell silent while its counter was compared", secondary->index);
        arch_relax();
    }
}

static struct clock_bracket boot_cpu_round(const struct cpu *secondary)
{
    struct clock_bracket bracket;
    bracket.before = rdtsc_ordered();
    await_answer(secondary, TURN_SECONDARY, TURN_BOOT_CPU);
    bracket.after = rdtsc_ordered();
    bracket.other = meeting.secondary_tsc;
    return bracket;
}

/* Wait for the secondary to come at all. */
static bool wait_for_arrival(const struct cpu *secondary, uint64_t patience_ns)
{
    uint64_t limit_ns = arch_clock_ns() + patience_ns;
    while (turn_of() != TURN_BOOT_CPU) {
        uint32_t expected = turn_expecting(secondary);
        if (arch_clock_ns() > limit_ns &&
            __atomic_compare_exchange_n(&meeting.turn, &expected, TURN_ABANDONED, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return false;
        arch_relax();
    }
    return true;
}

bool x86_clock_meet_secondary(const struct cpu *secondary)
{
    if (!wait_for_arrival(secondary, CPU_START_TIMEOUT_NS))
        return false;
    struct clock_bracket best = { 0, 0, UINT64_MAX };
    for (unsigned i = 0; i < MEET_ROUNDS; i++) {
        struct clock_bracket bracket = boot_cpu_round(secondary);
        if (bracket.after - bracket.before < best.after - best.before)
            best = bracket;
    }
    meeting.correction = clock_correction(&best);
    if (meeting.correction != 0)
        log_warn("clock: CPU %u is %lld counts off: corrected", secondary->index,
                 (long long)-(int64_t)meeting.correction);
    await_answer(secondary, TURN_OVER, TURN_GONE);
    return true;
}

bool x86_clock_meet_boot_cpu(struct cpu *self)
{
    if (x86_features.tsc_adjust && rdmsr(MSR_TSC_ADJUST) != meeting.adjust)
        wrmsr(MSR_TSC_ADJUST, meeting.adjust);
    uint32_t expected = turn_expecting(self);
    if (!__atomic_compare_exchange_n(&meeting.turn, &expected, TURN_BOOT_CPU, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    for (;;) {
        uint32_t turn = turn_of();
        if (turn == TURN_OVER)
            break;
        if (turn == TURN_SECONDARY) {
            meeting.secondary_tsc = rdtsc_ordered();
            __atomic_store_n(&meeting.turn, TURN_BOOT_CPU, __ATOMIC_RELEASE);
        }
        arch_relax();
    }
    self->arch.tsc_offset = meeting.correction;
    __atomic_store_n(&meeting.turn, TURN_GONE, __ATOMIC_RELEASE);
    return true;
}

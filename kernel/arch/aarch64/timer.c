/* The generic timer (Arm ARM D11): the virtual counter is the clock, the virtual timer of each CPU
 * the one-shot. The virtual pair works without traps under a hypervisor too.
 *
 * Ticks and nanoseconds convert by 32.32 fixed point with a 128-bit product.
 */
#include "timer_impl.h"

#include <arch/timer.h>
#include <arch_impl/sysreg.h>
#include <base/bits.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>

#define NS_PER_S UINT64_C(1000000000)
/* Longer waits are cut to this; whoever asked asks again. */
#define TIMER_MAX_NS (3600 * NS_PER_S)

enum {
    CTL_ENABLE = 1 << 0,
    CTL_MASK = 1 << 1,
    KCTL_EL0_VIRTUAL_COUNTER = 1 << 1,
    KCTL_EVENTS = 1 << 2,
    KCTL_EVENTS_SHIFT = 4,
    EVENTS_PER_S = 10000,
};

static uint64_t clock_base;   /* counter at clock_init */
static uint64_t ns_per_tick;  /* 32.32 */
static uint64_t ticks_per_ns; /* 32.32 */

static uint64_t scale(uint64_t value, uint64_t factor)
{
    return (uint64_t)((unsigned __int128)value * factor >> 32);
}

/* The ISB keeps the read from happening ahead of what came before. */
static uint64_t counter(void)
{
    isb();
    return SYSREG_READ(cntvct_el0);
}

void clock_init(void)
{
    uint64_t frequency = SYSREG_READ(cntfrq_el0);
    if (frequency == 0 || frequency > UINT32_MAX)
        panic("generic timer: firmware gave no usable frequency (%llu Hz)",
              (unsigned long long)frequency);
    ns_per_tick = (NS_PER_S << 32) / frequency;
    ticks_per_ns = (frequency << 32) / NS_PER_S;
    clock_base = counter();
}

uint64_t arch_clock_ns(void)
{
    return scale(counter() - clock_base, ns_per_tick);
}

void arch_clock_scale(uint64_t *base_out, uint64_t *ns_per_count_out)
{
    *base_out = clock_base;
    *ns_per_count_out = ns_per_tick;
}

/* Which bit of the counter makes an event: user mode may wait with WFE for one that never comes,
 * and the stream ends its wait.
 */
static uint64_t event_bit(void)
{
    uint64_t ticks = SYSREG_READ(cntfrq_el0) / EVENTS_PER_S;
    unsigned bit = ticks < 2 ? 0 : bit_highest(ticks) - 1;
    return MIN(bit, 15u);
}

void timer_cpu_init(void)
{
    SYSREG_WRITE(cntv_ctl_el0, 0);
    SYSREG_WRITE(cntkctl_el1, (uint64_t)KCTL_EL0_VIRTUAL_COUNTER | KCTL_EVENTS |
                                  event_bit() << KCTL_EVENTS_SHIFT);
    isb();
}

void timer_mask(void)
{
    SYSREG_WRITE(cntv_ctl_el0, CTL_ENABLE | CTL_MASK);
    isb();
}

/* The deadline is taken relative to now, so that the rounding of the factor does not grow with the
 * time since boot; one tick more, so that it never comes early.
 */
void arch_timer_set(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        SYSREG_WRITE(cntv_ctl_el0, 0);
        isb();
        return;
    }
    uint64_t now = counter();
    uint64_t now_ns = scale(now - clock_base, ns_per_tick);
    uint64_t wait_ns = deadline_ns > now_ns ? MIN(deadline_ns - now_ns, TIMER_MAX_NS) : 0;
    SYSREG_WRITE(cntv_cval_el0, now + scale(wait_ns, ticks_per_ns) + 1);
    SYSREG_WRITE(cntv_ctl_el0, CTL_ENABLE);
    isb();
}

#ifdef CONFIG_TESTS
/* The PMU's event counter 0 counts retired instructions where it can (QEMU: under -icount only); it
 * has 32 bits, so arch_cycle_count adds what it wraps by. User mode has no access to the PMU.
 */
enum { EVENT_INST_RETIRED = 0x08, PMCR_ENABLE = 1 << 0, PMCR_RESET_EVENTS = 1 << 1 };

static bool count_instructions;

static bool can_count_instructions(void)
{
    unsigned version = ID_FIELD(SYSREG_READ(id_aa64dfr0_el1), 8);
    if (version == 0 || version == 0xf)
        return false;
    bool has_counter = (SYSREG_READ(pmcr_el0) >> 11 & 0x1f) != 0;
    return has_counter && (SYSREG_READ(pmceid0_el0) & BIT64(EVENT_INST_RETIRED)) != 0;
}

void cycle_counter_init(void)
{
    count_instructions = can_count_instructions();
    if (!count_instructions)
        return;
    SYSREG_WRITE(pmevtyper0_el0, EVENT_INST_RETIRED);
    SYSREG_WRITE(pmcntenset_el0, 1);
    SYSREG_WRITE(pmcr_el0, PMCR_ENABLE | PMCR_RESET_EVENTS);
    isb();
}

uint64_t arch_cycle_count(void)
{
    if (!count_instructions)
        return counter();
    struct arch_cpu *cpu = &cpu_self()->arch;
    isb();
    uint32_t now = (uint32_t)SYSREG_READ(pmevcntr0_el0);
    if (now < cpu->cycle_last)
        cpu->cycle_high += BIT64(32);
    cpu->cycle_last = now;
    return cpu->cycle_high + now;
}
#else
void cycle_counter_init(void) {}

uint64_t arch_cycle_count(void)
{
    return counter();
}
#endif

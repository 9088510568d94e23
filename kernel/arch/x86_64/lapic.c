/* The local interrupt controller of each CPU, and its timer (Intel SDM vol. 3, chapter 11).
 *
 * As x2APIC, by model specific registers, where the CPU has it; else in memory. The registers have
 * the same numbers in both but for the interrupt command, which is one register of 64 bits in
 * x2APIC.
 */
#include "regs.h"
#include "x86.h"
#include <arch/irq.h>
#include <arch/timer.h>
#include <kernel/kmap.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/trap.h>

#define APIC_BASE_X2APIC  BIT64(10)
#define APIC_BASE_ENABLE  BIT64(11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000u

enum {
    LAPIC_ID = 0x02,
    LAPIC_VERSION = 0x03,
    LAPIC_TASK_PRIORITY = 0x08,
    LAPIC_EOI = 0x0b,
    LAPIC_SPURIOUS = 0x0f,
    LAPIC_ERROR = 0x28,
    LAPIC_COMMAND = 0x30,
    LAPIC_COMMAND_HIGH = 0x31,
    LAPIC_LVT_TIMER = 0x32,
    LAPIC_LVT_THERMAL = 0x33,
    LAPIC_LVT_PERFORMANCE = 0x34,
    LAPIC_LVT_LINT0 = 0x35,
    LAPIC_LVT_LINT1 = 0x36,
    LAPIC_LVT_ERROR = 0x37,
    LAPIC_TIMER_INITIAL = 0x38,
    LAPIC_TIMER_CURRENT = 0x39,
    LAPIC_TIMER_DIVIDE = 0x3e,
};

#define LVT_MASKED       0x10000u
#define LVT_NMI          0x400u
#define LVT_TSC_DEADLINE 0x40000u
#define SPURIOUS_ENABLE  0x100u
#define COMMAND_PENDING  0x1000u
#define COMMAND_NMI      0x4400u /* assert */
#define COMMAND_FIXED    0x4000u
#define DIVIDE_BY_4      0x1u

enum { COMMAND_WAIT_TURNS = 1000 * 1000 };

static volatile uint32_t *registers; /* NULL: x2APIC, or not found yet */
static bool x2apic;
static uint64_t ns_to_count; /* 32.32 fixed point */

static uint32_t lapic_read(unsigned index)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + index) : registers[(size_t)index * 4];
}

static void lapic_write(unsigned index, uint32_t value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + index, value);
    else
        registers[(size_t)index * 4] = value;
}

void x86_lapic_init(void)
{
    x2apic = x86_features.x2apic;
    paddr_t base = paddr(rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS);
    void *mapped;
    if (x2apic)
        return;
    if (kmap_device(base, PAGE_SIZE, &mapped) != OK)
        panic("no room to map the local interrupt controller");
    registers = mapped;
}

/* From the disabled state x2APIC is reached only by way of xAPIC. Then the controller's own switch,
 * off in a CPU that came by INIT: until it is on, every local vector is masked and stays so,
 * whatever is written to it (11.4.7.2).
 */
static void lapic_switch_on(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    if ((base & APIC_BASE_ENABLE) == 0)
        wrmsr(MSR_APIC_BASE, base |= APIC_BASE_ENABLE);
    if (x2apic && (base & APIC_BASE_X2APIC) == 0)
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
}

void x86_lapic_cpu_init(void)
{
    lapic_switch_on();
    lapic_write(LAPIC_TASK_PRIORITY, 0);
    unsigned lvt_max = lapic_read(LAPIC_VERSION) >> 16 & 0xff; /* the later ones came one by one */
    if (lvt_max >= 4)
        lapic_write(LAPIC_LVT_PERFORMANCE, LVT_MASKED);
    if (lvt_max >= 5)
        lapic_write(LAPIC_LVT_THERMAL, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LVT_NMI); /* where NMIs come in, by every MADT and by default */
    lapic_write(LAPIC_ERROR, 0);
    lapic_write(LAPIC_LVT_ERROR, VECTOR_APIC_ERROR);
    x86_lapic_eoi();

    cpu_self()->arch.timer_ns = UINT64_MAX;
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_4);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (x86_features.tsc_deadline ? LVT_TSC_DEADLINE : 0));
    /* The mode must be in place before the deadline is written. */
    __asm__ volatile("mfence" : : : "memory");
}

void x86_lapic_eoi(void)
{
    lapic_write(LAPIC_EOI, 0);
}

/* An error of the controller is somebody's wrong vector or target: worth a line, never a stop. */
void x86_lapic_error(void)
{
    lapic_write(LAPIC_ERROR, 0);
    log_warn("local interrupt controller: error %#x", lapic_read(LAPIC_ERROR));
}

uint32_t x86_lapic_id(void)
{
    return x2apic ? lapic_read(LAPIC_ID) : lapic_read(LAPIC_ID) >> 24;
}

/* ---- To other CPUs ---- */

static void lapic_command(uint32_t target, uint32_t command)
{
    if (x2apic) {
        /* Writing the register does not wait for earlier stores, which the target is to see. */
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_X2APIC + LAPIC_COMMAND, (uint64_t)target << 32 | command);
        return;
    }
    for (unsigned i = 0; i < COMMAND_WAIT_TURNS; i++) {
        if ((lapic_read(LAPIC_COMMAND) & COMMAND_PENDING) == 0)
            break;
        arch_relax();
    }
    lapic_write(LAPIC_COMMAND_HIGH, target << 24);
    lapic_write(LAPIC_COMMAND, command);
}

void arch_ipi_send(struct cpu *cpu)
{
    lapic_command((uint32_t)cpu->hardware_id, COMMAND_FIXED | VECTOR_IPI);
}

void x86_lapic_send_nmi(const struct cpu *cpu)
{
    if (x2apic || registers != NULL)
        lapic_command((uint32_t)cpu->hardware_id, COMMAND_NMI);
}

#ifdef CONFIG_TESTS
void x86_lapic_send_self(unsigned vector)
{
    lapic_command((uint32_t)cpu_self()->hardware_id, COMMAND_FIXED | vector);
}
#endif

/* ---- Timer ---- */

void x86_lapic_timer_start_counting(void)
{
    lapic_switch_on();
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_4);
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
}

uint32_t x86_lapic_timer_counted(void)
{
    return UINT32_MAX - lapic_read(LAPIC_TIMER_CURRENT);
}

void x86_lapic_timer_set_rate(uint64_t count_hz)
{
    ns_to_count = (count_hz << 32) / 1000000000;
}

/* The hardware's reach is limited, and so is the arithmetic's: a deadline further away is
 * approached in steps of at most this, which x86_timer_interrupt takes.
 */
#define TIMER_STEP_NS ((uint64_t)60 * 1000000000)

static uint32_t timer_count(uint64_t span_ns)
{
    uint64_t count = (uint64_t)((unsigned __int128)span_ns * ns_to_count >> 32) + 1;
    return (uint32_t)MIN(count, UINT32_MAX);
}

/* Relative to now, both ways: a deadline converted as a whole would come early by the rounding of
 * the factors over all the time since boot, and the interrupt again and again until it is due.
 */
static void timer_set(uint64_t deadline_ns)
{
    uint64_t now_ns = arch_clock_ns();
    uint64_t span_ns = deadline_ns > now_ns ? MIN(deadline_ns - now_ns, TIMER_STEP_NS) : 0;
    bool off = deadline_ns == UINT64_MAX;
    if (x86_features.tsc_deadline)
        wrmsr(MSR_TSC_DEADLINE, off ? 0 : x86_clock_tsc_after(span_ns));
    else
        lapic_write(LAPIC_TIMER_INITIAL, off ? 0 : timer_count(span_ns));
}

void arch_timer_set(uint64_t deadline_ns)
{
    cpu_self()->arch.timer_ns = deadline_ns;
    timer_set(deadline_ns);
}

void x86_timer_interrupt(void)
{
    struct arch_cpu *arch = arch_cpu_self_arch();
    if (arch->timer_ns == UINT64_MAX)
        return; /* it was switched off while the interrupt was on its way */
    if (arch_clock_ns() < arch->timer_ns) {
        timer_set(arch->timer_ns);
        return;
    }
    arch->timer_ns = UINT64_MAX;
    trap_timer();
}

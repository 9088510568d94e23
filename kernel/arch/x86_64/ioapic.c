/* Interrupt lines: the I/O APICs, and the pair of 8259s that they replace.
 *
 * A line gets a vector when it is first enabled and keeps it. Lines go to the boot CPU.
 */
#include "firmware.h"
#include "regs.h"
#include "x86.h"
#include <arch/irq.h>
#include <kernel/irq.h>
#include <kernel/kmap.h>
#include <kernel/log.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>

enum { IOAPIC_SELECT = 0, IOAPIC_WINDOW = 4 }; /* in words */
enum { IOAPIC_VERSION = 1, IOAPIC_REDIRECTION = 0x10 };

#define REDIRECT_MASKED     0x10000u
#define REDIRECT_LEVEL      0x8000u
#define REDIRECT_ACTIVE_LOW 0x2000u

#define MESSAGE_ADDRESS 0xfee00000u

enum { PIC_MASTER = 0x20, PIC_SLAVE = 0xa0, PIC_READ_IN_SERVICE = 0x0b, PIC_EOI = 0x20 };
enum { ISA_LINES = 16 };

struct ioapic {
    volatile uint32_t *registers;
    unsigned first_line;
    unsigned line_count;
};

static struct spinlock ioapic_lock = SPINLOCK_INIT(RANK_IRQ);
static struct ioapic ioapics[PLATFORM_IOAPIC_MAX]; /* [C] after x86_ioapic_init */
static size_t ioapic_count;                        /* [C] */
static uint32_t boot_lapic_id;                     /* [C] */

enum { REDIRECT_ID_MAX = 254 }; /* a redirection entry has eight bits for it; 255 is everybody */
static uint16_t line_of_vector[256];             /* [L] line + 1, 0: none; read without */
static unsigned next_vector = VECTOR_LINE_FIRST; /* [L] */

static uint32_t ioapic_read(const struct ioapic *ioapic, unsigned index)
{
    ioapic->registers[IOAPIC_SELECT] = index;
    return ioapic->registers[IOAPIC_WINDOW];
}

static void ioapic_write(const struct ioapic *ioapic, unsigned index, uint32_t value)
{
    ioapic->registers[IOAPIC_SELECT] = index;
    ioapic->registers[IOAPIC_WINDOW] = value;
}

static void ioapic_add(const struct platform_ioapic *found)
{
    void *mapped;
    struct ioapic *ioapic = &ioapics[ioapic_count];
    paddr_t page = paddr(ALIGN_DOWN(found->base, (uint64_t)PAGE_SIZE));
    if (kmap_device(page, PAGE_SIZE, &mapped) != OK) {
        log_warn("I/O APIC at %#llx: no room to map it", (unsigned long long)found->base);
        return;
    }
    ioapic->registers = (volatile uint32_t *)((uint8_t *)mapped + (found->base & PAGE_MASK));
    ioapic->first_line = found->first_gsi;
    ioapic->line_count = (ioapic_read(ioapic, IOAPIC_VERSION) >> 16 & 0xff) + 1;
    for (unsigned i = 0; i < ioapic->line_count; i++)
        ioapic_write(ioapic, IOAPIC_REDIRECTION + 2 * i, REDIRECT_MASKED);
    ioapic_count++;
}

void x86_ioapic_init(void)
{
    boot_lapic_id = x86_lapic_id();
    if (boot_lapic_id > REDIRECT_ID_MAX) {
        log_warn("no I/O APIC reaches the boot CPU, whose ID is %u", boot_lapic_id);
        return;
    }
    for (size_t i = 0; i < platform.ioapic_count; i++)
        ioapic_add(&platform.ioapic[i]);
    if (ioapic_count == 0)
        log_warn("no I/O APIC: no device can interrupt");
}

/* ---- Lines ---- */

static const struct ioapic *ioapic_of(unsigned line)
{
    for (size_t i = 0; i < ioapic_count; i++) {
        if (line >= ioapics[i].first_line && line - ioapics[i].first_line < ioapics[i].line_count)
            return &ioapics[i];
    }
    return NULL;
}

unsigned x86_line_of_isa(uint8_t isa_irq)
{
    for (size_t i = 0; i < platform.override_count; i++) {
        if (platform.override[i].isa_irq == isa_irq)
            return platform.override[i].gsi;
    }
    return isa_irq;
}

/* ISA interrupts are edges and PCI ones low levels, unless the firmware says otherwise. */
static uint32_t line_signalling(unsigned line)
{
    for (size_t i = 0; i < platform.override_count; i++) {
        const struct platform_override *override = &platform.override[i];
        if (override->gsi == line)
            return (override->level ? REDIRECT_LEVEL : 0) |
                   (override->active_low ? REDIRECT_ACTIVE_LOW : 0);
    }
    return line < ISA_LINES ? 0 : REDIRECT_LEVEL | REDIRECT_ACTIVE_LOW;
}

/* 0: all are taken. */
static unsigned vector_for_line(unsigned line) REQUIRES(ioapic_lock)
{
    for (unsigned vector = VECTOR_LINE_FIRST; vector < next_vector; vector++) {
        if (line_of_vector[vector] == line + 1)
            return vector;
    }
    if (next_vector > VECTOR_LINE_LAST)
        return 0;
    WRITE_ONCE(line_of_vector[next_vector], (uint16_t)(line + 1));
    return next_vector++;
}

bool x86_line_of_vector(unsigned vector, unsigned *line_out)
{
    uint16_t line = READ_ONCE(line_of_vector[vector & 0xff]);
    if (line == 0)
        return false;
    *line_out = line - 1u;
    return true;
}

static uint32_t signalling_of(unsigned line, enum irq_trigger trigger)
{
    switch (trigger) {
    case IRQ_TRIGGER_EDGE_RISING:
        return 0;
    case IRQ_TRIGGER_EDGE_FALLING:
        return REDIRECT_ACTIVE_LOW;
    case IRQ_TRIGGER_LEVEL_HIGH:
        return REDIRECT_LEVEL;
    case IRQ_TRIGGER_LEVEL_LOW:
        return REDIRECT_LEVEL | REDIRECT_ACTIVE_LOW;
    default:
        return line_signalling(line);
    }
}

static bool is_message(unsigned line)
{
    return line >= IRQ_MESSAGE_FIRST && line < IRQ_MAX;
}

static enum status message_configure(unsigned line, enum irq_trigger trigger, bool *edge_out)
{
    if (trigger != IRQ_TRIGGER_FIRMWARE || boot_lapic_id > REDIRECT_ID_MAX)
        return ERR_UNSUPPORTED;
    spinlock_acquire(&ioapic_lock);
    unsigned vector = vector_for_line(line);
    spinlock_release(&ioapic_lock);
    *edge_out = true;
    return vector != 0 ? OK : ERR_LIMIT;
}

enum status arch_irq_configure(unsigned line, enum irq_trigger trigger, bool *edge_out)
{
    const struct ioapic *ioapic = ioapic_of(line);
    if (is_message(line))
        return message_configure(line, trigger, edge_out);
    if (ioapic == NULL || line >= IRQ_MESSAGE_FIRST)
        return ERR_RANGE;

    spinlock_acquire(&ioapic_lock);
    unsigned vector = vector_for_line(line);
    if (vector != 0) {
        uint32_t signalling = signalling_of(line, trigger);
        unsigned index = IOAPIC_REDIRECTION + 2 * (line - ioapic->first_line);
        ioapic_write(ioapic, index, REDIRECT_MASKED | signalling | vector);
        ioapic_write(ioapic, index + 1, boot_lapic_id << 24);
        *edge_out = (signalling & REDIRECT_LEVEL) == 0;
    }
    spinlock_release(&ioapic_lock);
    return vector != 0 ? OK : ERR_LIMIT;
}

static void line_mask(unsigned line, bool masked)
{
    const struct ioapic *ioapic = ioapic_of(line);
    if (ioapic == NULL || is_message(line))
        return;
    spinlock_acquire(&ioapic_lock);
    unsigned index = IOAPIC_REDIRECTION + 2 * (line - ioapic->first_line);
    uint32_t entry = ioapic_read(ioapic, index) & ~REDIRECT_MASKED;
    ioapic_write(ioapic, index, entry | (masked ? REDIRECT_MASKED : 0));
    spinlock_release(&ioapic_lock);
}

void arch_irq_enable(unsigned line)
{
    line_mask(line, false);
}

void arch_irq_disable(unsigned line)
{
    line_mask(line, true);
}

/* ---- Messages ----
 *
 * A write to the local controller's window is an interrupt, edge triggered (Intel SDM vol. 3,
 * 11.11): the address names the CPU, the data the vector.
 */

enum status arch_irq_message(unsigned line, uint64_t *address_out, uint64_t *data_out)
{
    if (!is_message(line) || boot_lapic_id > REDIRECT_ID_MAX)
        return ERR_UNSUPPORTED;
    spinlock_acquire(&ioapic_lock);
    unsigned vector = vector_for_line(line);
    spinlock_release(&ioapic_lock);
    *address_out = MESSAGE_ADDRESS | boot_lapic_id << 12;
    *data_out = vector;
    return vector != 0 ? OK : ERR_LIMIT;
}

#ifdef CONFIG_TESTS
void arch_irq_raise(unsigned line)
{
    spinlock_acquire(&ioapic_lock);
    unsigned vector = vector_for_line(line);
    spinlock_release(&ioapic_lock);
    x86_lapic_send_self(vector);
}
#endif

/* ---- The 8259s ---- */

/* Moved away from the exceptions' vectors first: even masked, they raise spurious interrupts. */
void x86_pic_mask(void)
{
    out8(PIC_MASTER, 0x11);
    out8(PIC_SLAVE, 0x11);
    out8(PIC_MASTER + 1, VECTOR_PIC);
    out8(PIC_SLAVE + 1, VECTOR_PIC + 8);
    out8(PIC_MASTER + 1, 4);
    out8(PIC_SLAVE + 1, 2);
    out8(PIC_MASTER + 1, 1);
    out8(PIC_SLAVE + 1, 1);
    out8(PIC_MASTER + 1, 0xff);
    out8(PIC_SLAVE + 1, 0xff);
}

/* A spurious 7 or 15 is not in service and must not be acknowledged, except at the master when it
 * comes by way of the slave. Anything else here was masked too late: acknowledge it, and it stays
 * away.
 */
void x86_pic_interrupt(unsigned vector)
{
    unsigned line = vector - VECTOR_PIC;
    uint16_t pic = line < 8 ? PIC_MASTER : PIC_SLAVE;
    out8(pic, PIC_READ_IN_SERVICE);
    bool in_service = (in8(pic) >> (line & 7) & 1) != 0;
    if (in_service)
        out8(pic, PIC_EOI);
    if (pic == PIC_SLAVE)
        out8(PIC_MASTER, PIC_EOI);
}

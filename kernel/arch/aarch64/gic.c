/* The interrupt controller: what both versions share. */
#include "gic.h"
#include "firmware.h"

#include <arch/irq.h>
#include <arch_impl/mmio.h>
#include <kernel/kmap.h>
#include <kernel/panic.h>
#include <kernel/spinlock.h>

const struct gic_driver *gic;
unsigned gic_line_count;
volatile void *gic_distributor;

static struct spinlock gic_lock = SPINLOCK_INIT(RANK_IRQ);

void *gic_map(uint64_t base, uint64_t size_bytes, const char *what)
{
    void *at;
    if (base == 0 || kmap_device(paddr(base), size_bytes, &at) != OK)
        panic("interrupt controller: cannot map the %s at %#llx", what, (unsigned long long)base);
    return at;
}

unsigned gic_distributor_reset(volatile void *distributor)
{
    unsigned count = 32 * ((mmio_read32(distributor, GICD_TYPER) & 0x1f) + 1);
    if (count > GIC_SPI_END)
        count = GIC_SPI_END;
    for (unsigned line = GIC_SPI_FIRST; line < count; line += 32) {
        mmio_write32(distributor, GICD_ICENABLER + line / 8, UINT32_MAX);
        mmio_write32(distributor, GICD_ICPENDR + line / 8, UINT32_MAX);
        mmio_write32(distributor, GICD_ICACTIVER + line / 8, UINT32_MAX);
    }
    for (unsigned line = GIC_SPI_FIRST; line < count; line += 4)
        mmio_write32(distributor, GICD_IPRIORITYR + line, GIC_PRIORITY * 0x01010101u);
    return count;
}

void gic_init(void)
{
    switch (platform.gic_version) {
    case 2:
        gic = &gic_v2;
        break;
    case 3:
    case 4: /* used as a GICv3 */
        gic = &gic_v3;
        break;
    default:
        panic("no interrupt controller that the kernel knows (GICv2 or GICv3)");
    }
    gic->init();
}

static bool is_line(unsigned line)
{
    return line >= GIC_SPI_FIRST && line < gic_line_count;
}

/* Two bits for each line, the upper of which says edge. There is no choice of polarity. */
static bool configure_edge(unsigned line, enum irq_trigger trigger)
{
    uint64_t at = GICD_ICFGR + line / 16 * 4;
    uint32_t bit = 2u << line % 16 * 2;
    uint32_t value = mmio_read32(gic_distributor, at);
    if (trigger != IRQ_TRIGGER_FIRMWARE) {
        value = trigger == IRQ_TRIGGER_EDGE_RISING ? value | bit : value & ~bit;
        mmio_write32(gic_distributor, at, value);
    }
    return (value & bit) != 0;
}

enum status arch_irq_configure(unsigned line, enum irq_trigger trigger, bool *edge_out)
{
    if (!is_line(line))
        return ERR_RANGE;
    if (trigger == IRQ_TRIGGER_EDGE_FALLING || trigger == IRQ_TRIGGER_LEVEL_LOW)
        return ERR_UNSUPPORTED;
    spinlock_acquire(&gic_lock);
    gic->disable(line);
    *edge_out = configure_edge(line, trigger);
    mmio_write32(gic_distributor, GICD_ICPENDR + line / 32 * 4, 1u << line % 32);
    spinlock_release(&gic_lock);
    return OK;
}

void arch_irq_enable(unsigned line)
{
    if (!is_line(line))
        return;
    spinlock_acquire(&gic_lock);
    gic->enable(line);
    spinlock_release(&gic_lock);
}

void arch_irq_disable(unsigned line)
{
    if (!is_line(line))
        return;
    spinlock_acquire(&gic_lock);
    gic->disable(line);
    spinlock_release(&gic_lock);
}

enum status arch_irq_message(unsigned line, uint64_t *address_out, uint64_t *data_out)
{
    (void)line;
    (void)address_out;
    (void)data_out;
    return ERR_UNSUPPORTED;
}

#ifdef CONFIG_TESTS
void arch_irq_raise(unsigned line)
{
    mmio_write32(gic_distributor, GICD_ISPENDR + line / 32 * 4, 1u << line % 32);
}
#endif

void arch_ipi_send(struct cpu *cpu)
{
    gic->send_sgi(cpu, GIC_SGI_IPI);
}

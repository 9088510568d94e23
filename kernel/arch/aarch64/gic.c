/* The interrupt controller: what both versions share. */
#include "gic.h"

#include <arch/irq.h>
#include <arch_impl/mmio.h>
#include <kernel/kmap.h>
#include <kernel/panic.h>
#include <kernel/platform.h>
#include <kernel/spinlock.h>

const struct gic_driver *gic;
unsigned gic_line_count;

static struct spinlock gic_lock = SPINLOCK_INIT(RANK_IRQ);

void *gic_map(uint64_t base, uint64_t size_bytes, const char *what)
{
    void *at;
    if (base == 0 || kmap_device(paddr(base), size_bytes,
                                 PERM_READ | PERM_WRITE | PERM_DEVICE | PERM_GLOBAL, &at) != OK)
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

enum status arch_irq_enable(unsigned line)
{
    if (line < GIC_SPI_FIRST || line >= gic_line_count)
        return ERR_RANGE;
    spinlock_acquire(&gic_lock);
    gic->enable(line);
    spinlock_release(&gic_lock);
    return OK;
}

void arch_irq_disable(unsigned line)
{
    if (line < GIC_SPI_FIRST || line >= gic_line_count)
        return;
    spinlock_acquire(&gic_lock);
    gic->disable(line);
    spinlock_release(&gic_lock);
}

void arch_ipi_send(struct cpu *cpu)
{
    gic->send_sgi(cpu, GIC_SGI_IPI);
}

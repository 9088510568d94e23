/* GICv2 (IHI 0048): distributor and CPU interface in memory, at most eight CPUs. */
#include "firmware.h"
#include "gic.h"

#include <arch_impl/mmio.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>

enum {
    GICC_CTLR = 0x00,
    GICC_PMR = 0x04,
    GICC_BPR = 0x08,
    GICC_IAR = 0x0c,
    GICC_EOIR = 0x10,
    GICD_SIZE = 0x1000,
    GICC_SIZE = 0x2000,
    SGIR_OTHERS = 1 << 24,
    SGIR_TARGET_SHIFT = 16,
};

static volatile void *distributor;
static volatile void *interface;
static uint8_t boot_interface;

static void v2_init(void)
{
    distributor = gic_map(platform.gicd_base, GICD_SIZE, "distributor");
    gic_distributor = distributor;
    interface = gic_map(platform.gicc_base, GICC_SIZE, "CPU interface");
    mmio_write32(distributor, GICD_CTLR, 0);
    gic_line_count = gic_distributor_reset(distributor);
    mmio_write32(distributor, GICD_CTLR, 1);
}

/* The banked target registers of SGIs and PPIs name the CPU that reads them; with one CPU they are
 * 0. */
static uint8_t own_interface(void)
{
    for (unsigned i = 0; i < 8; i++) {
        uint32_t targets = mmio_read32(distributor, GICD_ITARGETSR + 4 * i);
        targets |= targets >> 16;
        targets |= targets >> 8;
        if ((targets & 0xff) != 0)
            return (uint8_t)targets;
    }
    return 1;
}

static void v2_cpu_init(struct cpu *cpu, unsigned intid)
{
    cpu->arch.gic_interface = own_interface();
    if (cpu->index == 0)
        boot_interface = cpu->arch.gic_interface;
    mmio_write32(distributor, GICD_ICENABLER, UINT32_MAX);
    mmio_write32(distributor, GICD_ICACTIVER, UINT32_MAX);
    for (unsigned sgi = 0; sgi < 16; sgi += 4)
        mmio_write32(distributor, GICD_CPENDSGIR + sgi, UINT32_MAX);
    for (unsigned line = 0; line < GIC_SPI_FIRST; line += 4)
        mmio_write32(distributor, GICD_IPRIORITYR + line, GIC_PRIORITY * 0x01010101u);
    mmio_write32(distributor, GICD_ISENABLER, 1u << GIC_SGI_IPI | 1u << GIC_SGI_STOP | 1u << intid);
    mmio_write32(interface, GICC_PMR, 0xf0);
    mmio_write32(interface, GICC_BPR, 0);
    mmio_write32(interface, GICC_CTLR, 1);
}

static uint32_t v2_acknowledge(void)
{
    uint32_t token = mmio_read32(interface, GICC_IAR);
    DSB(sy); /* the read takes effect before what the handler does */
    return token;
}

static void v2_end(uint32_t token)
{
    mmio_write32(interface, GICC_EOIR, token);
}

static void v2_enable(unsigned line)
{
    mmio_write8(distributor, GICD_ITARGETSR + line, boot_interface);
    mmio_write32(distributor, GICD_ISENABLER + line / 32 * 4, 1u << line % 32);
}

static void v2_disable(unsigned line)
{
    mmio_write32(distributor, GICD_ICENABLER + line / 32 * 4, 1u << line % 32);
}

/* What the interrupted CPU will look at must be visible before the interrupt is: device writes are
 * not ordered after normal ones by themselves.
 */
static void v2_send_sgi(const struct cpu *target, unsigned sgi)
{
    DSB(ish);
    mmio_write32(distributor, GICD_SGIR,
                 (uint32_t)target->arch.gic_interface << SGIR_TARGET_SHIFT | sgi);
}

static void v2_send_sgi_to_others(unsigned sgi)
{
    DSB(ish);
    mmio_write32(distributor, GICD_SGIR, SGIR_OTHERS | sgi);
}

const struct gic_driver gic_v2 = {
    .name = "GICv2",
    .init = v2_init,
    .cpu_init = v2_cpu_init,
    .acknowledge = v2_acknowledge,
    .end = v2_end,
    .enable = v2_enable,
    .disable = v2_disable,
    .send_sgi = v2_send_sgi,
    .send_sgi_to_others = v2_send_sgi_to_others,
};

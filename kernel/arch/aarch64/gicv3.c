/* GICv3 (IHI 0069): distributor and redistributors in memory, CPU interface in system registers.
 * One security state or the non-secure side of two: everything is group 1.
 */
#include "firmware.h"
#include "gic.h"

#include <arch_impl/mmio.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>

enum {
    CTLR_GROUP_1 = 1 << 1,
    CTLR_ARE = 1 << 4,
    CTLR_WRITE_PENDING = 1 << 3, /* GICR_CTLR; in GICD_CTLR it is bit 31 */
    GICR_CTLR = 0x0000,
    GICR_TYPER = 0x0008,
    GICR_WAKER = 0x0014,
    GICR_SGI_FRAME = 0x10000,
    GICR_SIZE = 0x20000,
    GICR_SIZE_VLPIS = 0x40000,
    GICD_SIZE = 0x10000,
    WAKER_PROCESSOR_SLEEP = 1 << 1,
    WAKER_CHILDREN_ASLEEP = 1 << 2,
    SGI1R_OTHERS_BIT = 40,
};
#define GICD_WRITE_PENDING (1u << 31)
#define TYPER_VLPIS        BIT64(1)
#define TYPER_LAST         BIT64(4)
#define GIC_WAIT_TURNS     1000000

/* The CPU interface, by encoding: the assembler wants -march=armv8-a+gic otherwise. */
#define ICC_PMR     S3_0_C4_C6_0
#define ICC_AP1R0   S3_0_C12_C9_0
#define ICC_IAR1    S3_0_C12_C12_0
#define ICC_EOIR1   S3_0_C12_C12_1
#define ICC_BPR1    S3_0_C12_C12_3
#define ICC_CTLR    S3_0_C12_C12_4
#define ICC_SRE     S3_0_C12_C12_5
#define ICC_IGRPEN1 S3_0_C12_C12_7
#define ICC_SGI1R   S3_0_C12_C11_5
/* The macros above must be expanded before they become text. */
#define ICC_READ(name)         SYSREG_READ(name)
#define ICC_WRITE(name, value) SYSREG_WRITE(name, value)

static volatile void *distributor;
static volatile void *region[PLATFORM_GICR_MAX];

static void wait_clear(volatile void *base, uint64_t offset, uint32_t bits, const char *what)
{
    for (unsigned turn = 0; turn < GIC_WAIT_TURNS; turn++) {
        if ((mmio_read32(base, offset) & bits) == 0)
            return;
    }
    panic("interrupt controller: %s does not become ready", what);
}

static void v3_init(void)
{
    distributor = gic_map(platform.gicd_base, GICD_SIZE, "distributor");
    gic_distributor = distributor;
    for (size_t i = 0; i < platform.gicr_count; i++)
        region[i] = gic_map(platform.gicr[i].base, platform.gicr[i].size_bytes, "redistributors");

    /* Affinity routing may be switched on only while all groups are off, and never off again
     * (IHI 0069, GICD_CTLR.ARE_NS).
     */
    mmio_write32(distributor, GICD_CTLR, mmio_read32(distributor, GICD_CTLR) & CTLR_ARE);
    wait_clear(distributor, GICD_CTLR, GICD_WRITE_PENDING, "the distributor");
    mmio_write32(distributor, GICD_CTLR, CTLR_ARE);
    wait_clear(distributor, GICD_CTLR, GICD_WRITE_PENDING, "the distributor");
    gic_line_count = gic_distributor_reset(distributor);
    for (unsigned line = GIC_SPI_FIRST; line < gic_line_count; line += 32) {
        mmio_write32(distributor, GICD_IGROUPR + line / 8, UINT32_MAX);
        mmio_write32(distributor, GICD_IGRPMODR + line / 8, 0);
    }
    wait_clear(distributor, GICD_CTLR, GICD_WRITE_PENDING, "the distributor");
    mmio_write32(distributor, GICD_CTLR, CTLR_ARE | CTLR_GROUP_1);
    wait_clear(distributor, GICD_CTLR, GICD_WRITE_PENDING, "the distributor");

    uint64_t boot = SYSREG_READ(mpidr_el1) & MPIDR_AFFINITY;
    for (unsigned line = GIC_SPI_FIRST; line < gic_line_count; line++)
        mmio_write64(distributor, GICD_IROUTER + 8 * (uint64_t)line, boot);
}

/* Affinity as GICR_TYPER has it in its upper half. */
static uint32_t packed_affinity(uint64_t mpidr)
{
    return (uint32_t)(mpidr & 0xffffff) | (uint32_t)(mpidr >> 32 & 0xff) << 24;
}

static void *find_in_region(size_t which, uint32_t affinity)
{
    uint64_t size_bytes = platform.gicr[which].size_bytes;
    uint64_t step = 0;
    for (uint64_t offset = 0; size_bytes - offset >= GICR_SIZE; offset += step) {
        volatile char *frame = (volatile char *)region[which] + offset;
        uint64_t typer = mmio_read64(frame, GICR_TYPER);
        if ((uint32_t)(typer >> 32) == affinity)
            return (void *)(uintptr_t)frame;
        step = (typer & TYPER_VLPIS) != 0 ? GICR_SIZE_VLPIS : GICR_SIZE;
        if ((typer & TYPER_LAST) != 0 || size_bytes - offset < step)
            break;
    }
    return NULL;
}

static void *find_redistributor(void)
{
    uint64_t mpidr = SYSREG_READ(mpidr_el1) & MPIDR_AFFINITY;
    for (size_t i = 0; i < platform.gicr_count; i++) {
        void *found = find_in_region(i, packed_affinity(mpidr));
        if (found != NULL)
            return found;
    }
    panic("interrupt controller: no redistributor for the CPU with affinity %#llx",
          (unsigned long long)mpidr);
}

static void redistributor_init(volatile char *frame, unsigned intid)
{
    volatile char *sgi = frame + GICR_SGI_FRAME;
    mmio_write32(frame, GICR_WAKER,
                 mmio_read32(frame, GICR_WAKER) & ~(uint32_t)WAKER_PROCESSOR_SLEEP);
    wait_clear(frame, GICR_WAKER, WAKER_CHILDREN_ASLEEP, "a redistributor");

    mmio_write32(sgi, GICD_ICENABLER, UINT32_MAX);
    mmio_write32(sgi, GICD_ICPENDR, UINT32_MAX);
    mmio_write32(sgi, GICD_ICACTIVER, UINT32_MAX);
    wait_clear(frame, GICR_CTLR, CTLR_WRITE_PENDING, "a redistributor");
    mmio_write32(sgi, GICD_IGROUPR, UINT32_MAX);
    mmio_write32(sgi, GICD_IGRPMODR, 0);
    for (unsigned line = 0; line < GIC_SPI_FIRST; line += 4)
        mmio_write32(sgi, GICD_IPRIORITYR + line, GIC_PRIORITY * 0x01010101u);
    mmio_write32(sgi, GICD_ISENABLER, 1u << GIC_SGI_IPI | 1u << GIC_SGI_STOP | 1u << intid);
    wait_clear(frame, GICR_CTLR, CTLR_WRITE_PENDING, "a redistributor");
}

static void v3_cpu_init(struct cpu *cpu, unsigned intid)
{
    ICC_WRITE(ICC_SRE, ICC_READ(ICC_SRE) | 1);
    isb();
    if ((ICC_READ(ICC_SRE) & 1) == 0)
        panic("interrupt controller: the system register interface is disabled");

    cpu->arch.gic_redistributor = find_redistributor();
    redistributor_init(cpu->arch.gic_redistributor, intid);
    ICC_WRITE(ICC_PMR, 0xf0);
    ICC_WRITE(ICC_BPR1, 0);
    ICC_WRITE(ICC_AP1R0, 0); /* nothing that was taken before keeps anything out */
    ICC_WRITE(ICC_CTLR, 0);  /* one write to EOIR1 ends an interrupt */
    ICC_WRITE(ICC_IGRPEN1, 1);
    isb();
}

static uint32_t v3_acknowledge(void)
{
    uint32_t intid = (uint32_t)ICC_READ(ICC_IAR1);
    DSB(sy); /* the read takes effect before what the handler does */
    return intid;
}

static void v3_end(uint32_t token)
{
    ICC_WRITE(ICC_EOIR1, token);
    isb();
}

static void v3_enable(unsigned line)
{
    mmio_write32(distributor, GICD_ISENABLER + line / 32 * 4, 1u << line % 32);
}

static void v3_disable(unsigned line)
{
    mmio_write32(distributor, GICD_ICENABLER + line / 32 * 4, 1u << line % 32);
    wait_clear(distributor, GICD_CTLR, GICD_WRITE_PENDING, "the distributor");
}

/* ICC_SGI1R_EL1: a bit for the CPU within its group of 16, and the affinity of the group. */
static uint64_t sgi_target(uint64_t mpidr)
{
    uint64_t aff0 = mpidr & 0xff;
    uint64_t aff1 = mpidr >> 8 & 0xff;
    uint64_t aff2 = mpidr >> 16 & 0xff;
    uint64_t aff3 = mpidr >> 32 & 0xff;
    return aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | aff1 << 16 | BIT64(aff0 & 0xf);
}

/* The barrier: what the interrupted CPU will look at must be visible before the interrupt is. */
static void v3_send_sgi(const struct cpu *target, unsigned sgi)
{
    DSB(ish);
    ICC_WRITE(ICC_SGI1R, sgi_target(target->hardware_id) | (uint64_t)sgi << 24);
    isb();
}

static void v3_send_sgi_to_others(unsigned sgi)
{
    DSB(ish);
    ICC_WRITE(ICC_SGI1R, BIT64(SGI1R_OTHERS_BIT) | (uint64_t)sgi << 24);
    isb();
}

const struct gic_driver gic_v3 = {
    .name = "GICv3",
    .init = v3_init,
    .cpu_init = v3_cpu_init,
    .acknowledge = v3_acknowledge,
    .end = v3_end,
    .enable = v3_enable,
    .disable = v3_disable,
    .send_sgi = v3_send_sgi,
    .send_sgi_to_others = v3_send_sgi_to_others,
};

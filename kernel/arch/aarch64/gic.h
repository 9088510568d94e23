/* The interrupt controller, GICv2 or GICv3, behind one table of operations. */
#pragma once

#include <base/status.h>
#include <stdbool.h>
#include <stdint.h>

struct cpu;

enum {
    GIC_SGI_IPI = 0,
    GIC_SGI_STOP = 1,
    GIC_SPI_FIRST = 32,
    GIC_SPI_END = 1020,
    GIC_PRIORITY = 0xa0,
};

/* INTIDs 1020 to 1023 mean "nothing for you". */
static inline bool gic_is_special(unsigned intid)
{
    return intid >= 1020 && intid <= 1023;
}

struct gic_driver {
    const char *name;
    /* Boot CPU, once. Panics with the reason. */
    void (*init)(void);
    /* This CPU's interface, with `intid` (the timer's) and the SGIs enabled. */
    void (*cpu_init)(struct cpu *cpu, unsigned intid);
    /* Take the next interrupt: a token whose low bits are the INTID (gic_intid). */
    uint32_t (*acknowledge)(void);
    void (*end)(uint32_t token);
    /* GIC_SPI_FIRST <= line < line_count */
    void (*enable)(unsigned line);
    void (*disable)(unsigned line);
    void (*send_sgi)(const struct cpu *target, unsigned sgi);
    void (*send_sgi_to_others)(unsigned sgi);
};

extern const struct gic_driver gic_v2, gic_v3;
extern const struct gic_driver *gic;
extern unsigned gic_line_count; /* INTIDs of the distributor, SGIs and PPIs included */

extern volatile void *gic_distributor;

/* Choose by `platform` and set it up. */
void gic_init(void);

/* The GICv2 token carries the sender of an SGI in bits 10 to 12. */
static inline unsigned gic_intid(uint32_t token)
{
    return token & 0x3ff;
}

/* The part of the distributor that both versions share (GIC specification IHI 0069, 12.9). */
enum {
    GICD_CTLR = 0x000,
    GICD_TYPER = 0x004,
    GICD_IGROUPR = 0x080,
    GICD_ISENABLER = 0x100,
    GICD_ICENABLER = 0x180,
    GICD_ISPENDR = 0x200,
    GICD_ICPENDR = 0x280,
    GICD_ICACTIVER = 0x380,
    GICD_IPRIORITYR = 0x400,
    GICD_ITARGETSR = 0x800,
    GICD_ICFGR = 0xc00,
    GICD_SGIR = 0xf00,
    GICD_CPENDSGIR = 0xf10, /* GICv2 */
    GICD_IGRPMODR = 0xd00,
    GICD_IROUTER = 0x6000,
};

void *gic_map(uint64_t base, uint64_t size_bytes, const char *what);
/* All SPIs off, not pending, of one priority. Returns how many INTIDs there are. */
unsigned gic_distributor_reset(volatile void *distributor);

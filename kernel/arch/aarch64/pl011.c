/* The PL011 serial port (DDI 0183). Firmware has set its speed. */
#include "pl011_impl.h"

#include "firmware.h"
#include "mmu_impl.h"

#include <arch/console.h>
#include <arch/cpu.h>
#include <arch/irq.h>
#include <arch_impl/mmio.h>
#include <base/bytes.h>
#include <kernel/boot_info.h>
#include <kernel/irq.h>
#include <kernel/kmap.h>
#include <kernel/log.h>

enum {
    UARTDR = 0x00,
    UARTFR = 0x18,
    UARTLCR_H = 0x2c,
    UARTCR = 0x30,
    UARTIMSC = 0x38,
    UARTICR = 0x44,
    FR_BUSY = 1 << 3,
    FR_RX_EMPTY = 1 << 4,
    FR_TX_FULL = 1 << 5,
    LCR_FIFO = 1 << 4,
    LCR_8_BITS = 3 << 5,
    CR_ENABLE = 1 << 0,
    CR_TX = 1 << 8,
    CR_RX = 1 << 9,
    INT_RX = 1 << 4,
    INT_RX_TIMEOUT = 1 << 6,
    INT_ALL = 0x7ff,
    TX_TURNS = 1000000,
    FDT_MAGIC = 0xd00dfeed,
    FDT_SIZE_MAX = 2 * 1024 * 1024,
};

static volatile void *port; /* NULL: no console */

/* The line's form may change only while the port is off, and switching it off cuts a character that
 * is on its way (3.3.7, 3.3.8): what firmware said last goes out first.
 */
static void port_setup(volatile void *at)
{
    for (unsigned turn = 0; turn < TX_TURNS; turn++) {
        if ((mmio_read32(at, UARTFR) & FR_BUSY) == 0)
            break;
    }
    uint32_t control = mmio_read32(at, UARTCR) | CR_TX | CR_RX;
    mmio_write32(at, UARTCR, control & ~(uint32_t)CR_ENABLE);
    mmio_write32(at, UARTIMSC, 0);
    mmio_write32(at, UARTICR, INT_ALL);
    mmio_write32(at, UARTLCR_H, LCR_FIFO | LCR_8_BITS);
    mmio_write32(at, UARTCR, control | CR_ENABLE);
}

/* Who waited for nothing once does not wait again, until there is room after all. */
void arch_console_put(char c)
{
    static bool stuck;
    if (port == NULL)
        return;
    unsigned turns = READ_ONCE(stuck) ? 1 : TX_TURNS;
    for (unsigned turn = 0; turn < turns; turn++) {
        if ((mmio_read32(port, UARTFR) & FR_TX_FULL) == 0) {
            mmio_write32(port, UARTDR, (uint8_t)c);
            WRITE_ONCE(stuck, false);
            return;
        }
    }
    WRITE_ONCE(stuck, true);
}

/* ---- Before there are kernel tables ---- */

/* Firmware tables lie in memory that the map names; the loader's direct map covers that. */
static const void *map_early(void *context, paddr_t pa, size_t size_bytes)
{
    const struct boot_info *info = context;
    for (size_t i = 0; i < info->region_count; i++) {
        const struct boot_region *region = &info->region[i];
        if (region->kind != BOOT_REGION_RESERVED && pa.raw >= region->base &&
            pa.raw - region->base <= region->size_bytes &&
            size_bytes <= region->size_bytes - (pa.raw - region->base))
            return paddr_to_kernel(pa);
    }
    return NULL;
}

static bool find_in_fdt(const struct boot_info *info, struct platform_info *found)
{
    if (info->dtb == NULL)
        return false;
    paddr_t at = paddr_of_direct(info->dtb);
    const uint8_t *header = map_early((void *)(uintptr_t)info, at, 8);
    if (header == NULL || load_be32(header) != FDT_MAGIC)
        return false;
    uint32_t size_bytes = load_be32(header + 4);
    if (size_bytes > FDT_SIZE_MAX || map_early((void *)(uintptr_t)info, at, size_bytes) == NULL)
        return false;
    return fdt_parse(info->dtb, size_bytes, found) == OK && found->uart == UART_PL011;
}

static bool find_in_acpi(const struct boot_info *info, struct platform_info *found)
{
    return info->rsdp.raw != 0 &&
           arm_acpi_parse(info->rsdp, map_early, (void *)(uintptr_t)info, found) == OK &&
           found->uart == UART_PL011;
}

void console_early_init(const struct boot_info *info)
{
    static struct platform_info found;
    if (!find_in_fdt(info, &found)) {
        found = (struct platform_info){ .uart = UART_NONE };
        if (!find_in_acpi(info, &found))
            return;
    }
    if (mmu_early_map_device(paddr(found.uart_base)) != OK)
        return;
    port = (volatile void *)(uintptr_t)found.uart_base;
    port_setup(port);
}

void console_init(void)
{
    void *mapped;
    if (platform.uart != UART_PL011 ||
        kmap_device(paddr(platform.uart_base), PAGE_SIZE, &mapped) != OK) {
        port = NULL; /* the early mapping is about to go */
        return;
    }
    port_setup(mapped);
    port = mapped;
}

/* ---- Input ---- */

#ifdef CONFIG_SHELL
static void (*receiver)(void *context);

int arch_console_get(void)
{
    if (port == NULL || (mmio_read32(port, UARTFR) & FR_RX_EMPTY) != 0)
        return -1;
    return (int)(mmio_read32(port, UARTDR) & 0xff);
}

/* Acknowledged before it is drained: a character that comes meanwhile raises it anew. */
static void receive_interrupt(void *context)
{
    mmio_write32(port, UARTICR, INT_RX | INT_RX_TIMEOUT);
    receiver(context);
}

void arch_console_receive(void (*handler)(void *context))
{
    if (port == NULL)
        return;
    receiver = handler;
    bool edge;
    spinlock_acquire(&irq_lock);
    enum status status =
        irq_attach(platform.uart_irq, IRQ_TRIGGER_FIRMWARE, receive_interrupt, NULL, &edge);
    spinlock_release(&irq_lock);
    if (status != OK) {
        log_warn("console: no receive interrupt: %s", status_text(status));
        return;
    }
    arch_irq_enable(platform.uart_irq);
    mmio_write32(port, UARTICR, INT_RX | INT_RX_TIMEOUT);
    mmio_write32(port, UARTIMSC, INT_RX | INT_RX_TIMEOUT);
}
#endif

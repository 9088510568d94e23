/* The serial port: a 16550, on ports or in memory. */
#include "firmware.h"
#include "regs.h"
#include "x86.h"
#include <arch/console.h>
#include <arch/irq.h>
#include <kernel/irq.h>
#include <kernel/kmap.h>
#include <kernel/log.h>

enum { COM1_PORT = 0x3f8, COM1_IRQ = 4 };

enum {
    UART_DATA = 0,
    UART_INTERRUPTS = 1,
    UART_FIFO = 2,
    UART_LINE = 3,
    UART_MODEM = 4,
    UART_STATUS = 5,
    UART_SCRATCH = 7,
};

enum { LINE_8N1 = 0x03, LINE_DIVISOR = 0x80, FIFO_ON = 0x07 };
enum { MODEM_DTR = 1, MODEM_RTS = 2, MODEM_OUT2 = 8 }; /* OUT2 lets the interrupt through */
enum { STATUS_RECEIVED = 0x01, STATUS_ROOM = 0x20 };
enum { INTERRUPT_RECEIVED = 0x01 };

/* At 115,200 baud a character takes 87 us; a port that takes longer than this many reads is dead.
 */
enum { WAIT_TURNS = 100 * 1000 };

static uint16_t port = COM1_PORT;
static volatile uint8_t *memory; /* NULL: by port */
static bool present;

static uint8_t uart_read(unsigned index)
{
    return memory != NULL ? memory[index] : in8((uint16_t)(port + index));
}

static void uart_write(unsigned index, uint8_t value)
{
    if (memory != NULL)
        memory[index] = value;
    else
        out8((uint16_t)(port + index), value);
}

/* Nothing answers with all ones, and keeps no scratch byte. */
static void uart_start(void)
{
    uart_write(UART_SCRATCH, 0x5a);
    present = uart_read(UART_SCRATCH) == 0x5a || uart_read(UART_STATUS) != 0xff;
    if (!present)
        return;
    uart_write(UART_INTERRUPTS, 0);
    uart_write(UART_LINE, LINE_DIVISOR);
    uart_write(UART_DATA, 1); /* 115,200 baud */
    uart_write(UART_INTERRUPTS, 0);
    uart_write(UART_LINE, LINE_8N1);
    uart_write(UART_FIFO, FIFO_ON);
    uart_write(UART_MODEM, MODEM_DTR | MODEM_RTS | MODEM_OUT2);
}

void x86_console_init(void)
{
    uart_start();
}

/* The firmware's tables may name another port than COM1. */
void x86_console_platform_init(void)
{
    void *mapped;
    paddr_t page = paddr(ALIGN_DOWN(platform.uart_base, (uint64_t)PAGE_SIZE));
    if (platform.uart == UART_16550_PORT && platform.uart_base <= UINT16_MAX - 7) {
        if (platform.uart_base == port)
            return;
        port = (uint16_t)platform.uart_base;
    } else if (platform.uart == UART_16550_MMIO && kmap_device(page, PAGE_SIZE, &mapped) == OK) {
        memory = (volatile uint8_t *)mapped + (platform.uart_base & PAGE_MASK);
    } else {
        return;
    }
    uart_start();
}

/* Who waited for nothing once does not wait again, until there is room after all. */
void arch_console_put(char c)
{
    static bool stuck;
    if (!present)
        return;
    unsigned turns = READ_ONCE(stuck) ? 1 : WAIT_TURNS;
    for (unsigned i = 0; i < turns; i++) {
        if ((uart_read(UART_STATUS) & STATUS_ROOM) != 0) {
            uart_write(UART_DATA, (uint8_t)c);
            WRITE_ONCE(stuck, false);
            return;
        }
        arch_relax();
    }
    WRITE_ONCE(stuck, true);
}

#ifdef CONFIG_SHELL
int arch_console_get(void)
{
    if (!present || (uart_read(UART_STATUS) & STATUS_RECEIVED) == 0)
        return -1;
    return uart_read(UART_DATA);
}

void arch_console_receive(void (*handler)(void *context))
{
    unsigned line = platform.uart != UART_NONE ? platform.uart_irq : x86_line_of_isa(COM1_IRQ);
    bool edge;
    if (!present)
        return;
    spinlock_acquire(&irq_lock);
    enum status status = irq_attach(line, IRQ_TRIGGER_FIRMWARE, handler, NULL, &edge);
    spinlock_release(&irq_lock);
    if (status != OK) {
        log_warn("serial port: no interrupt on line %u", line);
        return;
    }
    arch_irq_enable(line);
    uart_write(UART_INTERRUPTS, INTERRUPT_RECEIVED);
}
#endif

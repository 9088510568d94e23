/* Interrupt mask and serial port of a PC: the 16550 at COM1, as the firmware has set it up. */
#include "../cpu.h"

enum {
    COM1 = 0x3f8,
    LINE_STATUS = 5, /* register offset; all ones if there is no port */
    LINE_STATUS_EMPTY = 0x20,
    WAIT_MAX = 100000,
};

static void port_write(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t port_read(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void cpu_mask_interrupts(void)
{
    __asm__ volatile("cli" ::: "memory");
}

void serial_init(const struct boot_platform *platform)
{
    (void)platform;
}

void serial_put(char c)
{
    for (unsigned i = 0; i < WAIT_MAX; i++) {
        if ((port_read(COM1 + LINE_STATUS) & LINE_STATUS_EMPTY) != 0) {
            port_write(COM1, (uint8_t)c);
            return;
        }
    }
}

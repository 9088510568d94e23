/* The 16550 at COM1, for the one line that a failing loader prints. */

#include "cpu.h"

#include <boot/console_pc.h>

enum {
    COM1 = 0x3f8,
    REG_DATA = 0,
    REG_DIVISOR_HIGH = 1,
    REG_FIFO = 2,
    REG_LINE = 3,
    REG_MODEM = 4,
    REG_STATUS = 5,
    REG_SCRATCH = 7,
    LINE_8N1 = 3,
    LINE_DIVISOR = 0x80,
    STATUS_EMPTY = 0x20,
    WAIT_TURNS = 100000,
};

static bool serial_init(void)
{
    out8(COM1 + REG_SCRATCH, 0x5a);
    if (in8(COM1 + REG_SCRATCH) != 0x5a)
        return false;
    out8(COM1 + REG_LINE, LINE_DIVISOR | LINE_8N1);
    out8(COM1 + REG_DATA, 1); /* 115200 baud */
    out8(COM1 + REG_DIVISOR_HIGH, 0);
    out8(COM1 + REG_LINE, LINE_8N1);
    out8(COM1 + REG_FIFO, 7);
    out8(COM1 + REG_MODEM, 3);
    return true;
}

static void serial_byte(uint8_t byte)
{
    for (unsigned turn = 0; turn < WAIT_TURNS; turn++) {
        if ((in8(COM1 + REG_STATUS) & STATUS_EMPTY) != 0)
            break;
    }
    out8(COM1 + REG_DATA, byte);
}

static enum { UNKNOWN, ABSENT, PRESENT } state;

void serial_begin(struct boot_platform *platform)
{
    if (state != UNKNOWN)
        return;
    state = serial_init() ? PRESENT : ABSENT;
    serial_put(platform, '\n');
}

void serial_put(struct boot_platform *platform, char c)
{
    serial_begin(platform);
    if (state == ABSENT)
        return;
    if (c == '\n')
        serial_byte('\r');
    serial_byte((uint8_t)c);
}

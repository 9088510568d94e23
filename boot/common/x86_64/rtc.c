/* The CMOS clock (MC146818): read twice until both agree, so that no update falls in between. */

#include "cpu.h"

#include <base/string.h>
#include <boot/clock.h>
#include <boot/console_pc.h>

enum {
    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71,
    CMOS_STATUS_A = 10,
    CMOS_STATUS_B = 11,
    STATUS_A_UPDATING = 0x80,
    STATUS_B_BINARY = 4,
    STATUS_B_24_HOURS = 2,
    HOUR_PM = 0x80,
    WAIT_TURNS = 100000,
};

static uint8_t cmos_read(uint8_t index)
{
    out8(CMOS_INDEX, index);
    return in8(CMOS_DATA);
}

static bool cmos_snapshot(uint8_t value[6])
{
    static const uint8_t index[6] = { 0, 2, 4, 7, 8, 9 };
    unsigned turn = 0;
    while ((cmos_read(CMOS_STATUS_A) & STATUS_A_UPDATING) != 0) {
        if (turn++ == WAIT_TURNS)
            return false; /* no clock: every port reads as ones */
    }
    for (unsigned i = 0; i < 6; i++)
        value[i] = cmos_read(index[i]);
    return true;
}

static unsigned cmos_number(uint8_t raw, bool binary)
{
    return binary ? raw : (unsigned)(raw >> 4) * 10 + (raw & 15);
}

static unsigned cmos_hour(uint8_t raw, bool binary, bool whole_day)
{
    bool pm = (raw & HOUR_PM) != 0;
    unsigned hour = cmos_number(whole_day ? raw : raw & ~HOUR_PM & 0xff, binary);
    if (whole_day)
        return hour;
    return hour % 12 + (pm ? 12 : 0);
}

void rtc_read(struct boot_platform *platform)
{
    uint8_t now[6], again[6];
    unsigned turn = 0;

    if (!cmos_snapshot(now) || !cmos_snapshot(again))
        return;
    while (memcmp(now, again, sizeof(now)) != 0) {
        memcpy(now, again, sizeof(now));
        if (turn++ == 10 || !cmos_snapshot(again))
            return;
    }

    uint8_t status = cmos_read(CMOS_STATUS_B);
    bool binary = (status & STATUS_B_BINARY) != 0;
    struct clock_date date = {
        .second = cmos_number(now[0], binary),
        .minute = cmos_number(now[1], binary),
        .hour = cmos_hour(now[2], binary, (status & STATUS_B_24_HOURS) != 0),
        .day = cmos_number(now[3], binary),
        .month = cmos_number(now[4], binary),
        .year = 2000 + cmos_number(now[5], binary),
    };
    platform->boot_time_known = clock_to_unix(&date, &platform->boot_time_s);
}

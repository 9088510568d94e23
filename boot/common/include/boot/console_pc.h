/* The PC's first serial port and its clock, for the front ends that start on bare x86_64. */
#pragma once

#include <boot/platform.h>

/* Set the port up and begin a line: firmware may have left its own open. Once; serial_put() does it
 * if nobody did.
 */
void serial_begin(struct boot_platform *platform);
void serial_put(struct boot_platform *platform, char c);
/* Read the CMOS clock into the platform's facts; leaves them alone if there is none. */
void rtc_read(struct boot_platform *platform);

/* Requests of ioctl(2) that are the same on both architectures: ioctl_tty(2), ioctl_fioxxx. */
#pragma once

#define FIONREAD   0x541bu
#define FIONBIO    0x5421u
#define FIONCLEX   0x5450u
#define FIOCLEX    0x5451u
#define FIOASYNC   0x5452u
#define TCGETS     0x5401u
#define TIOCGWINSZ 0x5413u

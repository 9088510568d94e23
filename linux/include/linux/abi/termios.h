/* Terminals: struct termios, and requests of ioctl(2). termios(3), ioctl_tty(2). */
#pragma once

#include <base/compiler.h>
#include <stdint.h>

struct linux_termios {
    uint32_t input, output, control, local;
    uint8_t line;
    uint8_t chars[19];
};
static_assert(sizeof(struct linux_termios) == 36, "struct termios");

struct linux_termios_2 {
    struct linux_termios termios;
    uint32_t input_speed, output_speed;
};

struct linux_winsize {
    uint16_t rows, columns, x_pixels, y_pixels;
};

enum {
    VINTR,
    VQUIT,
    VERASE,
    VKILL,
    VEOF,
    VTIME,
    VMIN,
    VSWTC,
    VSTART,
    VSTOP,
    VSUSP,
    VEOL,
    VREPRINT,
    VDISCARD,
    VWERASE,
    VLNEXT,
    VEOL2,
};

#define PARMRK  0x0008u
#define ISTRIP  0x0020u
#define INLCR   0x0040u
#define IGNCR   0x0080u
#define ICRNL   0x0100u
#define IUCLC   0x0200u
#define IXON    0x0400u
#define IXANY   0x0800u
#define IMAXBEL 0x2000u
#define IUTF8   0x4000u

#define OPOST  0x0001u
#define OLCUC  0x0002u
#define ONLCR  0x0004u
#define OCRNL  0x0008u
#define ONOCR  0x0010u
#define ONLRET 0x0020u
#define XTABS  0x1800u

#define B38400 0x000fu
#define CS8    0x0030u
#define CREAD  0x0080u

#define ISIG    0x0001u
#define ICANON  0x0002u
#define ECHO    0x0008u
#define ECHOE   0x0010u
#define ECHOK   0x0020u
#define ECHONL  0x0040u
#define NOFLSH  0x0080u
#define TOSTOP  0x0100u
#define ECHOCTL 0x0200u
#define ECHOKE  0x0800u
#define IEXTEN  0x8000u

#define TCSETS      0x5402u
#define TCSETSW     0x5403u
#define TCSETSF     0x5404u
#define TCSBRK      0x5409u
#define TCXONC      0x540au
#define TCFLSH      0x540bu
#define TIOCEXCL    0x540cu
#define TIOCNXCL    0x540du
#define TIOCSCTTY   0x540eu
#define TIOCGPGRP   0x540fu
#define TIOCSPGRP   0x5410u
#define TIOCOUTQ    0x5411u
#define TIOCSTI     0x5412u
#define TIOCSWINSZ  0x5414u
#define TIOCPKT     0x5420u
#define TIOCNOTTY   0x5422u
#define TIOCSETD    0x5423u
#define TIOCGETD    0x5424u
#define TCSBRKP     0x5425u
#define TIOCGSID    0x5429u
#define TCGETS2     0x802c542au
#define TCSETS2     0x402c542bu
#define TCSETSW2    0x402c542cu
#define TCSETSF2    0x402c542du
#define TIOCGPTN    0x80045430u
#define TIOCSPTLCK  0x40045431u
#define TIOCGDEV    0x80045432u
#define TIOCGPKT    0x80045438u
#define TIOCGPTLCK  0x80045439u
#define TIOCGEXCL   0x80045440u
#define TIOCGPTPEER 0x5441u

enum { TCIFLUSH, TCOFLUSH, TCIOFLUSH };
enum { TCOOFF, TCOON, TCIOFF, TCION };

/* The first byte of what a master in packet mode reads. */
#define TIOCPKT_FLUSHREAD  1u
#define TIOCPKT_FLUSHWRITE 2u
#define TIOCPKT_STOP       4u
#define TIOCPKT_START      8u
#define TIOCPKT_NOSTOP     16u
#define TIOCPKT_DOSTOP     32u

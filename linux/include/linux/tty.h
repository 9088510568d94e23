/* Terminals, which are all pseudo terminals: a slave that programs believe to be one, and a master
 * that shows and types: a file of some program's, or the container's creator. pty(7), termios(3).
 *
 *     master write, creator's input --> tty_receive --> input --> slave read
 *                                          | echo
 *     master read, creator's output <-- output <-- slave write
 *
 *   file/tty.c        the line discipline: what becomes of bytes
 *   file/tty_ioctl.c  settings, job control
 *   file/pty.c        files of both sides, devices, sessions
 *
 * Locking: tty->lock (`channel`); signals are sent without it.
 */
#pragma once

#include <linux/abi/termios.h>
#include <linux/file.h>
#include <linux/task.h>

enum {
    TTY_INPUT = 4096,   /* characters; a line has at most one fewer */
    TTY_OUTPUT = 16384, /* bytes */
    TTY_WIDEST = 8,     /* bytes of output for one character at most: a tab */
    TTY_MAX = 256,      /* terminals of a container */
    TTY_MAJOR = 136,
};

struct tty {
    struct tty_head head; /* first: linux/task.h */
    struct rt_lock lock;
    uint32_t number; /* constant: /dev/pts/NUMBER */
    struct linux_termios termios;
    struct linux_winsize size;
    int32_t session, foreground; /* ids; 0: none */

    uint16_t *input; /* a byte each, and what follows from it */
    uint32_t input_head, input_fill;
    uint32_t line;        /* of the fill: the line that is not finished */
    uint32_t lines;       /* ends of lines among it */
    uint32_t line_column; /* where the unfinished line began */
    bool literal;         /* VLNEXT was typed */

    uint8_t *output;
    uint32_t output_head, output_fill, column;
    bool stopped; /* ^S */

    bool packet;            /* TIOCPKT */
    uint8_t packet_status;  /* TIOCPKT_ bits that are not read yet */
    bool locked, exclusive; /* TIOCSPTLCK, TIOCEXCL */
    uint32_t slaves;        /* open files */
    bool slave_gone;        /* there was one, and there is none now */
    bool hung_up;           /* the master is gone, for good */
    bool created_outside;   /* the master is the container's creator */

    struct wait_queue slave_queue, master_queue;
};

/* What has to be done without the lock. */
struct tty_effects {
    signal_set signals; /* to the foreground group, */
    int32_t group;      /* which was this */
    bool master, slave; /* wake who waits there */
};

/* With the lock. */
void tty_reset(struct tty *tty);
/* Is there room for one more typed byte? */
bool tty_input_room(const struct tty *tty);
void tty_receive(struct tty *tty, uint8_t byte, struct tty_effects *effects);
void tty_print(struct tty *tty, uint8_t byte); /* TTY_WIDEST bytes of room */
uint32_t tty_output_room(const struct tty *tty);
/* Bytes that a read would give now; a finished line at a time. */
uint32_t tty_readable(const struct tty *tty);
/* Is there enough for a read of that size, or (0) for poll? */
bool tty_input_ready(const struct tty *tty, uint64_t size_bytes, bool any);
/* One line, or (raw) what there is. */
int64_t tty_take_input(struct tty *tty, struct io *io);
int64_t tty_take_output(struct tty *tty, struct io *io);
void tty_flush_input(struct tty *tty);
void tty_flush_output(struct tty *tty);
void tty_set_stopped(struct tty *tty, bool stopped);
void tty_set_termios(struct tty *tty, const struct linux_termios *termios);
/* Without it. */
void tty_apply(struct tty *tty, const struct tty_effects *effects);
void tty_resize(struct tty *tty, const struct linux_winsize *size);
/* A process in the background wants to read (SIGTTIN), or to change something or write (SIGTTOU):
 * 0: it may. */
int tty_background(struct tty *tty, int number);
int64_t tty_ioctl(struct tty *tty, bool master, uint32_t request, uint64_t argument);
/* It becomes the terminal of the caller's session, if that has none and it has none. */
int tty_control(struct tty *tty, bool steal);

/* ---- Terminals whose master is the container's creator ---- */

/* Devices; once, after mounts_start. */
void terminals_start(void);
/* One reference. -ENOMEM, -ENOSPC. */
int terminal_create(uint16_t rows, uint16_t columns, struct tty **tty_out);
/* In the task that leads its session, as root: descriptors 0 to 2. The terminal is that user's. */
int terminal_open_stdio(struct tty *tty, uint32_t uid);
/* Typed bytes: all, or -EAGAIN. */
int terminal_input(struct tty *tty, const uint8_t *bytes, uint32_t size_bytes);
/* What was printed, at most that many bytes; waits for some until the terminal is closed. 0: it is,
 * and nothing is left. Any thread. */
uint32_t terminal_output(struct tty *tty, uint8_t *to, uint32_t size_bytes);
/* No more is waited for: what is there may still be taken. */
void terminal_close(struct tty *tty);

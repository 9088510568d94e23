#include "fixture.h"
#include <base/test.h>
#include <linux/abi/errno.h>
#include <linux/abi/ioctl.h>
#include <linux/heap.h>
#include <linux/tty.h>
#include <linux/world.h>
#include <string.h>

#define AT(text) guest_text(&f->files, text)

/* A master, its slave, and what is typed and shown. */
struct pty_fixture {
    struct file_fixture files;
    int master, slave;
    uaddr_t room;
};

static void pty_init(struct pty_fixture *f)
{
    file_fixture_init(&f->files, NULL, 0);
    terminals_start();
    const int32_t open = 0;
    f->master = (int)linux_openat(AT_FDCWD, AT("/dev/ptmx"), O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
    EXPECT_EQ(f->master, 0);
    EXPECT_EQ(linux_openat(AT_FDCWD, AT("/dev/pts/0"), O_RDWR | O_NOCTTY, 0), -EIO);
    EXPECT_EQ(linux_ioctl(f->master, TIOCSPTLCK, guest_bytes(&f->files, &open, sizeof(open))), 0);
    f->slave = (int)linux_openat(AT_FDCWD, AT("/dev/pts/0"), O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
    EXPECT_EQ(f->slave, 1);
    f->room = guest_room(&f->files, 16384);
}

static void pty_end(struct pty_fixture *f)
{
    for (int fd; (fd = fd_next(f->files.task, 0)) >= 0;)
        EXPECT_EQ(linux_close(fd), 0);
    file_fixture_end(&f->files);
}

static int64_t type(struct pty_fixture *f, const char *text)
{
    uint64_t mark = f->files.used;
    int64_t length = linux_write(f->master, AT(text), strlen(text));
    f->files.used = mark;
    return length;
}

/* What a read of that many bytes gives, as text. */
static const char *got(struct pty_fixture *f, int fd, uint64_t size_bytes)
{
    static char text[4097];
    int64_t length = linux_read(fd, f->room, size_bytes);
    if (length == -EAGAIN)
        return "(again)";
    if (length < 0)
        return "(error)";
    EXPECT_EQ(copy_in(text, f->room, (size_t)length), 0);
    text[length] = '\0';
    return text;
}

static struct linux_termios settings(struct pty_fixture *f)
{
    struct linux_termios termios;
    EXPECT_EQ(linux_ioctl(f->slave, TCGETS, f->room), 0);
    EXPECT_EQ(copy_in(&termios, f->room, sizeof(termios)), 0);
    return termios;
}

static void set(struct pty_fixture *f, const struct linux_termios *termios)
{
    EXPECT_EQ(copy_out(f->room, termios, sizeof(*termios)), 0);
    EXPECT_EQ(linux_ioctl(f->slave, TCSETS, f->room), 0);
}

TEST(lines_are_edited_and_echoed)
{
    static const struct {
        const char *typed, *shown, *read;
    } cases[] = {
        { "hello\r", "hello\r\n", "hello\n" },
        { "hi\n", "hi\r\n", "hi\n" },
        { "ab\x7f"
          "c\r",
          "ab\b \bc\r\n", "ac\n" },
        { "\x7f\x7fx\r", "x\r\n", "x\n" },
        { "a\tb\x7f\x7f"
          "c\r",
          "a\tb\b \b\b\b\b\b\b\b\bc\r\n", "ac\n" },
        { "one two\x17three\r", "one two\b \b\b \b\b \bthree\r\n", "one three\n" },
        { "wrong\x15right\r", "wrong\b \b\b \b\b \b\b \b\b \bright\r\n", "right\n" },
        { "\x01\x7fz\r", "^A\b \b\b \bz\r\n", "z\n" },
        { "\x16\x03\r", "^\b^C\r\n", "\x03\n" },
        { "ab\x12\r", "ab^R\r\nab\r\n", "ab\n" },
        { "x\x04", "x", "x" },
    };
    struct pty_fixture f;
    pty_init(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        EXPECT_EQ(type(&f, cases[i].typed), (int64_t)strlen(cases[i].typed));
        EXPECT_STR(got(&f, f.slave, 4096), cases[i].read);
        EXPECT_STR(got(&f, f.master, 4096), cases[i].shown);
        EXPECT_EQ(type(&f, "\r"), 1); /* to the first column */
        EXPECT_STR(got(&f, f.slave, 4096), "\n");
        EXPECT_STR(got(&f, f.master, 4096), "\r\n");
    }
    pty_end(&f);
}

TEST(a_read_gives_one_line_and_the_rest_later)
{
    struct pty_fixture f;
    int32_t count = 0;
    pty_init(&f);
    EXPECT_STR(got(&f, f.slave, 100), "(again)");
    EXPECT_EQ(type(&f, "one\rtwo\rthr"), 11);
    EXPECT_EQ(linux_ioctl(f.slave, FIONREAD, f.room), 0);
    EXPECT_EQ(copy_in(&count, f.room, sizeof(count)), 0);
    EXPECT_EQ(count, 8);
    EXPECT_STR(got(&f, f.slave, 2), "on");
    EXPECT_STR(got(&f, f.slave, 100), "e\n");
    EXPECT_STR(got(&f, f.slave, 100), "two\n");
    EXPECT_STR(got(&f, f.slave, 100), "(again)");
    EXPECT_EQ(type(&f, "ee\x04\x04"), 4);
    EXPECT_STR(got(&f, f.slave, 5), "three"); /* and its end, though the text just fits */
    EXPECT_STR(got(&f, f.slave, 5), "");
    EXPECT_STR(got(&f, f.slave, 5), "(again)");
    pty_end(&f);
}

TEST(characters_of_several_bytes_are_erased_whole)
{
    struct pty_fixture f;
    pty_init(&f);
    struct linux_termios termios = settings(&f);
    termios.input |= IUTF8;
    set(&f, &termios);
    EXPECT_EQ(type(&f, "a\xc3\xa9\x7f\r"), 5);
    EXPECT_STR(got(&f, f.slave, 100), "a\n");
    EXPECT_STR(got(&f, f.master, 100), "a\xc3\xa9\b \b\r\n");
    pty_end(&f);
}

TEST(a_line_that_is_too_long_loses_its_end)
{
    struct pty_fixture f;
    static char line[6001];
    pty_init(&f);
    struct linux_termios termios = settings(&f);
    termios.local &= ~ECHO;
    set(&f, &termios);
    memset(line, 'x', 6000);
    EXPECT_EQ(type(&f, line), 6000);
    EXPECT_EQ(type(&f, "\r"), 1);
    EXPECT_EQ(linux_read(f.slave, f.room, 8192), 4096);
    EXPECT_STR(got(&f, f.slave, 100), "(again)");
    /* Raw, nothing is lost: the master waits. */
    termios.local &= ~ICANON;
    set(&f, &termios);
    EXPECT_EQ(type(&f, line), 4095);
    EXPECT_EQ(type(&f, "y"), -EAGAIN);
    EXPECT_EQ(linux_read(f.slave, f.room, 8192), 4095);
    pty_end(&f);
}

/* There is room for all of it, and each byte may cost as much as the line is long. */
TEST(who_types_a_line_without_an_end_hears_signals)
{
    struct pty_fixture f;
    pty_init(&f);
    __atomic_store_n(&f.files.task->notice, 1, __ATOMIC_SEQ_CST);
    int64_t typed = linux_write(f.master, f.room, 16384);
    EXPECT(typed > 0 && typed <= 256);
    __atomic_store_n(&f.files.task->notice, 0, __ATOMIC_SEQ_CST);
    EXPECT_EQ(linux_write(f.master, f.room, 16384), 16384);
    pty_end(&f);
}

TEST(raw_bytes_come_as_they_are)
{
    struct pty_fixture f;
    pty_init(&f);
    struct linux_termios termios = settings(&f);
    const struct linux_termios old = termios;
    EXPECT_EQ(type(&f, "left"), 4);
    termios.input = 0;
    termios.output = 0;
    termios.local = 0;
    set(&f, &termios);
    EXPECT_STR(got(&f, f.slave, 100), "left");
    EXPECT_EQ(type(&f, "\x03\r\x7f"), 3);
    EXPECT_STR(got(&f, f.slave, 100), "\x03\r\x7f");
    EXPECT_STR(got(&f, f.master, 100), "left");
    EXPECT_EQ(linux_write(f.slave, guest_text(&f.files, "a\nb"), 3), 3);
    EXPECT_STR(got(&f, f.master, 100), "a\nb");
    /* VMIN 0: nothing is an answer. */
    termios.chars[VMIN] = 0;
    set(&f, &termios);
    EXPECT_STR(got(&f, f.slave, 100), "");
    /* What was typed raw is a line for who reads lines. */
    EXPECT_EQ(type(&f, "abc"), 3);
    set(&f, &old);
    EXPECT_STR(got(&f, f.slave, 100), "abc");
    pty_end(&f);
}

TEST(output_waits_for_room_and_while_it_is_stopped)
{
    struct pty_fixture f;
    static char text[40001];
    pty_init(&f);
    memset(text, 'o', 40000);
    uaddr_t from = guest_text(&f.files, text);
    int64_t written = linux_write(f.slave, from, 40000);
    EXPECT(written > 8000 && written <= TTY_OUTPUT);
    EXPECT_EQ(linux_write(f.slave, from, 1), -EAGAIN);
    int64_t shown = 0, part;
    while ((part = linux_read(f.master, f.room, 4096)) > 0)
        shown += part;
    EXPECT_EQ(shown, written);
    EXPECT_EQ(type(&f, "\x13"), 1);
    EXPECT_EQ(linux_write(f.slave, from, 3), -EAGAIN);
    EXPECT_EQ(type(&f, "\x11"), 1);
    EXPECT_EQ(linux_write(f.slave, from, 3), 3);
    EXPECT_STR(got(&f, f.master, 100), "ooo");
    pty_end(&f);
}

TEST(a_side_that_is_gone_is_noticed)
{
    struct pty_fixture f;
    struct {
        int32_t fd;
        int16_t events, result;
    } poll;
    pty_init(&f);
    EXPECT_EQ(linux_write(f.slave, guest_text(&f.files, "bye"), 3), 3);
    EXPECT_EQ(linux_close(f.slave), 0);
    EXPECT_STR(got(&f, f.master, 100), "bye");
    EXPECT_EQ(linux_read(f.master, f.room, 10), -EIO);
    EXPECT_EQ(type(&f, "x"), -EIO);
    f.slave = (int)linux_openat(AT_FDCWD, guest_text(&f.files, "/dev/pts/0"),
                                O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
    EXPECT_EQ(f.slave, 1);
    EXPECT_STR(got(&f, f.master, 100), "(again)");
    EXPECT_EQ(linux_close(f.master), 0);
    EXPECT_EQ(linux_read(f.slave, f.room, 10), 0);
    EXPECT_EQ(linux_write(f.slave, f.room, 10), -EIO);
    EXPECT_EQ(linux_ioctl(f.slave, TCGETS, f.room), -EIO);
    EXPECT_EQ(linux_openat(AT_FDCWD, guest_text(&f.files, "/dev/pts/0"), O_RDWR | O_NOCTTY, 0),
              -ENOENT);
    poll.fd = f.slave;
    poll.events = POLL_IN;
    EXPECT_EQ(copy_out(f.room, &poll, sizeof(poll)), 0);
    EXPECT_EQ(linux_poll(f.room, 1, -1), 1);
    EXPECT_EQ(copy_in(&poll, f.room, sizeof(poll)), 0);
    EXPECT_EQ(poll.result, POLL_IN | POLL_ERR | POLL_HUP);
    pty_end(&f);
}

TEST(packets_say_what_happened)
{
    struct pty_fixture f;
    const int32_t on = 1;
    pty_init(&f);
    EXPECT_EQ(linux_ioctl(f.master, TIOCPKT, guest_bytes(&f.files, &on, sizeof(on))), 0);
    EXPECT_EQ(linux_write(f.slave, guest_text(&f.files, "data"), 4), 4);
    EXPECT_EQ(linux_read(f.master, f.room, 100), 5);
    EXPECT_EQ(linux_ioctl(f.slave, TCFLSH, TCOFLUSH), 0);
    EXPECT_STR(got(&f, f.master, 100), "\x02");
    struct linux_termios termios = settings(&f);
    termios.input &= ~IXON;
    set(&f, &termios);
    EXPECT_STR(got(&f, f.master, 100), "\x10");
    EXPECT_STR(got(&f, f.master, 100), "(again)");
    pty_end(&f);
}

TEST(requests_are_checked)
{
    struct pty_fixture f;
    struct linux_winsize size = { 24, 80, 0, 0 };
    const int32_t wrong = -1;
    pty_init(&f);
    EXPECT_EQ(linux_ioctl(f.slave, TCGETS, 8), -EFAULT);
    EXPECT_EQ(linux_ioctl(f.slave, TCSETS, 8), -EFAULT);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCGPGRP, f.room), -ENOTTY);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCSPGRP, f.room), -ENOTTY);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCGSID, f.room), -ENOTTY);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCNOTTY, 0), -ENOTTY);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCSTI, f.room), -EIO);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCGPTN, f.room), -ENOTTY);
    EXPECT_EQ(linux_ioctl(f.slave, 0x5499, f.room), -ENOTTY);
    EXPECT_EQ(linux_ioctl(f.slave, TCFLSH, 3), -EINVAL);
    EXPECT_EQ(linux_ioctl(f.slave, TCXONC, 4), -EINVAL);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCSETD, guest_bytes(&f.files, &wrong, 4)), -EINVAL);
    EXPECT_EQ(linux_ioctl(f.slave, TIOCSWINSZ, guest_bytes(&f.files, &size, sizeof(size))), 0);
    EXPECT_EQ(linux_ioctl(f.master, TIOCGWINSZ, f.room), 0);
    memset(&size, 0, sizeof(size));
    EXPECT_EQ(copy_in(&size, f.room, sizeof(size)), 0);
    EXPECT(size.rows == 24 && size.columns == 80);
    int64_t peer = linux_ioctl(f.master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    EXPECT_EQ(peer, 2);
    EXPECT_EQ(linux_ioctl(f.master, TIOCGPTPEER, O_CREAT), -EINVAL);
    EXPECT_EQ(linux_ioctl((int)peer, TIOCEXCL, 0), 0);
    file_fixture_become(&f.files, 7, 7);
    EXPECT_EQ(linux_openat(AT_FDCWD, guest_text(&f.files, "/dev/tty"), O_RDWR, 0), -ENXIO);
    EXPECT_EQ(linux_ioctl(f.master, TIOCGPTPEER, O_RDWR | O_NOCTTY), -EBUSY);
    file_fixture_become(&f.files, 0, 0);
    pty_end(&f);
}

TEST(a_terminal_that_finds_no_memory_leaves_nothing)
{
    struct pty_fixture f;
    file_fixture_init(&f.files, NULL, 0);
    terminals_start();
    uaddr_t name = guest_text(&f.files, "/dev/ptmx");
    uint64_t blocks = heap_counts().blocks;
    int64_t fd = -ENOMEM;
    for (uint64_t n = 1; fd < 0 && n < 100; n++) {
        heap_fail_after(n);
        fd = linux_openat(AT_FDCWD, name, O_RDWR, 0);
        heap_fail_after(0);
        EXPECT(fd == -ENOMEM || fd == 0);
        if (fd < 0)
            EXPECT_EQ(heap_counts().blocks, blocks);
    }
    EXPECT_EQ(fd, 0);
    pty_end(&f);
}

/* ---- Job control ---- */

#define NAMES  GUEST_DATA
#define MASTER ((uint64_t)0)
#define SLAVE  ((uint64_t)1)
#define WORDS  (GUEST_SHARED) /* seen by all: what has happened */

static void say(unsigned which)
{
    guest_store_32(WORDS + 4 * which, 1);
}

static bool said(unsigned which)
{
    return guest_load_32_of(WORDS + 4 * which) != 0;
}

static void wait_for(unsigned which)
{
    while (!said(which))
        guest_poll();
}

static uaddr_t name(const char *text)
{
    EXPECT_EQ(copy_out(NAMES, text, strlen(text) + 1), 0);
    return NAMES;
}

static void on_signal(uint64_t number, uint64_t b, uint64_t c)
{
    (void)b;
    (void)c;
    say(32 + (unsigned)number);
}

static bool wait_for_signal(int number)
{
    wait_for(32 + (unsigned)number);
    guest_store_32(WORDS + 4 * (32 + (unsigned)number), 0);
    return true;
}

static void background_reader(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    EXPECT_EQ(CALL(setpgid, 0, 0), 0);
    say(1);
    EXPECT_EQ(CALL(read, SLAVE, GUEST_DATA + 512, 100), 3); /* once it is in the foreground */
    EXPECT_EQ(guest_load(GUEST_DATA + 512) & 0xffffff, 0x0a6f67);
    say(2);
}

/* A shell: its own session and terminal, and a job in the background. */
static void shell(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    guest_handle(SIGINT, on_signal, 0);
    guest_handle(SIGWINCH, on_signal, 0);
    guest_handle(SIGHUP, on_signal, 0);
    guest_handle(SIGTTOU, (guest_function *)SIG_IGN, 0);
    EXPECT_EQ(CALL(setsid), 2);
    EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, name("/dev/tty"), O_RDWR, 0), -ENXIO);
    EXPECT_EQ(CALL(close, SLAVE), 0);
    EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, name("/dev/pts/0"), O_RDWR, 0), (int64_t)SLAVE);
    EXPECT_EQ(CALL(ioctl, SLAVE, TIOCGPGRP, GUEST_DATA + 256), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 256), 2);
    EXPECT_EQ(CALL(ioctl, SLAVE, TIOCGSID, GUEST_DATA + 256), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 256), 2);
    EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, name("/dev/tty"), O_RDWR, 0), 2);
    EXPECT_EQ(CALL(close, 2), 0);
    say(0);
    EXPECT(wait_for_signal(SIGINT));
    EXPECT(wait_for_signal(SIGWINCH));
    guest_handle(SIGWINCH, (guest_function *)SIG_DFL, 0); /* more come, and end no wait */

    int64_t job = guest_fork(background_reader, 0);
    wait_for(1);
    EXPECT_EQ(CALL(wait4, (uint64_t)job, GUEST_DATA + 256, WUNTRACED, 0), job);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 256), SIGTTIN << 8 | 0x7f);
    guest_store_32(GUEST_DATA + 256, 999);
    EXPECT_EQ(CALL(ioctl, SLAVE, TIOCSPGRP, GUEST_DATA + 256), -ESRCH);
    guest_store_32(GUEST_DATA + 256, (uint32_t)job);
    EXPECT_EQ(CALL(ioctl, SLAVE, TIOCSPGRP, GUEST_DATA + 256), 0);
    EXPECT_EQ(CALL(kill, (uint64_t)-job, SIGCONT), 0);
    say(3); /* type */
    EXPECT_EQ(guest_wait((int32_t)job), 0);
    EXPECT(said(2));
    guest_store_32(GUEST_DATA + 256, 2);
    EXPECT_EQ(CALL(ioctl, SLAVE, TIOCSPGRP, GUEST_DATA + 256), 0);
    EXPECT_EQ(CALL(close, MASTER), 0); /* the copy that fork made */
    say(4);                            /* hang up */
    EXPECT(wait_for_signal(SIGHUP));
    EXPECT_EQ(CALL(read, SLAVE, GUEST_DATA + 512, 100), 0);
    EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, name("/dev/tty"), O_RDWR, 0), -ENXIO);
}

static void types(const char *text)
{
    EXPECT_EQ(CALL(write, MASTER, name(text), strlen(text)), (int64_t)strlen(text));
}

static void terminal_program(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a;
    (void)b;
    (void)c;
    terminals_start();
    EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, name("/dev/ptmx"), O_RDWR | O_NOCTTY, 0), 0);
    guest_store_32(GUEST_DATA + 256, 0);
    EXPECT_EQ(CALL(ioctl, MASTER, TIOCSPTLCK, GUEST_DATA + 256), 0);
    EXPECT_EQ(CALL(openat, (uint64_t)AT_FDCWD, name("/dev/pts/0"), O_RDWR | O_NOCTTY, 0), 1);
    EXPECT_EQ(CALL(ioctl, SLAVE, TIOCSCTTY, 0), 0); /* ours: process 1 leads its session */
    EXPECT_EQ(CALL(ioctl, SLAVE, TIOCNOTTY, 0), 0);
    int64_t child = guest_fork(shell, 0);
    EXPECT_EQ(child, 2);
    wait_for(0);
    types("\x03");
    const struct linux_winsize size = { 30, 90, 0, 0 };
    EXPECT_EQ(copy_out(GUEST_DATA + 256, &size, sizeof(size)), 0);
    while (!said(1)) {
        /* Until its handler of SIGINT has run, and after: each change is a signal. */
        guest_store_32(GUEST_DATA + 256, guest_load_32_of(GUEST_DATA + 256) + 1);
        EXPECT_EQ(CALL(ioctl, MASTER, TIOCSWINSZ, GUEST_DATA + 256), 0);
        guest_poll();
    }
    wait_for(3);
    types("go\r");
    wait_for(4);
    /* The child has a descriptor of the master, too. */
    EXPECT_EQ(CALL(ioctl, MASTER, TIOCGPGRP, GUEST_DATA + 256), 0);
    EXPECT_EQ(guest_load_32_of(GUEST_DATA + 256), 2);
    say(5);
    EXPECT_EQ(CALL(close, SLAVE), 0);
    EXPECT_EQ(CALL(close, MASTER), 0);
    EXPECT_EQ(guest_wait((int32_t)child), 0);
}

TEST(a_shell_controls_its_jobs)
{
    file_world_run(terminal_program);
}

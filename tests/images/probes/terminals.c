#include "probe.h"

#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;
static char bytes[8192];

static void open_pair(void)
{
    char name[64];
    master = (int)MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    MUST(unlockpt(master));
    MUST(ptsname_r(master, name, sizeof name) == 0 ? 0 : -1);
    slave = (int)MUST(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
}

static void escaped(const char *what, int fd)
{
    char text[2048] = "";
    size_t at = 0;
    nap_ms(20);
    ssize_t length = read(fd, bytes, 100);
    for (ssize_t i = 0; i < length; i++) {
        const char *format = bytes[i] < ' ' || bytes[i] == 127 ? "\\%03o" : "%c";
        at += (size_t)snprintf(text + at, sizeof text - at, format, bytes[i]);
    }
    if (length < 0)
        say("%s: %s", what, strerrorname_np(errno));
    else
        say("%s: %ld \"%s\"", what, (long)length, text);
}

static void type(const char *text)
{
    say("typed %ld", (long)write(master, text, strlen(text)));
    escaped("  program reads", slave);
    escaped("  terminal shows", master);
}

static void mode(unsigned local_off, unsigned in_off, unsigned out_off)
{
    struct termios termios;
    MUST(tcgetattr(slave, &termios));
    termios.c_lflag &= ~local_off;
    termios.c_iflag &= ~in_off;
    termios.c_oflag &= ~out_off;
    MUST(tcsetattr(slave, TCSANOW, &termios));
}

PROBE(terminals, line_discipline)
{
    open_pair();
    struct termios termios;
    MUST(tcgetattr(slave, &termios));
    say("%#x %#x %#x %#x line %d", termios.c_iflag, termios.c_oflag, termios.c_cflag,
        termios.c_lflag, termios.c_line);
    for (int i = 0; i < 17; i++)
        say("character %d is %d", i, termios.c_cc[i]);
    type("line\n");
    type("part");
    type("\x7f\x7f\x7f\n");
    type("two words\x17three\n");
    type("all gone\x15kept\n");
    type("again\x12 more\n");
    type("quoted \x16\x03\n");
    type("return\r");
    type("end\x04");
    type("\x04");
    type("\x01\x1b[A\n");
    type("two\nlines\n");
    MUST(write(slave, "out\nput\tx\r\n", 11));
    escaped("output", master);
    mode(ECHO, 0, 0);
    type("unseen\n");
    mode(0, 0, OPOST);
    MUST(write(slave, "raw\n", 4));
    escaped("output", master);
    mode(ICANON | ISIG, ICRNL, 0);
    type("a");
    type("\x03\x7f\r");
    type("");
}

PROBE(terminals, controls)
{
    struct winsize size = { 1, 2, 3, 4 }, other;
    struct termios termios;
    int number = 0;
    open_pair();
    TRY(ioctl(slave, TIOCGWINSZ, &size));
    say("%u %u", size.ws_row, size.ws_col);
    size = (struct winsize){ 30, 90, 5, 6 };
    TRY(ioctl(master, TIOCSWINSZ, &size));
    TRY(ioctl(slave, TIOCGWINSZ, &other));
    say("%u %u %u %u", other.ws_row, other.ws_col, other.ws_xpixel, other.ws_ypixel);
    TRY(isatty(slave));
    TRY(isatty(master));
    TRY(ioctl(slave, TIOCGPGRP, &number));
    TRY(ioctl(slave, TIOCGSID, &number));
    TRY(tcsetpgrp(slave, getpgrp()));
    TRY(ioctl(slave, TIOCGPTN, &number));
    TRY(ioctl(master, FIONREAD, &number));
    VALUE(number);
    MUST(write(master, "abc", 3));
    nap_ms(20);
    TRY(ioctl(slave, FIONREAD, &number));
    VALUE(number);
    MUST(write(master, "\n", 1));
    nap_ms(20);
    TRY(ioctl(slave, FIONREAD, &number));
    VALUE(number);
    TRY(tcflush(slave, TCIFLUSH));
    TRY(ioctl(slave, FIONREAD, &number));
    VALUE(number);
    TRY(tcflush(slave, 9));
    TRY(tcdrain(slave));
    TRY(tcsendbreak(slave, 0));
    TRY(tcgetattr(master, &termios));
    TRY(ioctl(slave, TCSETS, BAD_POINTER));
    TRY(ioctl(slave, TIOCGETD, &number));
    VALUE(number);
    TRY(ioctl(slave, TIOCEXCL, 0));
    char name[64];
    MUST(ptsname_r(master, name, sizeof name) == 0 ? 0 : -1);
    TRY(ioctl(slave, TIOCNXCL, 0));
    struct stat st;
    MUST(fstat(slave, &st));
    say("mode %o gid %u major %u", st.st_mode, st.st_gid, (unsigned)(st.st_rdev >> 8));
    int locked = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    MUST(ptsname_r(locked, name, sizeof name) == 0 ? 0 : -1);
    TRY(open(name, O_RDWR | O_NOCTTY));
    TRY(lseek(slave, 0, SEEK_SET));
    TRY(pread(slave, bytes, 1, 0));
}

PROBE(terminals, hanging_up)
{
    open_pair();
    ready("slave", slave);
    ready("master", master);
    MUST(write(slave, "left", 4));
    nap_ms(20);
    ready("master with output", master);
    close(slave);
    ready("master without slave, with output", master);
    escaped("master", master);
    escaped("master", master);
    ready("master without slave", master);
    open_pair();
    MUST(write(master, "typed\n", 6));
    nap_ms(20);
    close(master);
    ready("slave without master", slave);
    TRY(read(slave, bytes, 100));
    TRY(write(slave, "x", 1));
    struct termios termios;
    TRY(tcgetattr(slave, &termios));
}

static void shown(int number)
{
    say("  handler: %s", signal_name(number));
}

static int background_reads(void)
{
    char byte;
    setpgid(0, 0);
    long length = read(slave, &byte, 1);
    say("  background read: %s", length < 0 ? strerrorname_np(errno) : "bytes");
    return 0;
}

static int background_reads_deaf(void)
{
    signal(SIGTTIN, SIG_IGN);
    return background_reads();
}

static int background_writes(void)
{
    setpgid(0, 0);
    long length = write(slave, "w", 1);
    say("  background write: %ld", length);
    return 0;
}

static int background_takes(void)
{
    setpgid(0, 0);
    say("  background tcsetpgrp: %d", tcsetpgrp(slave, getpgrp()));
    return 0;
}

static int sleeps_in_group(void)
{
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGINT, SIG_DFL);
    tcsetpgrp(slave, getpgrp());
    for (;;)
        pause();
}

static void resume(const char *who, pid_t pid)
{
    ended(who, pid);
    kill(pid, SIGKILL);
    ended(who, pid);
}

static int leads(void)
{
    MUST(setsid());
    TRY(open("/dev/tty", O_RDWR));
    TRY(ioctl(slave, TIOCSCTTY, 0));
    fcntl(slave, F_SETFL, 0);
    TRY(tcgetsid(slave) == getpid());
    TRY(tcgetpgrp(slave) == getpid());
    TRY(open("/dev/tty", O_RDWR) >= 0);
    TRY(tcsetpgrp(slave, 1 << 21));
    TRY(tcsetpgrp(slave, getppid()));
    signal(SIGINT, shown);
    signal(SIGWINCH, shown);
    MUST(write(master, "\x03", 1));
    nap_ms(30);
    struct winsize size = { 9, 9, 0, 0 };
    MUST(ioctl(master, TIOCSWINSZ, &size));
    nap_ms(30);
    resume("reader", child(background_reads));
    in_child("deaf reader", background_reads_deaf);
    in_child("writer", background_writes);
    resume("taker", child(background_takes));
    struct termios termios;
    MUST(tcgetattr(slave, &termios));
    termios.c_lflag |= TOSTOP;
    MUST(tcsetattr(slave, TCSANOW, &termios));
    resume("writer with TOSTOP", child(background_writes));
    static const char *keys[] = { "\x1a", "\x1c", "\x03" };
    for (size_t i = 0; i < COUNT(keys); i++) {
        pid_t pid = child(sleeps_in_group);
        sleeps(pid);
        MUST(write(master, keys[i], 1));
        int status = ended("foreground", pid);
        if (WIFSTOPPED(status))
            resume("stopped one", (kill(pid, SIGCONT), pid));
        signal(SIGTTOU, SIG_IGN);
        MUST(tcsetpgrp(slave, getpgrp()));
    }
    signal(SIGHUP, shown);
    signal(SIGCONT, shown);
    TRY(ioctl(slave, TIOCNOTTY, 0));
    TRY(open("/dev/tty", O_RDWR));
    TRY(ioctl(slave, TIOCSCTTY, 0));
    signal(SIGHUP, SIG_DFL);
    close(master);
    nap_ms(1000);
    return 0;
}

PROBE(terminals, job_control)
{
    open_pair();
    pid_t pid = child(leads);
    close(master);
    ended("leader", pid);
}

#include "probe.h"

#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>

PROBE(descriptors, duplicates)
{
    TRY(dup(1));
    TRY(dup(99));
    TRY(dup2(3, 3));
    TRY(dup2(99, 99));
    TRY(dup2(99, 3));
    TRY(dup2(3, -1));
    TRY(dup2(3, 1 << 20));
    TRY(dup3(3, 3, 0));
    TRY(dup3(3, 4, O_NONBLOCK));
    TRY(dup3(3, 4, O_CLOEXEC));
    TRY(fcntl(4, F_GETFD));
    TRY(fcntl(4, F_SETFD, 0));
    TRY(fcntl(4, F_DUPFD, 10));
    TRY(fcntl(4, F_DUPFD_CLOEXEC, 10));
    TRY(fcntl(11, F_GETFD));
    TRY(fcntl(4, F_DUPFD, -1));
    TRY(fcntl(4, F_DUPFD, 1 << 20));
    TRY(fcntl(4, 9999));
    TRY(fcntl(99, F_GETFD));
    TRY(close(99));
    TRY(close(-1));
    TRY(close(4));
    TRY(close(4));
    TRY(syscall(SYS_close_range, 10, 5, 0));
    TRY(syscall(SYS_close_range, 10, ~0u, 8));
    TRY(syscall(SYS_close_range, 3, 3, CLOSE_RANGE_CLOEXEC));
    TRY(fcntl(3, F_GETFD));
    TRY(syscall(SYS_close_range, 10, ~0u, CLOSE_RANGE_UNSHARE));
    TRY(fcntl(10, F_GETFD));
    struct rlimit limit = { 5, 5 };
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    TRY(dup(1));
    TRY(dup(1));
    TRY(open("x", O_CREAT | O_EXCL | O_RDWR, 0644));
    TRY(access("x", F_OK));
    TRY(dup2(1, 5));
    TRY(dup2(1, 4));
    TRY(fcntl(1, F_DUPFD, 5));
    int ends[2];
    TRY(close(4));
    TRY(pipe(ends));
    TRY(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 6, 5 }));
    TRY(fcntl(3, F_GETFD));
    TRY(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1, 5 }));
    TRY(fcntl(3, F_GETFD));
}

PROBE(descriptors, controls)
{
    int ends[2], number = 0, event = eventfd(0, 0);
    MUST(pipe(ends));
    int file = (int)MUST(open("file", O_RDWR | O_CREAT, 0644)),
        null = (int)MUST(open("/dev/null", O_RDWR));
    struct termios termios;
    struct winsize size;
    MUST(write(ends[1], "abc", 3));
    MUST(write(file, "abcde", 5));
    MUST(lseek(file, 1, SEEK_SET));
    TRY(ioctl(ends[0], FIONREAD, &number));
    VALUE(number);
    TRY(ioctl(file, FIONREAD, &number));
    VALUE(number);
    TRY(ioctl(null, FIONREAD, &number));
    TRY(ioctl(event, FIONREAD, &number));
    TRY(ioctl(ends[0], TCGETS, &termios));
    TRY(ioctl(file, TCGETS, &termios));
    TRY(ioctl(null, TCGETS, &termios));
    TRY(ioctl(file, TIOCGWINSZ, &size));
    TRY(ioctl(99, TCGETS, &termios));
    TRY(ioctl(file, 0xdead, 0));
    TRY(ioctl(ends[0], 0xdead, 0));
    TRY(ioctl(file, FIOCLEX, 0));
    TRY(fcntl(file, F_GETFD));
    TRY(ioctl(file, FIONCLEX, 0));
    TRY(fcntl(file, F_GETFD));
    number = 1;
    TRY(ioctl(ends[0], FIONBIO, &number));
    TRY(fcntl(ends[0], F_GETFL));
    TRY(ioctl(ends[0], FIONBIO, BAD_POINTER));
    TRY(ioctl(ends[0], FIOASYNC, &number));
    TRY(fcntl(ends[0], F_GETFL));
    TRY(fcntl(file, F_GETOWN));
    TRY(fcntl(file, F_SETOWN, 1 << 22));
    TRY(fcntl(file, F_GETSIG));
    TRY(fcntl(file, F_SETSIG, 99));
    TRY(fcntl(ends[0], F_GETPIPE_SZ));
    TRY(fcntl(ends[0], F_SETPIPE_SZ, 5000));
    TRY(fcntl(ends[0], F_SETPIPE_SZ, 1));
    TRY(fcntl(ends[0], F_SETPIPE_SZ, 0));
    TRY(fcntl(ends[0], F_SETPIPE_SZ, -1));
    TRY(fcntl(file, F_GETPIPE_SZ));
    TRY(fcntl(ends[0], F_GET_SEALS));
}

static int fd;

static void lock_of(const char *what, short type, off_t from, off_t length)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = length };
    if (fcntl(fd, F_GETLK, &lock) != 0)
        say("%s: %s", what, strerrorname_np(errno));
    else if (lock.l_type == F_UNLCK)
        say("%s: free", what);
    else
        say("%s: type %d %ld+%ld of %s", what, lock.l_type, (long)lock.l_start, (long)lock.l_len,
            lock.l_pid == getppid() ? "the parent"
            : lock.l_pid == -1      ? "a file"
                                    : "another");
}

static long lock(int command, short type, off_t from, off_t length)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = length };
    return fcntl(fd, command, &lock);
}

static int beside(void)
{
    lock_of("write 0+1", F_WRLCK, 0, 1);
    lock_of("write 5+5", F_WRLCK, 5, 5);
    lock_of("read 0+3", F_RDLCK, 0, 3);
    lock_of("write 30+0", F_WRLCK, 30, 0);
    TRY(lock(F_SETLK, F_WRLCK, 10, 1));
    TRY(lock(F_SETLK, F_RDLCK, 0, 1));
    TRY(lock(F_SETLK, F_RDLCK, 12, 1));
    TRY(flock(fd, LOCK_EX | LOCK_NB));
    int other = (int)MUST(open("file", O_RDWR));
    TRY(flock(other, LOCK_SH | LOCK_NB));
    TRY(flock(other, LOCK_UN));
    fd = other;
    TRY(lock(F_OFD_SETLK, F_WRLCK, 12, 1));
    TRY(lock(F_OFD_SETLK, F_WRLCK, 100, 1));
    return 0;
}

PROBE(descriptors, locks)
{
    fd = (int)MUST(open("file", O_RDWR | O_CREAT, 0644));
    int in = (int)MUST(open("file", O_RDONLY));
    TRY(lock(F_SETLK, F_RDLCK, 0, 5));
    TRY(lock(F_SETLK, F_WRLCK, 10, 10));
    TRY(lock(F_SETLK, F_UNLCK, 12, 2));
    TRY(lock(F_SETLK, F_WRLCK, 30, 0));
    TRY(lock(F_SETLK, 7, 30, 0));
    TRY(lock(F_SETLK, F_WRLCK, -1, 0));
    TRY(lock(F_SETLK, F_WRLCK, 3, -10));
    TRY(lock(F_SETLK, F_UNLCK, INT64_MAX, 2));
    TRY(flock(fd, LOCK_EX));
    TRY(flock(fd, 16));
    TRY(flock(in, LOCK_SH | LOCK_NB));
    in_child("child", beside);
    lock_of("own", F_WRLCK, 0, 0);
    struct flock wrong = { .l_type = F_WRLCK, .l_pid = 5 };
    TRY(fcntl(in, F_SETLK, &(struct flock){ .l_type = F_WRLCK }));
    TRY(fcntl(fd, F_OFD_SETLK, &wrong));
    TRY(fcntl(fd, F_SETLK, BAD_POINTER));
    close(in);
    TRY(in_child("child after a close", beside) == 0);
    TRY(flock(fd, LOCK_UN));
    int ends[2];
    MUST(pipe(ends));
    TRY(flock(ends[0], LOCK_SH));
}

PROBE(descriptors, memory_files)
{
    TRY(syscall(SYS_memfd_create, "x", 0x100));
    TRY(syscall(SYS_memfd_create, BAD_POINTER, 0));
    char name[300];
    memset(name, 'n', sizeof name);
    name[250] = 0;
    TRY(syscall(SYS_memfd_create, name, 0));
    name[249] = 0;
    TRY(syscall(SYS_memfd_create, name, 0) >= 0);
    int open_one = memfd_create("open", 0),
        sealed = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    TRY(fcntl(open_one, F_GET_SEALS));
    TRY(fcntl(open_one, F_ADD_SEALS, F_SEAL_GROW));
    TRY(fcntl(sealed, F_GET_SEALS));
    TRY(ftruncate(sealed, 4096));
    TRY(fcntl(sealed, F_ADD_SEALS, 0x1000));
    TRY(fcntl(sealed, F_ADD_SEALS, F_SEAL_GROW));
    TRY(ftruncate(sealed, 8192));
    TRY(pwrite(sealed, "x", 1, 5000));
    TRY(pwrite(sealed, "xy", 2, 4095));
    TRY(ftruncate(sealed, 100));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, sealed, 0);
    TRY(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE));
    MUST(munmap(map, 4096));
    TRY(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE));
    TRY(pwrite(sealed, "x", 1, 0));
    TRY((long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, sealed, 0));
    TRY(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, sealed, 0) != MAP_FAILED);
    map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, sealed, 0);
    TRY(map != MAP_FAILED);
    TRY(mprotect(map, 4096, PROT_READ | PROT_WRITE));
    TRY(fcntl(sealed, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK));
    TRY(fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK));
    TRY(ftruncate(sealed, 10));
    VALUE(fcntl(sealed, F_GET_SEALS));
    char target[64] = "", path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", sealed);
    TRY(readlink(path, target, sizeof target));
    say("%s", target);
}

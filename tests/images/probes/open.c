#include "probe.h"

#include <linux/openat2.h>

static void flags_of(const char *text, int fd)
{
    if (fd < 0) {
        say("%s: %s", text, strerrorname_np(errno));
        return;
    }
    int flags = fcntl(fd, F_GETFL);
    say("%s: access %d%s%s%s%s%s%s%s, close on exec %d", text, flags & O_ACCMODE,
        flags & O_APPEND ? " append" : "", flags & O_NONBLOCK ? " nonblock" : "",
        flags & O_DIRECTORY ? " directory" : "", flags & O_PATH ? " path" : "",
        flags & (O_CREAT | O_EXCL | O_TRUNC) ? " creation" : "",
        (flags & O_SYNC) == O_SYNC ? " sync" : "", flags & O_NOFOLLOW ? " nofollow" : "",
        fcntl(fd, F_GETFD));
    close(fd);
}
#define FLAGS(expression)  flags_of(#expression, expression)
#define TRY_FD(expression) opened(#expression, expression)

static int opened(const char *text, int fd)
{
    say("%s: %s", text, fd < 0 ? strerrorname_np(errno) : "open");
    if (fd >= 0)
        close(fd);
    return fd;
}

static void things(void)
{
    write_text("file", "text");
    MUST(mkdir("dir", 0755));
    MUST(symlink("file", "to-file"));
    MUST(symlink("dir", "to-dir"));
    MUST(symlink("nowhere", "dangling"));
    MUST(symlink("loop", "loop"));
    MUST(mkfifo("fifo", 0644));
}

PROBE(open, errors)
{
    things();
    TRY_FD(open("none", O_RDONLY));
    TRY_FD(open("", O_RDONLY));
    TRY_FD(open(BAD_POINTER, O_RDONLY));
    TRY_FD(open("file/", O_RDONLY));
    TRY_FD(open("file/x", O_RDONLY));
    TRY_FD(open("none/x", O_CREAT | O_WRONLY, 0644));
    TRY_FD(open("dir", O_WRONLY));
    TRY_FD(open("dir", O_RDONLY | O_CREAT, 0644));
    TRY_FD(open("dir", O_RDONLY | O_TRUNC));
    TRY_FD(open("new/", O_CREAT | O_WRONLY, 0644));
    TRY_FD(open("dir/.", O_CREAT | O_WRONLY, 0644));
    TRY_FD(open("file", O_RDONLY | O_DIRECTORY));
    TRY_FD(open("file", O_CREAT | O_EXCL | O_WRONLY, 0644));
    TRY_FD(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
    TRY_FD(open("dangling", O_RDONLY));
    TRY_FD(open("to-file", O_RDONLY | O_NOFOLLOW));
    TRY_FD(open("to-dir", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
    TRY_FD(open("to-dir/", O_RDONLY | O_NOFOLLOW));
    TRY_FD(open("loop", O_RDONLY));
    TRY_FD(open("loop/x", O_RDONLY));
    TRY_FD(open("fifo", O_WRONLY | O_NONBLOCK));
    TRY_FD(open("fifo", O_RDONLY | O_NONBLOCK));
    TRY_FD(open("fifo", O_RDONLY | O_DIRECTORY));
    TRY_FD(open("dangling", O_CREAT | O_WRONLY, 0600));
    TRY(access("nowhere", F_OK));
    TRY_FD(openat(99, "file", O_RDONLY));
    TRY_FD(openat(99, "/dev/null", O_RDONLY));
    TRY_FD(openat(0, "file", O_RDONLY));
    TRY_FD(open("file", O_RDWR | O_CREAT | O_DIRECTORY, 0644));
    TRY_FD(open("other", O_RDWR | O_CREAT | O_DIRECTORY, 0644));
    TRY_FD(open("/proc/self/fd/99", O_RDONLY));
    TRY_FD(open("/dev/tty", O_RDWR));
}

PROBE(open, long_names)
{
    char name[5000];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    TRY_FD(open(name, O_CREAT | O_WRONLY, 0644));
    TRY(unlink(name));
    name[255] = 'n';
    name[256] = 0;
    TRY_FD(open(name, O_CREAT | O_WRONLY, 0644));
    for (size_t i = 0; i < sizeof name; i += 2)
        memcpy(name + i, "./", 2);
    name[4094] = '.';
    name[4095] = 0;
    TRY_FD(open(name, O_RDONLY));
    name[4095] = '/';
    name[4096] = 0;
    TRY_FD(open(name, O_RDONLY));
    TRY(mkdir(name, 0755));
    TRY(rename(name, "x"));
}

PROBE(open, flags_that_stay)
{
    things();
    FLAGS(open("file", O_RDWR | O_APPEND | O_CREAT | O_TRUNC, 0644));
    FLAGS(open("file", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    FLAGS(open("file", O_WRONLY | O_SYNC | O_NOFOLLOW));
    FLAGS(open("file", 3));
    FLAGS(open("dir", O_RDONLY | O_DIRECTORY));
    FLAGS(open("file", O_PATH | O_APPEND | O_CREAT | O_TRUNC | O_RDWR));
    FLAGS(open("to-file", O_PATH | O_NOFOLLOW | O_CLOEXEC));
    FLAGS(open(".", O_TMPFILE | O_RDWR, 0600));
    FLAGS(open("/dev/null", O_RDWR | O_APPEND));
    int fd = (int)MUST(open("file", O_RDONLY));
    TRY(fcntl(fd, F_SETFL, O_RDWR | O_APPEND | O_NONBLOCK | O_CREAT));
    say("after F_SETFL: %#x", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_CREAT));
    TRY(fcntl(fd, F_SETFL, O_ASYNC));
    TRY(fcntl(fd, F_SETFL, 0));
    say("text is still there: %zu", strlen(text_of("file")));
}

PROBE(open, temporary_files)
{
    things();
    TRY_FD(open(".", O_TMPFILE | O_RDONLY, 0600));
    TRY_FD(open("file", O_TMPFILE | O_RDWR, 0600));
    TRY_FD(open("none", O_TMPFILE | O_RDWR, 0600));
    TRY_FD(open(".", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0600));
    int fd = (int)MUST(open(".", O_TMPFILE | O_RDWR, 0640));
    struct stat st;
    MUST(fstat(fd, &st));
    say("mode %o links %lu", st.st_mode, (unsigned long)st.st_nlink);
    TRY(write(fd, "hello", 5));
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "linked", 0));
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
    TRY(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
    say("linked: %s", text_of("linked"));
    int closed = (int)MUST(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640));
    snprintf(path, sizeof path, "/proc/self/fd/%d", closed);
    TRY(linkat(AT_FDCWD, path, AT_FDCWD, "refused", AT_SYMLINK_FOLLOW));
    char target[64] = "";
    TRY(readlink(path, target, sizeof target) > 0);
    say("its name ends with (deleted): %d", strstr(target, " (deleted)") != NULL);
}

PROBE(open, path_descriptors)
{
    things();
    int fd = (int)MUST(open("file", O_PATH));
    char byte;
    TRY(read(fd, &byte, 1));
    TRY(write(fd, &byte, 1));
    TRY(fchmod(fd, 0600));
    TRY(fchown(fd, 0, 0));
    TRY(ftruncate(fd, 0));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(fcntl(fd, F_SETFL, O_APPEND));
    TRY(fcntl(fd, F_GETFD));
    struct stat st;
    TRY(fstat(fd, &st));
    TRY(ioctl(fd, 0x5401, &st));
    TRY((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    TRY(fchdir(fd));
    TRY(faccessat(fd, "", R_OK, AT_EMPTY_PATH));
    TRY(fchownat(fd, "", 1, 1, AT_EMPTY_PATH));
    int twice = dup(fd);
    TRY(close(twice));
    int dir = (int)MUST(open("dir", O_PATH));
    TRY(mkdirat(dir, "sub", 0755));
    TRY(openat(dir, "none", O_RDONLY));
    TRY(fchdir(dir));
    TRY(syscall(SYS_getdents64, dir, &st, sizeof st));
    TRY(chdir(".."));
    int link = (int)MUST(open("to-file", O_PATH | O_NOFOLLOW));
    char target[16];
    TRY(readlinkat(link, "", target, sizeof target));
    TRY(readlinkat(fd, "", target, sizeof target));
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = (int)TRY(open(path, O_RDWR) >= 0);
    TRY(again);
    snprintf(path, sizeof path, "/proc/self/fd/%d", link);
    TRY_FD(open(path, O_RDONLY));
}

PROBE(open, openat2)
{
    things();
    struct open_how how = { .flags = O_RDONLY };
    TRY_FD((int)syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how - 1));
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &how, 5000));
    struct {
        struct open_how how;
        uint64_t more;
    } larger = { { .flags = O_RDONLY }, 0 };
    TRY_FD((int)syscall(SYS_openat2, AT_FDCWD, "file", &larger, sizeof larger));
    larger.more = 1;
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &larger, sizeof larger));
    how.mode = 0644;
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    how = (struct open_how){ .flags = O_CREAT | O_RDWR, .mode = 010000 };
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    how = (struct open_how){ .flags = 1ull << 40 };
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    how = (struct open_how){ .flags = O_PATH | O_RDWR };
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    how = (struct open_how){ .resolve = 0x100 };
    TRY(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
    how = (struct open_how){ .resolve = RESOLVE_NO_SYMLINKS };
    TRY(syscall(SYS_openat2, AT_FDCWD, "to-file", &how, sizeof how));
    how = (struct open_how){ .resolve = RESOLVE_NO_MAGICLINKS };
    TRY(syscall(SYS_openat2, AT_FDCWD, "/proc/self/exe", &how, sizeof how));
    how = (struct open_how){ .resolve = RESOLVE_BENEATH };
    TRY(syscall(SYS_openat2, AT_FDCWD, "../..", &how, sizeof how));
    TRY(syscall(SYS_openat2, AT_FDCWD, "/dev", &how, sizeof how));
    TRY_FD((int)syscall(SYS_openat2, AT_FDCWD, "dir/../file", &how, sizeof how));
    how = (struct open_how){ .resolve = RESOLVE_IN_ROOT };
    TRY_FD((int)syscall(SYS_openat2, AT_FDCWD, "/../../file", &how, sizeof how));
    TRY(syscall(SYS_openat2, AT_FDCWD, "/dev/null", &how, sizeof how));
    how = (struct open_how){ .resolve = RESOLVE_NO_XDEV };
    TRY(syscall(SYS_openat2, AT_FDCWD, "/proc/version", &how, sizeof how));
}

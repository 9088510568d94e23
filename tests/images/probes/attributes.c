#include "probe.h"

#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static void attributes_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        say("%s: %s", path, strerrorname_np(errno));
        return;
    }
    say("%s: mode %o owner %u:%u size %ld links %lu", path, st.st_mode, st.st_uid, st.st_gid,
        S_ISDIR(st.st_mode) ? 0L : (long)st.st_size, (unsigned long)st.st_nlink);
}

static int write_as_user(void)
{
    int fd = (int)MUST(open("set", O_WRONLY));
    MUST(setgid(1000));
    MUST(setuid(1000));
    MUST(write(fd, "x", 1));
    return 0;
}

static int change_as_user(void)
{
    MUST(setgroups(0, NULL));
    MUST(setgid(1000));
    MUST(setuid(1000));
    TRY(chmod("mine", 06755));
    attributes_of("mine");
    TRY(chmod("others", 0777));
    TRY(chown("mine", 1000, 1000));
    attributes_of("mine");
    TRY(chown("mine", -1, 1000));
    TRY(chown("mine", -1, 50));
    TRY(chown("mine", 0, -1));
    TRY(chown("mine", -1, -1));
    TRY(chmod("foreign-group", 02755));
    attributes_of("foreign-group");
    TRY(utimensat(AT_FDCWD, "others", NULL, 0));
    TRY(utimensat(AT_FDCWD, "writable", NULL, 0));
    TRY(utimensat(AT_FDCWD, "writable", (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0));
    TRY(utimensat(AT_FDCWD, "writable",
                  (struct timespec[2]){ { 0, UTIME_OMIT }, { 0, UTIME_OMIT } }, 0));
    TRY(truncate("others", 0));
    TRY(setxattr("others", "user.a", "1", 1, 0));
    TRY(setxattr("mine", "security.a", "1", 1, 0));
    TRY(setxattr("mine", "trusted.a", "1", 1, 0));
    return 0;
}

PROBE(attributes, modes_and_owners)
{
    write_text("set", "x");
    MUST(chmod("set", 06777));
    attributes_of("set");
    in_child("writer", write_as_user);
    attributes_of("set");
    TRY(chmod("set", 06777));
    TRY(chown("set", 1000, 1000));
    attributes_of("set");
    TRY(chmod("set", 02644));
    TRY(chown("set", 0, 0));
    attributes_of("set");
    MUST(chmod("set", 06777));
    TRY(chown("set", -1, -1));
    attributes_of("set");
    TRY(chmod("set", 06777));
    TRY(truncate("set", 0));
    attributes_of("set");
    TRY(chmod("none", 0644));
    TRY(chmod("set", 0170000));
    attributes_of("set");
    MUST(symlink("set", "link"));
    TRY(lchown("link", 7, 8));
    attributes_of("link");
    TRY(fchmodat(AT_FDCWD, "link", 0600, AT_SYMLINK_NOFOLLOW));
    TRY(syscall(SYS_fchmodat, AT_FDCWD, "link", 0640));
    attributes_of("link");
    attributes_of("set");
    TRY(syscall(452, AT_FDCWD, "set", 0600, 0x1));
    TRY(fchownat(AT_FDCWD, "set", 1, 1, 0x1));
    write_text("mine", "x");
    write_text("others", "x");
    write_text("writable", "x");
    write_text("foreign-group", "x");
    MUST(chown("mine", 1000, 1000));
    MUST(chown("foreign-group", 1000, 50));
    MUST(chmod("writable", 0666));
    in_child("user", change_as_user);
}

PROBE(attributes, mask)
{
    say("%o", umask(0777));
    write_text("none", "");
    attributes_of("none");
    say("%o", umask(07027));
    MUST(mkdir("dir", 0777));
    attributes_of("dir");
    say("%o", umask(0));
    TRY(open("bits", O_CREAT | O_WRONLY, 07777) >= 0);
    attributes_of("bits");
}

static int access_as_user(void)
{
    MUST(setgroups(0, NULL));
    MUST(setresgid(1000, 50, 50));
    MUST(setresuid(1000, 1001, 1001));
    TRY(access("real", R_OK));
    TRY(faccessat(AT_FDCWD, "real", R_OK, AT_EACCESS));
    TRY(access("effective", R_OK));
    TRY(faccessat(AT_FDCWD, "effective", R_OK, AT_EACCESS));
    TRY(open("real", O_RDONLY));
    TRY(faccessat(AT_FDCWD, "staff", R_OK, AT_EACCESS));
    TRY(access("staff", R_OK));
    TRY(faccessat(AT_FDCWD, "not-owner", R_OK, AT_EACCESS));
    TRY(access("script", X_OK));
    return 0;
}

PROBE(attributes, access)
{
    static const struct {
        const char *name;
        unsigned mode;
        uid_t uid;
        gid_t gid;
    } files[] = { { "real", 0400, 1000, 0 },
                  { "effective", 0400, 1001, 0 },
                  { "staff", 0640, 0, 50 },
                  { "not-owner", 0044, 1001, 50 },
                  { "script", 0644, 1000, 0 } };
    for (size_t i = 0; i < COUNT(files); i++) {
        write_text(files[i].name, "x");
        MUST(chmod(files[i].name, files[i].mode));
        MUST(chown(files[i].name, files[i].uid, files[i].gid));
    }
    in_child("user", access_as_user);
    TRY(access("script", X_OK));
    TRY(access("not-owner", R_OK | W_OK));
    TRY(access("script", 8));
    TRY(access("none", F_OK));
    TRY(access("script/x", F_OK));
    TRY(syscall(SYS_faccessat2, AT_FDCWD, "script", R_OK, 0x8000));
    MUST(symlink("none", "dangling"));
    TRY(access("dangling", F_OK));
    TRY(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
}

static struct timespec last[3];

static void changed(const char *what)
{
    struct stat st;
    MUST(stat("file", &st));
    const struct timespec now[3] = { st.st_atim, st.st_mtim, st.st_ctim };
    char text[4] = "";
    for (unsigned i = 0; i < 3; i++) {
        if (now[i].tv_sec != last[i].tv_sec || now[i].tv_nsec != last[i].tv_nsec)
            strncat(text, &"amc"[i], 1);
        last[i] = now[i];
    }
    say("%s changes %s", what, *text ? text : "nothing");
    nap_ms(20); /* longer than the grain of these clocks */
}

PROBE(attributes, times)
{
    write_text("file", "text");
    changed("making");
    int fd = (int)MUST(open("file", O_RDWR));
    char byte;
    TRY(pread(fd, &byte, 1, 0));
    changed("the first read");
    TRY(pread(fd, &byte, 1, 0));
    changed("the second read");
    TRY(pwrite(fd, "x", 1, 0));
    changed("write");
    TRY(pwrite(fd, "", 0, 0));
    changed("an empty write");
    TRY(chmod("file", 0600));
    changed("chmod");
    TRY(chown("file", -1, -1));
    changed("chown to nobody");
    TRY(link("file", "link"));
    changed("link");
    TRY(rename("link", "link2"));
    changed("rename");
    TRY(truncate("file", 1));
    changed("truncate");
    TRY(truncate("file", 1));
    changed("truncate to the same");
    TRY(ftruncate(fd, 1));
    changed("ftruncate to the same");
    close((int)MUST(open("file", O_WRONLY | O_TRUNC)));
    changed("open with O_TRUNC");
    close((int)MUST(open("file", O_WRONLY | O_TRUNC)));
    changed("open of the empty one with O_TRUNC");
    TRY(setxattr("file", "user.a", "1", 1, 0));
    changed("setxattr");
    TRY(utimensat(AT_FDCWD, "file", (struct timespec[2]){ { 0, UTIME_OMIT }, { 5, 0 } }, 0));
    changed("setting mtime");
    TRY(utimensat(AT_FDCWD, "file", (struct timespec[2]){ { 0, UTIME_OMIT }, { 0, UTIME_OMIT } },
                  0));
    changed("setting neither");
    TRY(futimens(fd, NULL));
    changed("touch");
}

PROBE(attributes, setting_times)
{
    write_text("file", "");
    struct stat st;
    TRY(utimensat(AT_FDCWD, "file", (struct timespec[2]){ { 1, 999999999 }, { -1, 5 } }, 0));
    MUST(stat("file", &st));
    say("%ld.%09ld %ld.%09ld", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec,
        st.st_mtim.tv_nsec);
    TRY(utimensat(AT_FDCWD, "file", (struct timespec[2]){ { 1, 1000000000 }, { 1, 5 } }, 0));
    TRY(utimensat(AT_FDCWD, "file", (struct timespec[2]){ { 1, -1 }, { 1, 5 } }, 0));
    TRY(utimensat(AT_FDCWD, "none", NULL, 0));
    TRY(utimensat(AT_FDCWD, "file", NULL, 1));
    TRY(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
    TRY(syscall(SYS_utimensat, AT_FDCWD, "", NULL, 0));
    TRY(syscall(SYS_utimensat, AT_FDCWD, "file", BAD_POINTER, 0));
    TRY(utimes("file", (struct timeval[2]){ { 1, 1000000 }, { 1, 0 } }));
}

PROBE(attributes, stat_calls)
{
    write_text("file", "0123456789");
    struct stat st;
    MUST(stat("file", &st));
    say("blksize %ld blocks %ld", (long)st.st_blksize, (long)st.st_blocks);
    TRY(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    TRY(fstatat(AT_FDCWD, "", &st, 0));
    TRY(fstatat(AT_FDCWD, "file", &st, 0x1));
    TRY(stat("file", BAD_POINTER));
    TRY(fstat(99, &st));
    struct statx x;
    TRY(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
    say("mask %#x mode %o size %llu", x.stx_mask & (STATX_BASIC_STATS | STATX_BTIME), x.stx_mode,
        x.stx_size);
    TRY(statx(AT_FDCWD, "file", 0, 0x80000000u, &x));
    TRY(statx(AT_FDCWD, "file", 0x6000, STATX_BASIC_STATS, &x));
    TRY(statx(AT_FDCWD, "file", 0x1, STATX_BASIC_STATS, &x));
    TRY(statx(AT_FDCWD, "", 0, STATX_BASIC_STATS, &x));
    TRY(syscall(SYS_statx, AT_FDCWD, "file", 0, STATX_BASIC_STATS, BAD_POINTER));
    struct statfs fs;
    TRY(statfs("/proc", &fs));
    say("type %#lx namelen %ld", (long)fs.f_type, (long)fs.f_namelen);
    TRY(statfs("none", &fs));
    TRY(fstatfs(99, &fs));
    TRY(statfs("/dev/shm", &fs));
    say("type %#lx bsize %ld namelen %ld", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_namelen);
    TRY(statfs("/dev/pts", &fs));
    say("type %#lx", (long)fs.f_type);
    int ends[2];
    MUST(pipe(ends));
    TRY(fstatfs(ends[0], &fs));
    say("type %#lx", (long)fs.f_type);
    MUST(fstat(ends[0], &st));
    say("pipe: mode %o links %lu blksize %ld size %ld", st.st_mode, (unsigned long)st.st_nlink,
        (long)st.st_blksize, (long)st.st_size);
}

PROBE(attributes, extended)
{
    char room[64];
    write_text("file", "x");
    MUST(symlink("file", "link"));
    MUST(mkfifo("fifo", 0644));
    TRY(setxattr("file", "user.a", "one", 3, 0));
    TRY(setxattr("file", "user.a", "two", 3, XATTR_CREATE));
    TRY(setxattr("file", "user.b", "two", 3, XATTR_REPLACE));
    TRY(setxattr("file", "user.a", "three", 5, XATTR_REPLACE));
    TRY(setxattr("file", "user.a", "x", 1, 4));
    TRY(setxattr("file", "user.empty", NULL, 0, 0));
    TRY(setxattr("file", "user.", "x", 1, 0));
    TRY(setxattr("file", "", "x", 1, 0));
    TRY(setxattr("file", "nothing", "x", 1, 0));
    TRY(setxattr("file", "other.a", "x", 1, 0));
    TRY(setxattr("file", "user.big", room, 65537, 0));
    TRY(setxattr("file", "trusted.a", "x", 1, 0));
    TRY(getxattr("file", "user.a", room, sizeof room));
    TRY(getxattr("file", "user.a", room, 2));
    TRY(getxattr("file", "user.a", NULL, 0));
    TRY(getxattr("file", "user.empty", room, sizeof room));
    TRY(getxattr("file", "user.none", room, sizeof room));
    TRY(getxattr("file", "trusted.a", room, sizeof room));
    TRY(getxattr("file", "other.a", room, sizeof room));
    TRY(setxattr("fifo", "user.a", "x", 1, 0));
    TRY(lsetxattr("link", "user.a", "x", 1, 0));
    TRY(lgetxattr("link", "user.a", room, sizeof room));
    TRY(setxattr("/proc/self/status", "user.a", "x", 1, 0));
    TRY(listxattr("file", NULL, 0));
    TRY(listxattr("file", room, 3));
    TRY(listxattr("file", room, sizeof room));
    TRY(listxattr("fifo", room, sizeof room));
    TRY(removexattr("file", "user.a"));
    TRY(removexattr("file", "user.a"));
    TRY(fsetxattr((int)MUST(open("file", O_RDONLY)), "user.f", "x", 1, 0));
    TRY(setxattr("file", "security.other", "x", 1, 0));
    char name[300] = "user.";
    memset(name + 5, 'n', 251);
    TRY(setxattr("file", name, "x", 1, 0));
    name[255] = 0;
    TRY(setxattr("file", name, "x", 1, 0));
    TRY(setxattr("file", "system.posix_acl_access", "x", 1, 0) == -1);
    TRY(getxattr("file", "system.posix_acl_access", room, sizeof room) == -1);
}

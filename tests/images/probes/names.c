#include "probe.h"

#include <dirent.h>
#include <sys/sysmacros.h>

static void things(void)
{
    write_text("file", "text");
    MUST(mkdir("dir", 0755));
    MUST(mkdir("full", 0755));
    write_text("full/file", "in");
    MUST(symlink("file", "to-file"));
    MUST(symlink("dir", "to-dir"));
    MUST(symlink("nowhere", "dangling"));
}

static void links_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        say("%s: %s", path, strerrorname_np(errno));
    else
        say("%s: mode %o links %lu", path, st.st_mode, (unsigned long)st.st_nlink);
}

PROBE(names, directories)
{
    things();
    TRY(mkdir("file", 0755));
    TRY(mkdir("dir", 0755));
    TRY(mkdir("dangling", 0755));
    TRY(mkdir("none/x", 0755));
    TRY(mkdir("file/x", 0755));
    TRY(mkdir("", 0755));
    TRY(mkdir("/", 0755));
    TRY(mkdir(".", 0755));
    TRY(mkdir("dir/..", 0755));
    TRY(mkdir("slash/", 0755));
    TRY(mkdir("modes", 07777));
    links_of("modes");
    links_of(".");
    TRY(rmdir("full"));
    TRY(rmdir("file"));
    TRY(rmdir("none"));
    TRY(rmdir("to-dir"));
    TRY(rmdir("to-dir/"));
    TRY(rmdir("."));
    TRY(rmdir("dir/."));
    TRY(rmdir("full/.."));
    TRY(rmdir("/"));
    TRY(rmdir("slash/"));
    TRY(rmdir("/proc"));
    TRY(rmdir("/dev"));
    TRY(unlink("dir"));
    TRY(unlink("dir/"));
    TRY(unlink("file/"));
    TRY(unlinkat(AT_FDCWD, "dir", 1));
    TRY(unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR));
    TRY(unlinkat(99, "x", 0));
    TRY(chmod("full", 02775));
    TRY(chown("full", 0, 50));
    TRY(mkdir("full/inherits", 0755));
    links_of("full/inherits");
    struct stat st;
    MUST(stat("full/inherits", &st));
    say("its group is %d", st.st_gid);
}

PROBE(names, links)
{
    things();
    TRY(link("file", "second"));
    TRY(link("file", "second"));
    TRY(link("dir", "dir2"));
    TRY(link("none", "x"));
    TRY(link("file", "none/x"));
    TRY(link("file", "x/"));
    TRY(link("to-file", "link-to-link"));
    TRY(linkat(AT_FDCWD, "to-file", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
    TRY(linkat(AT_FDCWD, "file", AT_FDCWD, "x", 1));
    TRY(link("file", "/dev/x"));
    TRY(link("dangling", "dangling2"));
    TRY(linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
    links_of("file");
    links_of("link-to-link");
    TRY(symlink("", "x"));
    TRY(symlink("a", ""));
    TRY(symlink("a", "file"));
    TRY(symlink("a", "x/"));
    TRY(symlink("a", "dangling"));
    char text[8];
    TRY(readlink("to-file", text, sizeof text));
    TRY(readlink("to-file", text, 2));
    TRY(readlink("to-file", text, 0));
    TRY(syscall(SYS_readlinkat, AT_FDCWD, "to-file", text, -1));
    TRY(readlink("file", text, sizeof text));
    TRY(readlink("dir", text, sizeof text));
    TRY(readlink("none", text, sizeof text));
    TRY(readlink("to-file", BAD_POINTER, 4));
    links_of("to-file");
}

PROBE(names, renames)
{
    things();
    TRY(rename("none", "x"));
    TRY(rename("file", "file"));
    TRY(rename("file", "dir"));
    TRY(rename("dir", "file"));
    TRY(rename("dir", "full"));
    TRY(rename("full", "dir"));
    TRY(mkdir("full", 0755));
    TRY(rename("dir", "dir/sub"));
    TRY(rename("dir", "dir"));
    TRY(rename("dir", "dir/file"));
    TRY(rename("full/..", "x"));
    TRY(rename("dir", "full/."));
    TRY(rename(".", "x"));
    TRY(rename("file", "x/"));
    TRY(rename("full", "full2/"));
    TRY(rename("file/", "x"));
    TRY(rename("to-dir/", "x"));
    TRY(rename("to-file", "moved-link"));
    links_of("moved-link");
    TRY(rename("file", "none/x"));
    TRY(rename("file", "/dev/null/x"));
    TRY(rename("file", "/proc/x"));
    TRY(rename("", "x"));
    TRY(link("file", "same"));
    TRY(rename("file", "same"));
    links_of("file");
    TRY(renameat2(AT_FDCWD, "file", AT_FDCWD, "same", RENAME_NOREPLACE));
    TRY(renameat2(AT_FDCWD, "file", AT_FDCWD, "fresh", RENAME_NOREPLACE));
    TRY(renameat2(AT_FDCWD, "fresh", AT_FDCWD, "dir", RENAME_EXCHANGE));
    links_of("fresh");
    TRY(renameat2(AT_FDCWD, "fresh", AT_FDCWD, "none", RENAME_EXCHANGE));
    TRY(renameat2(AT_FDCWD, "fresh", AT_FDCWD, "fresh/file", RENAME_EXCHANGE));
    TRY(renameat2(AT_FDCWD, "fresh", AT_FDCWD, "same", RENAME_EXCHANGE | RENAME_NOREPLACE));
    TRY(renameat2(AT_FDCWD, "fresh", AT_FDCWD, "x", 64));
    TRY(rename("/proc", "/x"));
}

PROBE(names, special_files)
{
    things();
    TRY(mknod("regular", S_IFREG | 0640, 0));
    TRY(mknod("untyped", 0640, 0));
    TRY(mknod("fifo", S_IFIFO | 0666, 0));
    TRY(mknod("socket", S_IFSOCK | 0666, 0));
    TRY(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    TRY(mknod("dir2", S_IFDIR | 0755, 0));
    TRY(mknod("link", S_IFLNK | 0755, 0));
    TRY(mknod("odd", 0130000, 0));
    TRY(mknod("file", S_IFREG | 0640, 0));
    TRY(mknod("none/x", S_IFREG | 0640, 0));
    TRY(mknod("slash/", S_IFREG | 0640, 0));
    links_of("regular");
    links_of("untyped");
    links_of("fifo");
    links_of("socket");
    links_of("null");
    TRY(open("socket", O_RDONLY));
    int fd = open("null", O_WRONLY);
    TRY(write(fd, "x", 1));
    TRY(mknod("device", S_IFCHR | 0666, makedev(250, 250)));
    TRY(open("device", O_RDONLY));
    TRY(mknod("block", S_IFBLK | 0666, makedev(250, 250)));
    TRY(open("block", O_RDONLY));
    struct stat st;
    MUST(stat("/dev/zero", &st));
    say("/dev/zero is %u:%u, mode %o", major(st.st_rdev), minor(st.st_rdev), st.st_mode);
}

static int compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void list(const char *path)
{
    struct dirent **found;
    int count = scandir(path, &found, NULL, compare);
    for (int i = 0; i < count; i++)
        say("%s: type %d", found[i]->d_name, found[i]->d_type);
}

PROBE(names, listings)
{
    things();
    MUST(mkfifo("fifo", 0644));
    list(".");
    int fd = (int)MUST(open("dir", O_RDONLY)), file = (int)MUST(open("file", O_RDONLY));
    char room[256];
    TRY(syscall(SYS_getdents64, fd, room, 8));
    TRY(syscall(SYS_getdents64, fd, BAD_POINTER, 256));
    TRY(syscall(SYS_getdents64, file, room, sizeof room));
    TRY(syscall(SYS_getdents64, fd, room, sizeof room));
    TRY(syscall(SYS_getdents64, fd, room, sizeof room));
    TRY(lseek(fd, 0, SEEK_SET));
    TRY(rmdir("dir"));
    TRY(syscall(SYS_getdents64, fd, room, sizeof room));
    TRY(mkdirat(fd, "x", 0755));
    TRY(openat(fd, "x", O_CREAT | O_RDWR, 0644));
    TRY(faccessat(fd, ".", F_OK, 0));
    TRY(faccessat(fd, "..", F_OK, 0));
    links_of("dir");
    struct stat st;
    TRY(fstat(fd, &st));
    say("links %lu", (unsigned long)st.st_nlink);
}

PROBE(names, working_directory)
{
    char room[256];
    things();
    TRY(chdir("file"));
    TRY(chdir("none"));
    TRY(chdir(""));
    TRY(fchdir(99));
    TRY(fchdir((int)MUST(open("file", O_RDONLY))));
    MUST(mkdir("gone", 0755));
    TRY(chdir("gone"));
    TRY(rmdir("../gone"));
    TRY(syscall(SYS_getcwd, room, sizeof room));
    TRY(mkdir("x", 0755));
    TRY(open(".", O_RDONLY) >= 0);
    TRY(open("x", O_CREAT | O_RDWR, 0644));
    TRY(symlink("a", "b"));
    TRY(chdir("."));
    TRY(readlink("/proc/self/cwd", room, sizeof room));
    say("%s", strstr(room, "(deleted)") != NULL ? "deleted" : "not deleted");
    TRY(chdir(".."));
    TRY(syscall(SYS_getcwd, room, sizeof room));
    say("%s", room);
    TRY(syscall(SYS_getcwd, room, 4));
    TRY(syscall(SYS_getcwd, room, 0));
    TRY(syscall(SYS_getcwd, BAD_POINTER, 200));
    TRY(chroot("none"));
    TRY(chroot("file"));
    MUST(chdir("dir"));
    TRY(chroot("../full"));
    TRY(access("/file", F_OK));
    TRY(access("/../file", F_OK));
    TRY(access("../to-file", F_OK));
    TRY(syscall(SYS_getcwd, room, sizeof room) > 0);
    say("%.13s", room);
    TRY(chdir("/.."));
    TRY(syscall(SYS_getcwd, room, sizeof room));
    say("%s", room);
}

static int as_user(void)
{
    MUST(setgid(1000));
    MUST(setuid(1000));
    TRY(unlink("sticky/roots"));
    TRY(rename("sticky/roots", "sticky/mine"));
    TRY(open("sticky/new", O_CREAT | O_WRONLY, 0644) >= 0);
    TRY(unlink("sticky/new"));
    TRY(rmdir("sticky/dir"));
    TRY(mkdir("full/x", 0755));
    TRY(unlink("full/file"));
    TRY(rename("full/file", "sticky/file"));
    TRY(rename("sticky/open", "sticky/other"));
    TRY(access("locked/file", F_OK));
    TRY(open("locked", O_RDONLY));
    TRY(chdir("locked"));
    TRY(open("listed", O_RDONLY) >= 0);
    TRY(access("listed/file", F_OK));
    TRY(open("sticky/roots", O_WRONLY));
    TRY(link("sticky/roots", "sticky/linked") == 0 || errno == EPERM);
    TRY(mknod("sticky/device", S_IFCHR | 0666, makedev(1, 3)));
    TRY(mknod("sticky/fifo", S_IFIFO | 0666, 0));
    TRY(chroot("/tmp"));
    return 0;
}

PROBE(names, what_a_user_may_not)
{
    things();
    MUST(mkdir("sticky", 0755));
    MUST(chmod("sticky", 01777));
    MUST(mkdir("sticky/dir", 0777));
    write_text("sticky/roots", "x");
    write_text("sticky/open", "x");
    MUST(chown("sticky/open", 1000, 1000));
    MUST(mkdir("locked", 0700));
    write_text("locked/file", "x");
    MUST(mkdir("listed", 0744));
    write_text("listed/file", "x");
    in_child("user", as_user);
}

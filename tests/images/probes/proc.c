#include "probe.h"

#include <ctype.h>
#include <dirent.h>

/* The shape of a text: each number is N, so are hexadecimal ones of eight digits and more; runs of
 * blanks are one. */
static void shape(const char *path, unsigned lines)
{
    char text[4096], *out = text;
    const char *in = text_of(path);
    while (*in != 0 && out < text + sizeof text - 2 && lines > 0) {
        if (isdigit((unsigned char)*in)) {
            *out++ = 'N';
            while (isxdigit((unsigned char)*in))
                in++;
        } else if (strncmp(in, "unlimited", 9) == 0) {
            *out++ = 'N';
            in += 9;
        } else if (*in == ' ' || *in == '\t') {
            *out++ = ' ';
            while (*in == ' ' || *in == '\t')
                in++;
        } else {
            lines -= *in == '\n';
            *out++ = *in++;
        }
    }
    *out = 0;
    say("%s:", path);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        say("  %s", line);
}

PROBE(proc, texts_of_a_process)
{
    shape("/proc/self/stat", 1);
    shape("/proc/self/statm", 1);
    shape("/proc/self/comm", 1);
    shape("/proc/self/limits", 20);
    shape("/proc/self/uid_map", 1);
    shape("/proc/self/setgroups", 1);
    shape("/proc/self/oom_score_adj", 1);
    shape("/proc/self/loginuid", 1);
    shape("/proc/self/wchan", 1);
    shape("/proc/self/personality", 1);
    shape("/proc/self/fdinfo/0", 10);
}

PROBE(proc, status)
{
    static const char *wanted[] = { "Name",
                                    "Umask",
                                    "State",
                                    "Tgid",
                                    "Ngid",
                                    "Pid",
                                    "PPid",
                                    "TracerPid",
                                    "Uid",
                                    "Gid",
                                    "FDSize",
                                    "Groups",
                                    "VmPeak",
                                    "VmSize",
                                    "VmRSS",
                                    "VmData",
                                    "Threads",
                                    "SigQ",
                                    "SigPnd",
                                    "SigBlk",
                                    "CapInh",
                                    "CapAmb",
                                    "NoNewPrivs",
                                    "Seccomp",
                                    "Cpus_allowed_list",
                                    "voluntary_ctxt_switches" };
    const char *text = text_of("/proc/self/status");
    for (size_t i = 0; i < COUNT(wanted); i++) {
        char name[64];
        snprintf(name, sizeof name, "\n%s:\t", wanted[i]);
        say("%s: %s", wanted[i],
            strstr(text, name) != NULL || strncmp(text, name + 1, strlen(name) - 1) == 0
                ? "there"
                : "missing");
    }
}

static void list(const char *path)
{
    static const char *wanted[] = { "auxv",    "cgroup", "cmdline", "comm",      "cwd",
                                    "environ", "exe",    "fd",      "fdinfo",    "io",
                                    "limits",  "maps",   "mem",     "mountinfo", "mounts",
                                    "net",     "ns",     "oom_adj", "oom_score", "oom_score_adj",
                                    "root",    "smaps",  "stat",    "statm",     "status",
                                    "task" };
    struct stat st;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%s", path, wanted[i]);
        if (lstat(name, &st) != 0)
            say("%s: %s", name, strerrorname_np(errno));
        else
            say("%s: mode %o size %ld owner %u", name, st.st_mode,
                S_ISLNK(st.st_mode)   ? -1L
                : S_ISDIR(st.st_mode) ? 0L
                                      : (long)st.st_size,
                st.st_uid);
    }
}

PROBE(proc, entries)
{
    list("/proc/self");
}

PROBE(proc, texts_of_the_system)
{
    shape("/proc/loadavg", 1);
    shape("/proc/uptime", 1);
    shape("/proc/filesystems", 0);
    shape("/proc/sys/kernel/ostype", 1);
    shape("/proc/sys/kernel/pid_max", 1);
    shape("/proc/sys/kernel/random/uuid", 0);
    shape("/proc/sys/kernel/cap_last_cap", 1);
    shape("/proc/sys/vm/overcommit_memory", 1);
    shape("/proc/sys/fs/file-max", 1);
    shape("/proc/sys/fs/pipe-max-size", 1);
    shape("/proc/meminfo", 3);
    shape("/proc/stat", 1);
}

PROBE(proc, links_and_errors)
{
    char target[256] = "";
    int ends[2];
    MUST(pipe(ends));
    TRY(open("/proc/self/nothing", O_RDONLY));
    TRY(open("/proc/999999999", O_RDONLY));
    TRY(open("/proc/self/status", O_WRONLY));
    TRY(open("/proc/new", O_CREAT | O_RDWR, 0644));
    TRY(mkdir("/proc/new", 0755));
    TRY(unlink("/proc/self/status"));
    TRY(rename("/proc/self/status", "/proc/self/x"));
    TRY(chmod("/proc/version", 0600));
    TRY(symlink("x", "/proc/self/fd/77"));
    TRY(truncate("/proc/version", 0));
    TRY(readlink("/proc/self/exe", target, sizeof target));
    say("%s", target);
    memset(target, 0, sizeof target);
    TRY(readlink("/proc/self/root", target, sizeof target) > 0);
    TRY(readlink("/proc/self/fd/3", target, sizeof target) > 0);
    say("%.6s", target);
    memset(target, 0, sizeof target);
    TRY(readlink("/proc/self/ns/pid", target, sizeof target) > 0);
    say("%.5s", target);
    int fd = (int)MUST(open("/proc/self/comm", O_RDWR));
    TRY(write(fd, "a new name that is long\n", 24));
    say("%s", text_of("/proc/self/comm"));
    write_text("gone", "x");
    fd = (int)MUST(open("gone", O_RDONLY));
    unlink("gone");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    memset(target, 0, sizeof target);
    TRY(readlink(path, target, sizeof target));
    say("%s", target);
    struct stat st;
    TRY(stat(path, &st));
    say("links %lu", (unsigned long)st.st_nlink);
    char byte[8];
    fd = (int)MUST(open("/proc/self/status", O_RDONLY));
    TRY(pread(fd, byte, 5, 0));
    TRY(pread(fd, byte, 5, 1 << 20));
    TRY(lseek(fd, 3, SEEK_SET));
    TRY(read(fd, byte, 2));
    say("%.2s", byte);
    TRY(lseek(fd, 0, SEEK_END));
}

PROBE(proc, memory_of_a_process)
{
    char byte[8] = "";
    int fd = (int)MUST(open("/proc/self/mem", O_RDWR));
    char own = 'm', *page = &own;
    TRY(pread(fd, byte, 1, (off_t)(uintptr_t)page));
    say("%c", byte[0]);
    TRY(pread(fd, byte, 1, 0x10));
    TRY(pwrite(fd, "w", 1, (off_t)(uintptr_t)page));
    say("%c", own);
}

#include "probe.h"

#include <linux/auxvec.h>
#include <sys/auxv.h>

static void script(const char *name, const char *text, unsigned mode)
{
    write_text(name, text);
    MUST(chmod(name, mode));
}

/* Run a program in a child; the shell of busybox says what it was given. */
static void run(const char *path, char **words)
{
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        execve(path, words, (char *[]){ "A=1", NULL });
        say("%s: %s", path, strerrorname_np(errno));
        _exit(100);
    }
    ended(path, pid);
}

PROBE(exec, errors)
{
    char *words[] = { "name", "one", "two", NULL };
    script("text", "echo not a program\n", 0755);
    script("empty", "", 0755);
    script("plain", "#!/bin/busybox sh\necho run\n", 0644);
    script("no-such", "#!/no/such/program\n", 0755);
    script("relative", "#!bin/sh\n", 0755);
    script("nothing", "#!\n", 0755);
    script("blank", "#!   \n", 0755);
    script("myself", "#!myself\n", 0755);
    script("magic",
           "\x7f"
           "ELF",
           0755);
    MUST(mkdir("dir", 0755));
    MUST(symlink("loop", "loop"));
    run("none", words);
    run("", words);
    run("text", words);
    run("empty", words);
    run("plain", words);
    run("no-such", words);
    run("relative", words);
    run("nothing", words);
    run("blank", words);
    run("myself", words);
    run("magic", words);
    run("dir", words);
    run("text/", words);
    run("text/x", words);
    run("loop", words);
    run("/dev/null", words);
    run("/proc/self/status", words);
    TRY(execve("/bin/busybox", BAD_POINTER, NULL));
    TRY(execve("/bin/busybox", words, BAD_POINTER));
    TRY(execve(BAD_POINTER, words, NULL));
    TRY(execve("text", (char *[]){ BAD_POINTER, NULL }, NULL));
    TRY(syscall(SYS_execveat, AT_FDCWD, "text", words, NULL, 0x1));
    TRY(syscall(SYS_execveat, 99, "text", words, NULL, 0));
    TRY(syscall(SYS_execveat, 99, "", words, NULL, AT_EMPTY_PATH));
    static char big[200000];
    memset(big, 'x', sizeof big - 1);
    TRY(execve("/bin/busybox", (char *[]){ "true", big, NULL }, NULL));
    int fd = (int)MUST(open("writing", O_WRONLY | O_CREAT, 0755));
    run("writing", words);
    close(fd);
    script("dir/user", "#!/bin/busybox true\n", 0750);
    MUST(setgid(1000));
    MUST(setuid(1000));
    run("dir/user", words);
}

PROBE(exec, scripts)
{
    char *words[] = { "name", "one", "two", NULL };
    script("show", "#!/bin/busybox sh\necho \"$0 $*\"; env\n", 0755);
    script("argument", "#!/bin/busybox  echo  a b  \n", 0755);
    script("again", "#!show  x y \n", 0755);
    script("no-line", "#!/bin/busybox sh", 0755);
    script("third", "#!again\n", 0755);
    script("fourth", "#!third\n", 0755);
    script("fifth", "#!fourth\n", 0755);
    script("sixth", "#!fifth\n", 0755);
    char line[400] = "#!/bin/busybox echo ";
    memset(line + strlen(line), 'x', 300);
    script("long", line, 0755);
    memset(line, '/', 300);
    memcpy(line, "#!", 2);
    script("long-path", line, 0755);
    run("show", words);
    run("./show", words);
    run("argument", words);
    run("again", words);
    run("no-line", words);
    run("third", words);
    run("fifth", words);
    run("sixth", words);
    run("long", words);
    run("long-path", words);
    run("/bin/busybox", (char *[]){ NULL });
    int fd = (int)MUST(open("show", O_RDONLY));
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", words, NULL, AT_EMPTY_PATH);
        _exit(errno);
    }
    ended("by descriptor", pid);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    pid = (pid_t)MUST(fork());
    if (pid == 0) {
        syscall(SYS_execveat, fd, "", words, NULL, AT_EMPTY_PATH);
        say("%s", strerrorname_np(errno));
        _exit(1);
    }
    ended("by one that closes", pid);
}

PROBE(exec, what_stays)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGTERM, (void (*)(int))exit);
    kill(getpid(), SIGUSR1);
    MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
    MUST(open("/dev/null", O_RDONLY));
    umask(027);
    nice(3);
    char *words[] = { "sh", "-c",
                      "grep -E '^(Name|Umask|SigQ?(Blk|Ign|Cgt)|ShdPnd|CapEff|NoNewPrivs|Threads)' "
                      "/proc/self/status; "
                      "ls /proc/self/fd; nice; tr '\\0' ' ' </proc/self/cmdline; echo; tr '\\0' ' "
                      "' </proc/self/environ; echo",
                      NULL };
    run("/bin/busybox", words);
}

PROBE(exec, auxiliary_values)
{
    VALUE(getauxval(AT_PAGESZ));
    VALUE(getauxval(AT_CLKTCK));
    VALUE(getauxval(AT_UID));
    VALUE(getauxval(AT_EGID));
    VALUE(getauxval(AT_SECURE));
    VALUE(getauxval(AT_BASE));
    VALUE(getauxval(AT_PHENT));
    VALUE(getauxval(AT_FLAGS));
    VALUE(getauxval(AT_RANDOM) != 0);
    VALUE(getauxval(AT_SYSINFO_EHDR) != 0);
    VALUE(getauxval(AT_ENTRY) != 0);
    say("%s", (const char *)getauxval(AT_EXECFN));
    say("%s", (const char *)getauxval(AT_PLATFORM) != NULL ? "platform" : "no platform");
}

PROBE(exec, with_other_rights)
{
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        execl("/bin/busybox", "cp", "/bin/busybox", "set", NULL);
        _exit(1);
    }
    ended("cp", pid);
    MUST(chown("set", 1000, 50));
    static const unsigned modes[] = { 04755, 02755, 06755, 02745, 0755 };
    static char *words[] = {
        "sh", "-c", "id -u; id -ru; id -g; id -rg; grep -E 'Cap(Prm|Eff)' /proc/self/status", NULL
    };
    for (size_t i = 0; i < COUNT(modes); i++) {
        MUST(chmod("set", modes[i]));
        say("%o", modes[i]);
        run("set", words);
    }
    MUST(chown("set", 0, 0));
    MUST(chmod("set", 04755));
    MUST(setgid(1000));
    MUST(setuid(1000));
    run("set", words);
}

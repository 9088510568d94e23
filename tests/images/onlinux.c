/* init TREE PROGRAM ARGUMENT...: the first process of the Linux that onlinux.py boots. Runs the
 * program in the tree, as much like a container as can be: namespaces of its own, the usual
 * devices, and the capabilities, limits and first process that a container has here. What it
 * writes goes to the console; then a line gives its status, and the machine is switched off. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* A disk with an empty file system, for a tmpfs of Linux has no extended attributes before 6.6. */
#define DISK       "/dev/nvme0n1"
#define DISK_TRIES 500
#define TRY_US     20000

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            failed(#call);                                                                         \
    } while (0)

static const int capabilities[] = {
    CAP_CHOWN,      CAP_DAC_OVERRIDE, CAP_FOWNER,      CAP_FSETID,           CAP_KILL,
    CAP_SETGID,     CAP_SETUID,       CAP_SETPCAP,     CAP_NET_BIND_SERVICE, CAP_NET_RAW,
    CAP_SYS_CHROOT, CAP_MKNOD,        CAP_AUDIT_WRITE, CAP_SETFCAP,
};
static const struct device {
    const char *path;
    unsigned major, minor;
} devices[] = {
    { "dev/null", 1, 3 },   { "dev/zero", 1, 5 },    { "dev/full", 1, 7 },
    { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
};
static const char *const links[][2] = {
    { "pts/ptmx", "dev/ptmx" }, { "/proc/self/fd", "dev/fd" }, { "fd/0", "dev/stdin" },
    { "fd/1", "dev/stdout" },   { "fd/2", "dev/stderr" },
};
static const char *environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL
};

static void failed(const char *what)
{
    dprintf(2, "init: %s: %s\n", what, strerror(errno));
    reboot(RB_POWER_OFF);
    _exit(1);
}

/* Linux looks for disks while the first process runs. */
static void wait_for_disk(void)
{
    MUST(mount("none", "/dev", "devtmpfs", 0, NULL));
    for (int tries = 0; access(DISK, F_OK) < 0; tries++) {
        if (tries == DISK_TRIES)
            failed(DISK);
        usleep(TRY_US);
    }
}

static bool may_have(int capability)
{
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        if (capabilities[i] == capability)
            return true;
    }
    return false;
}

static void fill(void)
{
    umask(0);
    MUST(chmod(".", 0755)); /* whatever the folder's mode was where it was made */
    MUST(mount("none", "proc", "proc", 0, NULL));
    MUST(mount("none", "sys", "sysfs", 0, NULL));
    MUST(mount("none", "dev", "tmpfs", 0, "mode=755"));
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        MUST(mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
    MUST(mkdir("dev/shm", 0777));
    MUST(mkdir("dev/pts", 0755));
    MUST(mount("none", "dev/shm", "tmpfs", 0, "mode=1777"));
    MUST(mount("none", "dev/pts", "devpts", 0, "newinstance,ptmxmode=666,mode=620,gid=5"));
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        MUST(symlink(links[i][0], links[i][1]));
    MUST(mount("none", "tmp", "tmpfs", 0, "mode=1777"));
    MUST(mount(DISK, "mnt", "ext4", 0, NULL));
    umask(022);
}

static void limit(int resource, rlim_t soft)
{
    struct rlimit both;
    MUST(getrlimit(resource, &both));
    both.rlim_cur = soft;
    MUST(setrlimit(resource, &both));
}

/* Does not return. */
static void run(const char *tree, char **words)
{
    MUST(mount(tree, tree, NULL, MS_BIND, NULL));
    MUST(chdir(tree));
    fill();
    MUST(chroot("."));
    MUST(chdir("/"));
    MUST(dup2(open("/dev/null", O_RDONLY), 0));
    closefrom(3);
    limit(RLIMIT_NOFILE, 1024);
    limit(RLIMIT_CORE, 0);
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++) {
        if (!may_have(capability))
            MUST(prctl(PR_CAPBSET_DROP, capability));
    }
    MUST(execvpe(words[0], words, (char **)environment));
}

static void copy(int from)
{
    char buffer[4096];
    ssize_t count;
    while ((count = read(from, buffer, sizeof buffer)) > 0) {
        for (ssize_t done = 0, wrote; done < count; done += wrote)
            MUST(wrote = write(1, buffer + done, (size_t)(count - done)));
    }
}

int main(int count, char **words)
{
    struct termios console;
    if (count < 3 || tcgetattr(1, &console) < 0)
        failed("init TREE PROGRAM ARGUMENT...");
    cfmakeraw(&console);
    MUST(tcsetattr(1, TCSANOW, &console));
    wait_for_disk();
    int ends[2];
    MUST(pipe(ends));
    MUST(unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC));
    pid_t child = fork();
    MUST(child);
    if (child == 0) {
        MUST(dup2(ends[1], 1));
        MUST(dup2(ends[1], 2));
        run(words[1], words + 2);
    }
    close(ends[1]);
    copy(ends[0]);
    int status;
    MUST(waitpid(child, &status, 0));
    printf("\ninit: status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    fflush(stdout);
    tcdrain(1);
    return reboot(RB_POWER_OFF);
}

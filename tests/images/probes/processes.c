#include "probe.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>

static int gate[2];

static int zero(void)
{
    return 0;
}

static int seven(void)
{
    return 7;
}

static int sleeper(void)
{
    for (;;)
        pause();
}

static void say_info(const char *what, int result, const siginfo_t *info, pid_t pid)
{
    if (result != 0)
        say("%s: %s", what, strerrorname_np(errno));
    else
        say("%s: %s code %d status %d the child %d", what,
            info->si_signo ? signal_name(info->si_signo) : "nothing", info->si_code,
            info->si_status, info->si_pid == pid);
}

PROBE(processes, waits)
{
    siginfo_t info = { 0 };
    int status;
    TRY(waitpid(-1, &status, 0));
    TRY(waitpid(1 << 21, &status, 0));
    pid_t pid = child(seven);
    TRY(wait4(pid, &status, 0x100, NULL));
    TRY(waitid(P_PID, (id_t)pid, &info, 0));
    TRY(waitid(9, 0, &info, WEXITED));
    TRY(waitid(P_PID, 0, &info, WEXITED));
    TRY(waitid(P_PID, (id_t)pid, &info, WEXITED | 0x100));
    say_info("WNOWAIT", waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), &info, pid);
    TRY(syscall(SYS_waitid, P_PID, 1 << 21, BAD_POINTER, WEXITED, NULL));
    TRY(syscall(SYS_wait4, pid, BAD_POINTER, 0, NULL) == -1);
    say_info("gone", waitid(P_PID, (id_t)pid, &info, WEXITED), &info, pid);
    pid = child(sleeper);
    TRY(waitpid(pid, &status, WNOHANG));
    say_info("WNOHANG", waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), &info, pid);
    kill(pid, SIGSTOP);
    say_info("stopped", waitid(P_PID, (id_t)pid, &info, WSTOPPED), &info, pid);
    TRY(waitpid(pid, &status, WNOHANG | WUNTRACED));
    kill(pid, SIGCONT);
    say_info("continued", waitid(P_ALL, 0, &info, WCONTINUED), &info, pid);
    kill(pid, SIGTSTP);
    ended("sleeper", pid);
    kill(pid, SIGKILL);
    say_info("killed", waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED), &info, pid);
    TRY(waitid(P_ALL, 0, &info, WEXITED));
    signal(SIGCHLD, SIG_IGN);
    pid = child(zero);
    TRY(waitpid(pid, &status, 0));
    struct sigaction none = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
    MUST(sigaction(SIGCHLD, &none, NULL));
    pid = child(zero);
    TRY(waitpid(-1, &status, 0));
    pid = child(sleeper);
    TRY(waitpid(-pid, &status, WNOHANG));
    TRY(waitpid(0, &status, WNOHANG));
    kill(pid, SIGKILL);
}

static volatile int news;

static void shown(int number, siginfo_t *info, void *context)
{
    (void)context;
    news = 1;
    say("%s code %d status %d", signal_name(number), info->si_code, info->si_status);
}

/* The signal may come before or after wait4 knows, so it is waited for first. SIGCHLD is blocked.
 */
static void sent(pid_t pid, int number)
{
    sigset_t none;
    sigemptyset(&none);
    news = 0;
    kill(pid, number);
    while (news == 0)
        sigsuspend(&none);
    ended("child", pid);
}

PROBE(processes, news_of_children)
{
    struct sigaction action = { .sa_sigaction = shown, .sa_flags = SA_SIGINFO | SA_RESTART };
    MUST(sigaction(SIGCHLD, &action, NULL));
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    MUST(sigprocmask(SIG_BLOCK, &set, &old));
    pid_t pid = child(sleeper);
    sleeps(pid);
    sent(pid, SIGSTOP);
    sent(pid, SIGCONT);
    sent(pid, SIGTERM);
    MUST(sigprocmask(SIG_SETMASK, &old, NULL));
    action.sa_flags |= SA_NOCLDSTOP;
    MUST(sigaction(SIGCHLD, &action, NULL));
    pid = child(sleeper);
    kill(pid, SIGSTOP);
    ended("child", pid);
    MUST(sigprocmask(SIG_BLOCK, &set, &old));
    kill(pid, SIGKILL);
    ended("child", pid);
    MUST(sigpending(&set));
    VALUE(sigismember(&set, SIGCHLD));
    MUST(sigprocmask(SIG_SETMASK, &old, NULL));
}

static char stack[65536] __attribute__((aligned(16)));

static int cloned(void *argument)
{
    *(int *)argument = 5;
    return 9;
}

static long clone_of(uint64_t flags, uint64_t signal)
{
    struct clone_args args = { .flags = flags, .exit_signal = signal };
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0)
        _exit(3);
    return pid;
}

PROBE(processes, clones)
{
    int value = 0, status;
    TRY(clone(cloned, stack + sizeof stack, CLONE_SIGHAND | SIGCHLD, &value));
    TRY(clone(cloned, stack + sizeof stack, CLONE_THREAD | CLONE_SIGHAND | SIGCHLD, &value));
    TRY(clone(cloned, stack + sizeof stack, CLONE_FS | CLONE_NEWNS | SIGCHLD, &value));
    TRY(clone(cloned, stack + sizeof stack, CLONE_NEWNS | SIGCHLD, &value));
    TRY(clone(cloned, stack + sizeof stack, CLONE_NEWUTS | SIGCHLD, &value));
    TRY(clone(cloned, stack + sizeof stack, CLONE_PARENT_SETTID | CLONE_PIDFD | SIGCHLD, &value,
              &value));
    pid_t pid = clone(cloned, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
    VALUE(value);
    ended("vfork", pid);
    value = 0;
    pid = clone(cloned, stack + sizeof stack, SIGCHLD, &value);
    ended("fork", pid);
    VALUE(value);
    pid = clone(cloned, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_FS, &value);
    TRY(waitpid(pid, &status, 0));
    TRY(waitpid(pid, &status, __WALL) == pid);
    struct clone_args args = { .exit_signal = SIGCHLD };
    TRY(syscall(SYS_clone3, &args, 8));
    TRY(syscall(SYS_clone3, &args, 5000));
    TRY(syscall(SYS_clone3, BAD_POINTER, sizeof args));
    args.stack = 1;
    TRY(syscall(SYS_clone3, &args, sizeof args));
    args = (struct clone_args){ .stack_size = 4096, .exit_signal = SIGCHLD };
    TRY(syscall(SYS_clone3, &args, sizeof args));
    TRY(clone_of(CLONE_DETACHED, SIGCHLD));
    TRY(clone_of(SIGCHLD, SIGCHLD));
    TRY(clone_of(0, 65));
    TRY(clone_of(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, SIGCHLD));
    TRY(clone_of(CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, SIGCHLD));
    TRY(clone_of(1ull << 60, SIGCHLD));
    ended("clone3", (pid_t)clone_of(0, SIGCHLD));
    ended("clone3 that clears", (pid_t)clone_of(CLONE_CLEAR_SIGHAND, SIGCHLD));
    TRY(unshare(CLONE_FILES | CLONE_FS));
    TRY(unshare(CLONE_NEWNS));
    TRY(unshare(CLONE_THREAD));
    TRY(unshare(0x1));
    TRY(unshare(0));
}

static int leads(void)
{
    char byte;
    VALUE(setpgid(0, 0));
    VALUE(getpgrp() == getpid());
    MUST(read(gate[0], &byte, 1));
    return 0;
}

static int session(void)
{
    TRY(setsid() == getpid());
    TRY(setsid());
    TRY(getsid(0) == getpid());
    TRY(setpgid(0, 0));
    TRY(getpgid(0) == getpid());
    TRY(setpgid(0, getppid()));
    TRY(tcgetpgrp(0));
    return 0;
}

static int execs(void)
{
    char byte;
    execl("/bin/busybox", "sh", "-c", "read x", NULL);
    return (int)read(gate[0], &byte, 1);
}

PROBE(processes, groups_and_sessions)
{
    MUST(pipe(gate));
    TRY(setpgid(1 << 21, 0));
    TRY(setpgid(0, -1));
    TRY(setpgid(-1, 0));
    TRY(setpgid(0, 1 << 21));
    TRY(setpgid(1, 0));
    TRY(getpgid(1 << 21));
    TRY(getpgid(-1));
    TRY(getsid(1 << 21));
    pid_t pid = child(leads);
    sleeps(pid);
    TRY(getpgid(pid) == pid);
    TRY(setpgid(pid, getpgrp()));
    TRY(getpgid(pid) == getpgrp());
    TRY(kill(-pid, 0));
    TRY(setpgid(pid, pid));
    TRY(kill(-pid, 0));
    MUST(write(gate[1], "x", 1));
    ended("leader", pid);
    in_child("session", session);
    TRY(setpgid(0, 0));
    TRY(setsid());
    int ends[2];
    MUST(pipe(ends));
    MUST(dup2(ends[0], 0));
    pid = child(execs);
    nap_ms(200);
    sleeps(pid);
    TRY(setpgid(pid, pid));
    MUST(write(ends[1], "\n", 1));
    ended("exec", pid);
}

PROBE(processes, pidfds)
{
    siginfo_t info;
    TRY(syscall(SYS_pidfd_open, 0, 0));
    TRY(syscall(SYS_pidfd_open, -1, 0));
    TRY(syscall(SYS_pidfd_open, 1 << 21, 0));
    pid_t pid = child(sleeper);
    TRY(syscall(SYS_pidfd_open, pid, 0x10));
    int fd = (int)MUST(syscall(SYS_pidfd_open, pid, 0));
    TRY(fcntl(fd, F_GETFD));
    TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0x100));
    TRY(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0));
    TRY(waitid(P_PIDFD, 0, &info, WEXITED));
    int other = (int)MUST(syscall(SYS_pidfd_open, pid, O_NONBLOCK));
    info.si_signo = 1;
    TRY(waitid(P_PIDFD, (id_t)other, &info, WEXITED));
    TRY(info.si_signo);
    TRY(waitid(P_PIDFD, (id_t)other, &info, WEXITED | WNOHANG));
    info.si_signo = 1;
    TRY(waitid(P_PIDFD, (id_t)other, &info, 0));
    TRY(info.si_signo);
    TRY(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    say_info("P_PIDFD", waitid(P_PIDFD, (id_t)fd, &info, WEXITED), &info, pid);
    TRY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    TRY(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    char byte;
    TRY(read(fd, &byte, 1));
}

PROBE(processes, controls)
{
    char name[20] = "";
    int value = -1;
    TRY(prctl(PR_SET_NAME, "a name that is too long"));
    TRY(prctl(PR_GET_NAME, name));
    say("%s", name);
    TRY(prctl(PR_SET_NAME, BAD_POINTER));
    TRY(prctl(PR_SET_PDEATHSIG, 65));
    TRY(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    TRY(prctl(PR_GET_PDEATHSIG, &value));
    VALUE(value);
    TRY(prctl(PR_GET_DUMPABLE));
    TRY(prctl(PR_SET_DUMPABLE, 2));
    TRY(prctl(PR_SET_DUMPABLE, 0));
    TRY(prctl(PR_GET_DUMPABLE));
    TRY(prctl(PR_GET_KEEPCAPS));
    TRY(prctl(PR_SET_KEEPCAPS, 2));
    TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
    TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    TRY(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TRY(prctl(PR_SET_CHILD_SUBREAPER, 1));
    TRY(prctl(PR_GET_CHILD_SUBREAPER, &value));
    VALUE(value);
    TRY(prctl(PR_CAPBSET_READ, 0));
    TRY(prctl(PR_CAPBSET_READ, 21));
    TRY(prctl(PR_CAPBSET_READ, 99));
    TRY(prctl(PR_CAPBSET_DROP, 13));
    TRY(prctl(PR_CAPBSET_READ, 13));
    TRY(prctl(PR_GET_SECUREBITS));
    TRY(prctl(PR_GET_TIMERSLACK));
    TRY(prctl(PR_GET_TIMING));
    TRY(prctl(PR_GET_SECCOMP));
    TRY(prctl(9999, 0, 0, 0, 0));
}

/* What /proc and the calls say of the caller's CPUs; the tests' machines have two. */
static void say_cpus(void)
{
    cpu_set_t set;
    unsigned cpu = 99;
    CPU_ZERO(&set);
    TRY(syscall(SYS_sched_getaffinity, 0, sizeof set, &set));
    VALUE(set.__bits[0]);
    say("a CPU that it may run on: %d",
        syscall(SYS_getcpu, &cpu, NULL, NULL) == 0 && CPU_ISSET(cpu, &set));
    const char *status = strstr(text_of("/proc/self/status"), "\nCpus_allowed");
    if (status != NULL)
        say("%.*s", (int)(strstr(status, "\nMems") - status - 1), status + 1);
}

static int says_schedule(void)
{
    say_cpus();
    TRY(sched_getscheduler(0));
    VALUE(getpriority(PRIO_PROCESS, 0));
    return 0;
}

PROBE(processes, cpus)
{
    cpu_set_t set;
    say_cpus();
    CPU_ZERO(&set);
    CPU_SET(1, &set);
    CPU_SET(700, &set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    MUST(in_child("child", says_schedule));
    CPU_ZERO(&set);
    CPU_SET(700, &set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    TRY(sched_setaffinity(0, 0, &set));
    TRY(sched_setaffinity(0, sizeof set, BAD_POINTER));
    TRY(sched_setaffinity(-1, sizeof set, &set));
    TRY(syscall(SYS_sched_getaffinity, -1, sizeof set, &set));
    TRY(syscall(SYS_sched_getaffinity, 0, sizeof set, BAD_POINTER));
    say_cpus();
}

PROBE(processes, scheduling_of_children)
{
    struct sched_param param = { 0 };
    MUST(setpriority(PRIO_PROCESS, 0, 3));
    TRY(sched_setscheduler(0, SCHED_BATCH, &param));
    MUST(in_child("child", says_schedule));
    TRY(sched_setscheduler(0, SCHED_IDLE | SCHED_RESET_ON_FORK, &param));
    TRY(sched_getscheduler(0));
    TRY(sched_setscheduler(0, SCHED_IDLE, &param));
    MUST(in_child("child", says_schedule));
    TRY(sched_setscheduler(1 << 21, 99, &param));
    TRY(sched_setscheduler(-1, SCHED_OTHER, &param));
    TRY(sched_setscheduler(0, SCHED_OTHER, NULL));
    TRY(sched_setscheduler(0, SCHED_OTHER, BAD_POINTER));
}

/* struct sched_attr, its first version. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t deadlines[3];
};

static void set_attributes(struct attributes *attributes, unsigned size)
{
    attributes->size = size;
    say("size %u, policy %d, flags %#llx, nice %d, priority %u:", size, (int)attributes->policy,
        (unsigned long long)attributes->flags, attributes->nice, attributes->priority);
    TRY(syscall(SYS_sched_setattr, 0, attributes, 0));
    TRY(sched_getscheduler(0));
    VALUE(getpriority(PRIO_PROCESS, 0));
}

PROBE(processes, scheduling_attributes)
{
    union {
        struct attributes attributes;
        char bytes[256];
    } asked = { .attributes = { .nice = 5 } };
    const unsigned first = sizeof asked.attributes;
    set_attributes(&asked.attributes, 0);
    asked.attributes.nice = 4;
    set_attributes(&asked.attributes, first);
    asked.attributes.nice = 7;
    set_attributes(&asked.attributes, first - 1);
    say("told %d", asked.attributes.size >= first);
    set_attributes(&asked.attributes, sizeof asked);
    asked.bytes[200] = 1;
    set_attributes(&asked.attributes, sizeof asked);
    asked.bytes[200] = 0;
    asked.attributes.nice = 9;
    asked.attributes.policy = SCHED_BATCH;
    asked.attributes.flags = SCHED_FLAG_KEEP_POLICY;
    set_attributes(&asked.attributes, first);
    asked.attributes.nice = 11;
    asked.attributes.flags = SCHED_FLAG_KEEP_PARAMS;
    set_attributes(&asked.attributes, first);
    asked.attributes.flags = SCHED_FLAG_RESET_ON_FORK;
    set_attributes(&asked.attributes, first);
    MUST(syscall(SYS_sched_getattr, 0, &asked.attributes, first, 0));
    say("flags %#llx, policy %u, nice %d", (unsigned long long)asked.attributes.flags,
        asked.attributes.policy, asked.attributes.nice);
    asked.attributes.nice = -5;
    asked.attributes.policy = SCHED_OTHER;
    set_attributes(&asked.attributes, first);
    asked.attributes.policy = 99;
    set_attributes(&asked.attributes, first);
    asked.attributes.flags = 0x1000;
    set_attributes(&asked.attributes, first);
    asked.attributes.flags = 0;
    asked.attributes.policy = SCHED_OTHER | SCHED_RESET_ON_FORK;
    set_attributes(&asked.attributes, first);
    TRY(syscall(SYS_sched_setattr, 0, NULL, 0));
    TRY(syscall(SYS_sched_setattr, 0, BAD_POINTER, 0));
    TRY(syscall(SYS_sched_setattr, -1, &asked, 0));
    TRY(syscall(SYS_sched_setattr, 0, &asked, 1));
}

/* What stands for a process to pidfd_send_signal. */
PROBE(processes, directory_as_pidfd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", (int)getpid());
    int self = open(path, O_RDONLY | O_DIRECTORY), name = open(path, O_PATH),
        proc = open("/proc", O_RDONLY);
    int below = open("/proc/self/task", O_RDONLY), thread = open("/proc/thread-self", O_RDONLY);
    signal(SIGUSR1, told);
    TRY(syscall(SYS_pidfd_send_signal, self, SIGUSR1, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, name, SIGUSR1, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, proc, SIGUSR1, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, below, SIGUSR1, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, thread, SIGUSR1, NULL, 0));
    TRY(syscall(SYS_pidfd_send_signal, 0, SIGUSR1, NULL, 0));
    pid_t pid = MUST(fork());
    if (pid == 0)
        _exit(0);
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    int dead = open(path, O_RDONLY);
    ended("child", pid);
    TRY(syscall(SYS_pidfd_send_signal, dead, SIGUSR1, NULL, 0));
}

PROBE(processes, scheduling)
{
    struct sched_param param = { 0 };
    cpu_set_t set;
    TRY(sched_getscheduler(0));
    TRY(sched_getscheduler(-1));
    TRY(sched_getscheduler(1 << 21));
    TRY(sched_setscheduler(0, SCHED_BATCH, &param));
    TRY(sched_getscheduler(0));
    TRY(sched_setscheduler(0, 99, &param));
    param.sched_priority = 5;
    TRY(sched_setscheduler(0, SCHED_OTHER, &param));
    TRY(sched_setscheduler(0, SCHED_FIFO, &param));
    TRY(sched_get_priority_max(SCHED_FIFO));
    TRY(sched_get_priority_min(SCHED_OTHER));
    TRY(sched_get_priority_max(99));
    CPU_ZERO(&set);
    TRY(sched_setaffinity(0, sizeof set, &set));
    TRY(sched_getaffinity(0, 3, &set));
    TRY(sched_getaffinity(1 << 21, sizeof set, &set));
    TRY(sched_yield());
    TRY(getpriority(PRIO_PROCESS, 0));
    TRY(setpriority(PRIO_PROCESS, 0, 5));
    TRY(getpriority(PRIO_PROCESS, 0));
    TRY(setpriority(PRIO_PROCESS, 0, 4));
    TRY(setpriority(PRIO_PROCESS, 0, 100));
    TRY(getpriority(PRIO_PROCESS, 0));
    TRY(getpriority(9, 0));
    TRY(getpriority(PRIO_PROCESS, 1 << 21));
    TRY(getpriority(PRIO_USER, 12345));
    errno = 0;
    TRY(nice(1));
}

static void say_ids(void)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    getresuid(&r, &e, &s);
    getresgid(&gr, &ge, &gs);
    const char *at = strstr(text_of("/proc/self/status"), "CapInh");
    say("%u %u %u, %u %u %u", r, e, s, gr, ge, gs);
    say("%.100s", at == NULL ? "" : at);
}

static int drops(void)
{
    TRY(setgroups(2, (gid_t[]){ 5, 7 }));
    TRY(getgroups(0, NULL));
    TRY(getgroups(1, (gid_t[1]){ 0 }));
    TRY(setgroups(70000, BAD_POINTER));
    TRY(setresgid(10, 20, 30));
    TRY(setegid(30));
    TRY(setresuid(1000, 2000, 3000));
    say_ids();
    TRY(setuid(5));
    TRY(seteuid(1000));
    TRY(setreuid(3000, -1));
    TRY(setresuid(-1, 3000, 1000));
    TRY(setuid(1000));
    TRY(setgid(77));
    TRY(setgroups(0, NULL));
    say_ids();
    return 0;
}

static int keeps(void)
{
    TRY(prctl(PR_SET_KEEPCAPS, 1));
    TRY(setuid(1000));
    say_ids();
    return 0;
}

static int swaps(void)
{
    TRY(seteuid(1000));
    say_ids();
    TRY(seteuid(0));
    say_ids();
    TRY(setreuid(1000, 0));
    TRY(setreuid(0, 1000));
    say_ids();
    return 0;
}

PROBE(processes, credentials)
{
    say_ids();
    in_child("drops", drops);
    in_child("keeps", keeps);
    in_child("swaps", swaps);
}

PROBE(processes, limits)
{
    struct rlimit limit;
    TRY(getrlimit(99, &limit));
    TRY(getrlimit(RLIMIT_NOFILE, BAD_POINTER));
    MUST(getrlimit(RLIMIT_STACK, &limit));
    say("stack %ld", (long)limit.rlim_cur);
    limit = (struct rlimit){ 20, 10 };
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    limit = (struct rlimit){ 10, 1 << 30 };
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    limit = (struct rlimit){ 10, 20 };
    TRY(setrlimit(RLIMIT_CORE, &limit));
    limit = (struct rlimit){ 100, 200 };
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_max = 201;
    TRY(setrlimit(RLIMIT_NOFILE, &limit));
    TRY(syscall(SYS_prlimit64, 1 << 21, RLIMIT_NOFILE, NULL, &limit));
    TRY(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL));
    struct rusage usage;
    TRY(getrusage(7, &usage));
    TRY(getrusage(RUSAGE_SELF, BAD_POINTER));
    TRY(getrusage(RUSAGE_CHILDREN, &usage));
    TRY(times(NULL) > 0);
    TRY(uname(BAD_POINTER));
    TRY(sethostname("x", 1));
    TRY(gethostname((char[1]){ 0 }, 1));
}

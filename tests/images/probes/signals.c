#include "probe.h"

#include <setjmp.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t count;

static void silent(int number)
{
    (void)number;
}

static void counted(int number)
{
    count++;
    say("handler: %s", signal_name(number));
}

static void shown(int number, siginfo_t *info, void *context)
{
    (void)context;
    say("handler: %s code %d own %d value %d", signal_name(number), info->si_code,
        info->si_pid == getpid(),
        info->si_code == SI_QUEUE || info->si_code == SI_TIMER ? info->si_value.sival_int : 0);
}

static void handle(int number, int flags)
{
    struct sigaction action = { .sa_sigaction = shown, .sa_flags = SA_SIGINFO | flags };
    MUST(sigaction(number, &action, NULL));
}

static void say_set(const char *what, const sigset_t *set)
{
    char text[2048] = "";
    size_t length = 0;
    for (int number = 1; number < NSIG; number++) {
        if (sigismember(set, number) == 1 && number != 32 && number != 33)
            length +=
                (size_t)snprintf(text + length, sizeof text - length, " %s", signal_name(number));
    }
    say("%s:%s", what, text);
}

PROBE(signals, dispositions)
{
    struct sigaction old, action = { .sa_handler = counted, .sa_flags = SA_RESTART | SA_NODEFER };
    TRY(sigaction(SIGKILL, &action, NULL));
    TRY(sigaction(SIGSTOP, &action, NULL));
    TRY(sigaction(SIGKILL, NULL, &old));
    TRY(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    TRY(syscall(SYS_rt_sigaction, SIGUSR1, BAD_POINTER, NULL, 8));
    sigfillset(&action.sa_mask);
    TRY(sigaction(SIGUSR1, &action, NULL));
    TRY(sigaction(SIGUSR1, NULL, &old));
    say("flags %#x", (unsigned)old.sa_flags & ~0x4000000u);
    say_set("mask", &old.sa_mask);
    TRY(kill(getpid(), SIGUSR1));
    action.sa_flags = (int)SA_RESETHAND;
    TRY(sigaction(SIGUSR2, &action, NULL));
    TRY(kill(getpid(), SIGUSR2));
    TRY(sigaction(SIGUSR2, NULL, &old));
    VALUE(old.sa_handler == SIG_DFL);
    TRY(kill(getpid(), 0));
    TRY(kill(getpid(), 65));
    TRY(kill(getpid(), -1));
    TRY(kill(1 << 21, 0));
    TRY(kill(-(1 << 21), SIGUSR1));
    TRY(syscall(SYS_tgkill, getpid(), getpid(), 0));
    TRY(syscall(SYS_tgkill, 1 << 21, getpid(), 0));
    TRY(syscall(SYS_tgkill, -1, getpid(), 0));
    TRY(syscall(SYS_tkill, 0, 0));
    TRY(raise(SIGUSR1));
}

PROBE(signals, masks)
{
    sigset_t set, old;
    sigfillset(&set);
    TRY(sigprocmask(SIG_SETMASK, &set, NULL));
    TRY(sigprocmask(SIG_BLOCK, NULL, &old));
    say("KILL %d STOP %d USR1 %d", sigismember(&old, SIGKILL), sigismember(&old, SIGSTOP),
        sigismember(&old, SIGUSR1));
    TRY(syscall(SYS_rt_sigprocmask, 7, &set, NULL, 8));
    TRY(syscall(SYS_rt_sigprocmask, 7, NULL, &old, 8));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 16));
    TRY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, BAD_POINTER, NULL, 8));
    handle(SIGUSR1, 0);
    handle(SIGRTMIN, 0);
    handle(SIGRTMIN + 1, 0);
    signal(SIGHUP, SIG_IGN);
    TRY(kill(getpid(), SIGUSR1));
    TRY(kill(getpid(), SIGUSR1));
    TRY(kill(getpid(), SIGHUP));
    TRY(kill(getpid(), SIGCHLD));
    TRY(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 3 }));
    TRY(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 1 }));
    TRY(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 2 }));
    TRY(sigpending(&old));
    say_set("pending", &old);
    signal(SIGCHLD, SIG_IGN);
    TRY(sigpending(&old));
    say_set("pending", &old);
    sigemptyset(&set);
    TRY(sigprocmask(SIG_SETMASK, &set, NULL));
    TRY(sigpending(&old));
    say_set("pending", &old);
    TRY(syscall(SYS_rt_sigpending, &old, 4));
    TRY(syscall(SYS_rt_sigpending, &old, 9));
}

PROBE(signals, sent_with_a_word)
{
    siginfo_t info = { .si_code = SI_QUEUE };
    info.si_pid = 7777777;
    info.si_value.sival_int = 5;
    handle(SIGUSR1, 0);
    TRY(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
    info.si_code = SI_USER;
    TRY(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
    TRY(syscall(SYS_rt_sigqueueinfo, 1, SIGUSR1, &info));
    TRY(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &info));
    TRY(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, BAD_POINTER));
    TRY(kill(getpid(), SIGUSR1));
    TRY(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
}

PROBE(signals, waiting)
{
    sigset_t set;
    siginfo_t info;
    struct timespec none = { 0, 0 }, some = { 0, 10000000 }, bad = { 0, -1 };
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    TRY(sigtimedwait(&set, &info, &none));
    TRY(sigtimedwait(&set, &info, &some));
    TRY(sigtimedwait(&set, &info, &bad));
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    TRY(sigtimedwait(&set, &info, &none) == SIGUSR1);
    say("code %d own %d", info.si_code, info.si_pid == getpid());
    TRY(sigwaitinfo(&set, NULL) == SIGUSR2);
    signal(SIGUSR1, counted);
    struct sigaction quiet = { .sa_handler = silent };
    MUST(sigaction(SIGALRM, &quiet, NULL));
    struct itimerval soon = { { 0, 20000 },
                              { 0, 20000 } }; /* again and again: the first may come too soon */
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(sigwaitinfo(&set, NULL));
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(pause());
    MUST(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL));
    kill(getpid(), SIGUSR1);
    sigemptyset(&set);
    TRY(sigsuspend(&set));
    MUST(sigprocmask(SIG_BLOCK, NULL, &set));
    VALUE(sigismember(&set, SIGUSR1));
}

static int ends[2];

static int writes_soon(void)
{
    nap_ms(60);
    sleeps(getppid());
    kill(getppid(), SIGUSR1);
    nap_ms(60);
    sleeps(getppid());
    MUST(write(ends[1], "x", 1));
    return 0;
}

static void interrupted(int flags)
{
    char byte;
    handle(SIGUSR1, flags);
    MUST(pipe(ends));
    pid_t pid = child(writes_soon);
    say("flags %#x", (unsigned)flags);
    TRY(read(ends[0], &byte, 1));
    ended("writer", pid);
    pid = child(writes_soon);
    int status;
    DONE(waitpid(pid, &status, 0));
    waitpid(pid, &status, 0);
}

PROBE(signals, restart)
{
    interrupted(0);
    interrupted(SA_RESTART);
    struct sigaction quiet = { .sa_handler = silent, .sa_flags = SA_RESTART };
    MUST(sigaction(SIGALRM, &quiet, NULL));
    struct itimerval soon = { { 0, 20000 },
                              { 0, 20000 } }; /* again and again: the first may come too soon */
    struct timespec pause = { 5, 0 }, left = { 0, 0 };
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(nanosleep(&pause, &left));
    VALUE(left.tv_sec);
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    VALUE(clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, &left));
    VALUE(left.tv_sec);
    sigset_t set;
    sigemptyset(&set);
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(syscall(SYS_ppoll, NULL, 0, &pause, &set, 8));
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &pause, NULL));
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    int word = 0;
    TRY(syscall(SYS_futex, &word, 0, 0, &pause, NULL, 0));
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    TRY(sigtimedwait(&set, NULL, &pause));
    signal(SIGALRM, SIG_IGN);
    MUST(setitimer(ITIMER_REAL, &soon, NULL));
    pause.tv_sec = 0;
    pause.tv_nsec = 60000000;
    TRY(nanosleep(&pause, NULL));
}

static jmp_buf back;
static char *alternate;

static void faulted(int number, siginfo_t *info, void *context)
{
    (void)context;
    char here;
    say("%s code %d address %#lx on the alternate stack %d", signal_name(number), info->si_code,
        (unsigned long)info->si_addr, &here >= alternate && &here < alternate + 65536);
    siglongjmp(back, 1);
}

static volatile int zero;

PROBE(signals, faults)
{
    alternate = malloc(65536);
    stack_t stack = { alternate, 0, 65536 }, old;
    struct sigaction action = { .sa_sigaction = faulted, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    for (size_t i = 0; i < COUNT(numbers); i++)
        MUST(sigaction(numbers[i], &action, NULL));
    char *page =
        mmap((void *)0x1000000000, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (sigsetjmp(back, 1) == 0)
        page[5] = 1;
    TRY(sigaltstack(&stack, NULL));
    if (sigsetjmp(back, 1) == 0)
        *(volatile char *)0x7 = 1;
    int fd = (int)MUST(open("file", O_RDWR | O_CREAT, 0644));
    MUST(mmap(page, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ? -1 : 0);
    if (sigsetjmp(back, 1) == 0)
        zero = page[9];
    zero = page[4096];
    if (sigsetjmp(back, 1) == 0)
        ((void (*)(void))(page + 4096))();
    TRY(sigaltstack(NULL, &old));
    say("flags %d size %ld own %d", old.ss_flags, (long)old.ss_size, old.ss_sp == alternate);
    stack.ss_size = 100;
    TRY(sigaltstack(&stack, NULL));
    stack.ss_size = 65536;
    stack.ss_flags = 77;
    TRY(sigaltstack(&stack, NULL));
    stack.ss_flags = SS_DISABLE;
    TRY(sigaltstack(&stack, NULL));
    TRY(sigaltstack(NULL, &old));
    VALUE(old.ss_flags);
    TRY(syscall(SYS_sigaltstack, BAD_POINTER, NULL));
}

static int blocked_fault(void)
{
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *(volatile char *)0x7 = 1;
    return 0;
}

static int ignored_fault(void)
{
    signal(SIGSEGV, SIG_IGN);
    *(volatile char *)0x7 = 1;
    return 0;
}

static int aborts(void)
{
    abort();
}

static int dies_of[] = { SIGHUP,  SIGQUIT, SIGKILL, SIGALRM,   SIGPIPE,  SIGSYS,
                         SIGXCPU, SIGUSR1, SIGPWR,  SIGSTKFLT, SIGVTALRM };
static int which;

static int dies(void)
{
    kill(getpid(), dies_of[which]);
    return 7;
}

static int ignores_by_default(void)
{
    kill(getpid(), SIGCHLD);
    kill(getpid(), SIGURG);
    kill(getpid(), SIGWINCH);
    kill(getpid(), SIGCONT);
    return 7;
}

PROBE(signals, ends)
{
    in_child("a blocked fault", blocked_fault);
    in_child("an ignored fault", ignored_fault);
    in_child("abort", aborts);
    in_child("ignored", ignores_by_default);
    for (which = 0; which < (int)COUNT(dies_of); which++)
        in_child(signal_name(dies_of[which]), dies);
}

static int sends_as_user(void)
{
    pid_t parent = getppid();
    MUST(setgid(1000));
    MUST(setuid(1000));
    TRY(kill(parent, 0));
    TRY(kill(parent, SIGCONT));
    TRY(kill(1, SIGTERM));
    TRY(kill(-1, SIGUSR1));
    TRY(kill(0, 0));
    return 0;
}

PROBE(signals, permission)
{
    setsid();
    in_child("user", sends_as_user);
}

#include "probe.h"

#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

PROBE(clocks, reading_and_setting)
{
    struct timespec now, grain;
    for (int clock = 0; clock < 13; clock++) {
        if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
            continue; /* Linux has them where the machine has a clock that wakes it */
        say("clock %d: %s, grain %s %ld", clock,
            clock_gettime(clock, &now) == 0 ? "read" : strerrorname_np(errno),
            clock_getres(clock, &grain) == 0 ? "told" : strerrorname_np(errno),
            clock == 5 || clock == 6 ? 0 : grain.tv_nsec);
    }
    TRY(syscall(SYS_clock_gettime, 99, &now));
    TRY(syscall(SYS_clock_gettime, CLOCK_REALTIME, BAD_POINTER));
    TRY(clock_settime(CLOCK_REALTIME, &(struct timespec){ 5, 0 }));
    TRY(clock_settime(CLOCK_MONOTONIC, &(struct timespec){ 5, 0 }));
    TRY(clock_settime(CLOCK_REALTIME, &(struct timespec){ 5, -1 }));
    TRY(settimeofday(&(struct timeval){ 5, 0 }, NULL));
    struct timezone zone = { 1, 1 };
    TRY(syscall(SYS_gettimeofday, NULL, &zone));
    say("%d %d", zone.tz_minuteswest, zone.tz_dsttime);
}

PROBE(clocks, sleeping)
{
    struct timespec bad = { 0, 1000000000 }, negative = { -1, 0 }, past = { 1, 0 },
                    soon = { 0, 1000000 };
    TRY(nanosleep(&bad, NULL));
    TRY(nanosleep(&negative, NULL));
    TRY(syscall(SYS_nanosleep, BAD_POINTER, NULL));
    TRY(nanosleep(&soon, NULL));
    VALUE(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, NULL));
    VALUE(clock_nanosleep(CLOCK_REALTIME, 0, &soon, NULL));
    VALUE(clock_nanosleep(CLOCK_BOOTTIME, 0, &soon, NULL));
    VALUE(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &soon, NULL) == -1 ? errno : 0);
    VALUE(clock_nanosleep(99, 0, &soon, NULL));
    TRY(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 8, &soon, NULL));
    TRY(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &soon, NULL));
}

static void shown(int number, siginfo_t *info, void *context)
{
    (void)context;
    say("%s code %d value %d overrun %d", signal_name(number), info->si_code,
        info->si_value.sival_int, info->si_overrun);
}

PROBE(clocks, timers)
{
    timer_t timer;
    struct sigaction action = { .sa_sigaction = shown, .sa_flags = SA_SIGINFO };
    MUST(sigaction(SIGUSR1, &action, NULL));
    int number = -1;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGUSR1,
                              .sigev_value.sival_int = 42 };
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number));
    VALUE(number);
    TRY(syscall(SYS_timer_create, 99, &event, &number));
    event.sigev_signo = 65;
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number));
    event.sigev_notify = 77;
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &number));
    TRY(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, BAD_POINTER));
    struct itimerspec its = { { 0, 0 }, { 0, 1000000000 } }, old;
    TRY(syscall(SYS_timer_settime, 0, 0, &its, NULL));
    TRY(syscall(SYS_timer_settime, 77, 0, &its, NULL));
    its.it_value.tv_nsec = 5000000;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    TRY(syscall(SYS_timer_settime, 0, 0, &its, NULL));
    sigset_t none;
    sigemptyset(&none);
    TRY(sigsuspend(&none));
    TRY(syscall(SYS_timer_gettime, 0, &old));
    say("%ld %ld", old.it_value.tv_sec, old.it_value.tv_nsec);
    its = (struct itimerspec){ { 0, 1000000 }, { 0, 1 } };
    TRY(syscall(SYS_timer_settime, 0, TIMER_ABSTIME, &its, NULL));
    nap_ms(20);
    siginfo_t info;
    TRY(sigwaitinfo(&set, &info) == SIGUSR1);
    TRY(info.si_overrun > 1000);
    TRY(syscall(SYS_timer_getoverrun, 0) > 1000);
    TRY(syscall(SYS_timer_delete, 0));
    TRY(syscall(SYS_timer_delete, 0));
    TRY(timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &timer));
    struct itimerval value = { { 0, 0 }, { 100, 0 } }, before;
    TRY(setitimer(ITIMER_REAL, &value, &before));
    TRY(getitimer(ITIMER_REAL, &before));
    VALUE(before.it_value.tv_sec >= 99);
    TRY(alarm(7));
    TRY(alarm(0));
    TRY(setitimer(7, &value, NULL));
    value.it_value.tv_usec = 1000000;
    TRY(setitimer(ITIMER_REAL, &value, NULL));
    TRY(setitimer(ITIMER_VIRTUAL, &(struct itimerval){ { 0, 0 }, { 1000, 0 } }, NULL));
    TRY(getitimer(ITIMER_PROF, BAD_POINTER));
}

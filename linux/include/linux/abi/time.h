/* Clocks and times as a Linux program names them: clock_gettime(2), timer_create(2). */
#pragma once

#include <stdint.h>

enum {
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
    CLOCK_PROCESS_CPUTIME_ID = 2,
    CLOCK_THREAD_CPUTIME_ID = 3,
    CLOCK_MONOTONIC_RAW = 4,
    CLOCK_REALTIME_COARSE = 5,
    CLOCK_MONOTONIC_COARSE = 6,
    CLOCK_BOOTTIME = 7,
    CLOCK_REALTIME_ALARM = 8,
    CLOCK_BOOTTIME_ALARM = 9,
    CLOCK_TAI = 11,
};
enum { TIMER_ABSTIME = 1 };
enum { ITIMER_REAL = 0, ITIMER_VIRTUAL = 1, ITIMER_PROF = 2 };
enum { SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD = 2, SIGEV_THREAD_ID = 4 };

#define NS_PER_SECOND      1000000000ull
#define NS_PER_MICROSECOND 1000ull
#define CLOCK_TICKS        100        /* a second: times(2), AT_CLKTCK */
#define COARSE_NS          1000000ull /* clock_getres of the coarse clocks */

struct linux_timespec {
    int64_t seconds, nanoseconds;
};
struct linux_timeval {
    int64_t seconds, microseconds;
};
struct linux_itimerspec {
    struct linux_timespec interval, value;
};
struct linux_itimerval {
    struct linux_timeval interval, value;
};
struct linux_sigevent {
    uint64_t value;
    int32_t signal, notify, tid, padding[11];
};

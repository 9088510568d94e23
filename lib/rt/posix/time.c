#include <errno.h>
#include <rt/clock.h>
#include <rt/syscall.h>
#include <stdbool.h>
#include <time.h>

#include "posix.h"

#define NS_PER_S 1000000000

static bool is_monotonic(int clock)
{
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
           clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME;
}

static bool is_time_of_day(int clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

/* Where nobody knows the time of day, it counts from boot: deadlines still work. */
static long read_clock(int clock, uint64_t *time_ns_out)
{
    if (!is_monotonic(clock) && !is_time_of_day(clock))
        return -EINVAL;
    if (!is_time_of_day(clock) || clock_time_of_day_ns(time_ns_out) != OK)
        *time_ns_out = clock_now_ns();
    return 0;
}

long posix_clock_gettime(int clock, struct timespec *now_out)
{
    uint64_t time_ns;
    long error = read_clock(clock, &time_ns);
    if (error == 0)
        *now_out = (struct timespec){ .tv_sec = (time_t)(time_ns / NS_PER_S),
                                      .tv_nsec = (long)(time_ns % NS_PER_S) };
    return error;
}

long posix_clock_getres(int clock, struct timespec *resolution_out)
{
    if (!is_monotonic(clock) && !is_time_of_day(clock))
        return -EINVAL;
    if (resolution_out != NULL)
        *resolution_out = (struct timespec){ .tv_nsec = 1 };
    return 0;
}

static bool valid(const struct timespec *time)
{
    return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < NS_PER_S;
}

static uint64_t in_ns(const struct timespec *time)
{
    uint64_t seconds = (uint64_t)time->tv_sec;
    if (seconds >= UINT64_MAX / NS_PER_S - 1)
        return UINT64_MAX;
    return seconds * NS_PER_S + (uint64_t)time->tv_nsec;
}

uint64_t posix_deadline(const struct timespec *from_now)
{
    if (from_now == NULL)
        return DEADLINE_NEVER;
    return valid(from_now) ? clock_deadline(in_ns(from_now)) : 0;
}

long posix_sleep(int clock, int flags, const struct timespec *request)
{
    uint64_t now_ns;
    long error = read_clock(clock, &now_ns);
    if (error != 0)
        return error;
    if (!valid(request))
        return -EINVAL;
    uint64_t span_ns = in_ns(request);
    if ((flags & TIMER_ABSTIME) != 0)
        span_ns = span_ns > now_ns ? span_ns - now_ns : 0;
    if (span_ns != 0)
        thread_yield(clock_deadline(span_ns));
    return 0;
}

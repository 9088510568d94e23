/* Runs in the guest, in user programs: no globals, no calls out. clock_gettime(2) and its like. */
#include <linux/vdso.h>
#include <vdso_cpu.h>

#define NS_PER_S ((uint64_t)1000000000)

enum {
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
    CLOCK_MONOTONIC_RAW = 4,
    CLOCK_REALTIME_COARSE = 5,
    CLOCK_MONOTONIC_COARSE = 6,
    CLOCK_BOOTTIME = 7,
    CLOCK_TAI = 11,
};

struct timespec {
    int64_t seconds, nanoseconds;
};

struct timeval {
    int64_t seconds, microseconds;
};

struct timezone {
    int32_t minutes_west, summer;
};

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

int VDSO_NAME(clock_gettime)(int clock, struct timespec *time);
int VDSO_NAME(gettimeofday)(struct timeval *time, struct timezone *zone);
int VDSO_NAME(clock_getres)(int clock, struct timespec *resolution);

static const volatile struct vdso_data *data(void)
{
    return (const volatile struct vdso_data *)(const void *)(__ehdr_start + VDSO_DATA_OFFSET);
}

static uint64_t now_ns(void)
{
    uint64_t count = vdso_counter() - data()->counter_base;
    return (uint64_t)(((unsigned __int128)count * data()->ns_per_count) >> 32);
}

static uint64_t realtime_ns(void)
{
    return now_ns() + (uint64_t)data()->realtime_offset_ns;
}

int VDSO_NAME(clock_gettime)(int clock, struct timespec *time)
{
    uint64_t ns;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        ns = realtime_ns();
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        ns = now_ns();
        break;
    default:
        return (int)vdso_call(VDSO_CLOCK_GETTIME, (uint64_t)(int64_t)clock, (uint64_t)time);
    }
    time->seconds = (int64_t)(ns / NS_PER_S);
    time->nanoseconds = (int64_t)(ns % NS_PER_S);
    return 0;
}

int VDSO_NAME(gettimeofday)(struct timeval *time, struct timezone *zone)
{
    uint64_t ns = realtime_ns();
    if (time != 0) {
        time->seconds = (int64_t)(ns / NS_PER_S);
        time->microseconds = (int64_t)(ns % NS_PER_S / 1000);
    }
    if (zone != 0) {
        zone->minutes_west = 0;
        zone->summer = 0;
    }
    return 0;
}

int VDSO_NAME(clock_getres)(int clock, struct timespec *resolution)
{
    return (int)vdso_call(VDSO_CLOCK_GETRES, (uint64_t)(int64_t)clock, (uint64_t)resolution);
}

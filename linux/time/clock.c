/* Clocks: what they show, how fine, and until when a sleep lasts. clock_gettime(2). */
#include "time_impl.h"
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/machine.h>
#include <linux/task.h>

enum { CPU_CLOCK_THREAD = 4, CPU_CLOCK_SCHED = 2, CPU_CLOCK_KIND = 3 };

int clock_now(int32_t clock, uint64_t *ns_out)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: /* no leap seconds are known, as where nobody told Linux */
        *ns_out = machine_time_of_day_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        *ns_out = machine_now_ns();
        return 0;
    default:
        return -EINVAL;
    }
}

/* A CPU clock of another: ~id, and three bits that say of what (pthread_getcpuclockid). */
static int cpu_clock_of(int32_t clock, uint64_t *ns_out)
{
    int32_t id = ~(clock >> 3);
    if ((clock & CPU_CLOCK_KIND) > CPU_CLOCK_SCHED)
        return -EINVAL;
    struct task *self = task_self();
    struct task *task = id == 0 ? task_get(self) : task_find(id);
    if (task == NULL)
        return -EINVAL;
    bool thread = (clock & CPU_CLOCK_THREAD) != 0;
    int error = thread && task->process != self->process ? -EINVAL : 0;
    if (error == 0)
        *ns_out = thread ? task_cpu_ns(task) : process_cpu_ns(task->process);
    task_put(task);
    return error;
}

int clock_read(int32_t clock, uint64_t *ns_out)
{
    if (clock < 0)
        return cpu_clock_of(clock, ns_out);
    if (clock == CLOCK_PROCESS_CPUTIME_ID)
        *ns_out = process_cpu_ns(task_self()->process);
    else if (clock == CLOCK_THREAD_CPUTIME_ID)
        *ns_out = task_cpu_ns(task_self());
    else
        return clock_now(clock, ns_out);
    return 0;
}

int time_out(uaddr_t to, uint64_t ns)
{
    struct linux_timespec time = { .seconds = (int64_t)(ns / NS_PER_SECOND),
                                   .nanoseconds = (int64_t)(ns % NS_PER_SECOND) };
    return copy_out(to, &time, sizeof(time));
}

int time_to_ns(const struct linux_timespec *time, uint64_t *ns_out)
{
    if (time->seconds < 0 || time->nanoseconds < 0 || time->nanoseconds >= (int64_t)NS_PER_SECOND)
        return -EINVAL;
    if (time->seconds >= INT64_MAX / (int64_t)NS_PER_SECOND)
        *ns_out = INT64_MAX;
    else
        *ns_out = (uint64_t)time->seconds * NS_PER_SECOND + (uint64_t)time->nanoseconds;
    return 0;
}

int time_in(uaddr_t from, uint64_t *ns_out)
{
    struct linux_timespec time;
    if (copy_in(&time, from, sizeof(time)) != 0)
        return -EFAULT;
    return time_to_ns(&time, ns_out);
}

int timeval_in(uaddr_t from, uint64_t *ns_out)
{
    struct linux_timeval time;
    if (copy_in(&time, from, sizeof(time)) != 0)
        return -EFAULT;
    if (time.microseconds < 0 || time.microseconds > 999999)
        return -EINVAL;
    struct linux_timespec fine = { time.seconds, time.microseconds * (int64_t)NS_PER_MICROSECOND };
    return time_to_ns(&fine, ns_out);
}

static bool is_wall(int32_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI;
}

int time_deadline(int32_t clock, uint64_t ns, bool absolute, uint64_t *deadline_ns_out)
{
    bool wall = is_wall(clock);
    if (!wall && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
        clock != CLOCK_BOOTTIME_ALARM)
        return -EINVAL;
    uint64_t base = 0;
    if (!absolute)
        base = machine_now_ns();
    uint64_t deadline_ns;
    if (absolute && wall) {
        uint64_t offset_ns = (uint64_t)machine_realtime_offset_ns();
        deadline_ns = ns > offset_ns ? ns - offset_ns : 0;
    } else if (__builtin_add_overflow(base, ns, &deadline_ns)) {
        deadline_ns = MACHINE_NEVER;
    }
    *deadline_ns_out = ns >= INT64_MAX ? MACHINE_NEVER : deadline_ns;
    return 0;
}

int timeout_in(uaddr_t from, uint64_t *deadline_ns_out)
{
    uint64_t ns;
    *deadline_ns_out = MACHINE_NEVER;
    if (from == 0)
        return 0;
    int error = time_in(from, &ns);
    return error != 0 ? error : time_deadline(CLOCK_MONOTONIC, ns, false, deadline_ns_out);
}

/* ---- calls ---- */

int64_t linux_clock_gettime(int32_t clock, uaddr_t to)
{
    uint64_t ns;
    int error = clock_read(clock, &ns);
    return error != 0 ? error : time_out(to, ns);
}

int64_t linux_clock_getres(int32_t clock, uaddr_t to)
{
    uint64_t ns;
    int error = clock_read(clock, &ns);
    if (error != 0 || to == 0)
        return error;
    bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
    return time_out(to, coarse ? COARSE_NS : 1);
}

/* The node's time is the operator's. */
int64_t linux_clock_settime(int32_t clock, uaddr_t from)
{
    uint64_t ns;
    int error = clock_read(clock, &ns);
    if (error == 0)
        error = time_in(from, &ns);
    if (error != 0)
        return error;
    return clock == CLOCK_REALTIME ? -EPERM : -EINVAL;
}

int64_t linux_gettimeofday(uaddr_t to, uaddr_t zone_at)
{
    static const int32_t zone[2] = { 0, 0 };
    uint64_t ns;
    (void)clock_now(CLOCK_REALTIME, &ns);
    struct linux_timeval time = { (int64_t)(ns / NS_PER_SECOND),
                                  (int64_t)(ns % NS_PER_SECOND / NS_PER_MICROSECOND) };
    if (to != 0 && copy_out(to, &time, sizeof(time)) != 0)
        return -EFAULT;
    return zone_at == 0 ? 0 : copy_out(zone_at, zone, sizeof(zone));
}

int64_t linux_settimeofday(uaddr_t from, uaddr_t zone_at)
{
    (void)from;
    (void)zone_at;
    return -EPERM;
}

int64_t linux_time(uaddr_t to)
{
    uint64_t ns;
    (void)clock_now(CLOCK_REALTIME, &ns);
    int64_t seconds = (int64_t)(ns / NS_PER_SECOND);
    if (to != 0 && copy_out(to, &seconds, sizeof(seconds)) != 0)
        return -EFAULT;
    return seconds;
}

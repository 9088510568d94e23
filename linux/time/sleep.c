/* Sleeping for a time. nanosleep(2), clock_nanosleep(2).
 *
 * An interrupted relative sleep writes what is left and, if no handler ran, goes on until the same
 * moment (ERESTART_RESTARTBLOCK). An absolute one is simply made again.
 */
#include "time_impl.h"
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/machine.h>
#include <linux/task.h>

static int sleep_until(uint64_t deadline_ns)
{
    int error;
    do
        error = task_sleep(deadline_ns);
    while (error == 0);
    return error == -ETIMEDOUT ? 0 : error;
}

static int64_t sleep_again(struct task *task);

static int64_t sleep_relative(uint64_t deadline_ns, uaddr_t left_at)
{
    if (sleep_until(deadline_ns) == 0)
        return 0;
    uint64_t now_ns = machine_now_ns();
    if (now_ns >= deadline_ns)
        return 0;
    if (left_at != 0 && time_out(left_at, deadline_ns - now_ns) != 0)
        return -EFAULT;
    struct task *self = task_self();
    self->restart = sleep_again;
    self->restart_deadline_ns = deadline_ns;
    self->restart_word[0] = left_at;
    return -ERESTART_RESTARTBLOCK;
}

static int64_t sleep_again(struct task *task)
{
    return sleep_relative(task->restart_deadline_ns, task->restart_word[0]);
}

/* A CPU clock shows no moment to sleep until: look again when it could have come at the earliest.
 */
static int64_t sleep_on_cpu(int32_t clock, uint64_t ns, bool absolute, uaddr_t left_at)
{
    const uint64_t shortest_ns = 1000000;
    uint64_t now_ns;
    uint64_t end_ns = ns;
    int error = clock_read(clock, &now_ns);
    if (error != 0)
        return error;
    if (!absolute && __builtin_add_overflow(now_ns, ns, &end_ns))
        end_ns = INT64_MAX;
    while (now_ns < end_ns) {
        uint64_t left_ns = (end_ns - now_ns) / machine_cpu_count();
        error = sleep_until(machine_now_ns() + MAX(left_ns, shortest_ns));
        if (error != 0)
            break;
        if (clock_read(clock, &now_ns) != 0)
            return 0; /* it has ended */
    }
    if (error == 0 || absolute)
        return error == 0 ? 0 : -ERESTARTNOHAND;
    if (left_at != 0 && time_out(left_at, end_ns - now_ns) != 0)
        return -EFAULT;
    return -EINTR;
}

int64_t linux_nanosleep(uaddr_t time_at, uaddr_t left_at)
{
    uint64_t ns;
    uint64_t deadline_ns;
    int error = time_in(time_at, &ns);
    if (error == 0)
        error = time_deadline(CLOCK_MONOTONIC, ns, false, &deadline_ns);
    return error != 0 ? error : sleep_relative(deadline_ns, left_at);
}

int64_t linux_clock_nanosleep(int32_t clock, int32_t flags, uaddr_t time_at, uaddr_t left_at)
{
    bool absolute = (flags & TIMER_ABSTIME) != 0;
    uint64_t ns;
    uint64_t deadline_ns;
    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return -EOPNOTSUPP;
    int error = time_in(time_at, &ns);
    if (error != 0)
        return error;
    if (clock == CLOCK_PROCESS_CPUTIME_ID || clock < 0)
        return sleep_on_cpu(clock, ns, absolute, left_at);
    error = time_deadline(clock, ns, absolute, &deadline_ns);
    if (error != 0)
        return clock_now(clock, &ns) == 0 ? -EOPNOTSUPP : error;
    if (!absolute)
        return sleep_relative(deadline_ns, left_at);
    return sleep_until(deadline_ns) == 0 ? 0 : -ERESTARTNOHAND;
}

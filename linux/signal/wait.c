/* Waiting for signals: sigsuspend, pause, sigtimedwait. */
#include "signal_impl.h"
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/machine.h>

static int64_t wait_for_any(void)
{
    int error;
    do
        error = task_sleep(MACHINE_NEVER);
    while (error == 0);
    return -ERESTARTNOHAND;
}

int64_t linux_pause(void)
{
    return wait_for_any();
}

int64_t linux_rt_sigsuspend(uaddr_t set_at, uint64_t set_bytes)
{
    if (set_bytes != sizeof(signal_set))
        return -EINVAL;
    if (set_at == 0)
        return -EFAULT;
    int error = signal_mask_for_call(set_at, set_bytes);
    return error != 0 ? error : wait_for_any();
}

static void set_waited(struct task *task, signal_set set)
{
    rt_lock(&task->process->lock);
    task->waited = set;
    signal_recalculate(task);
    rt_unlock(&task->process->lock);
}

/* 0 if none came: -EAGAIN in time, -EINTR for another. */
static int64_t wait_for_one(struct task *self, signal_set set, uint64_t deadline_ns,
                            struct signal_info *info_out)
{
    int number = signal_take(set, info_out);
    if (number != 0 || deadline_ns == 0)
        return number != 0 ? number : -EAGAIN;
    int error = 0;
    set_waited(self, set);
    while (error == 0 && (number = signal_take(set, info_out)) == 0)
        error = task_sleep(deadline_ns);
    set_waited(self, 0);
    if (number == 0)
        number = signal_take(set, info_out);
    if (number != 0)
        return number;
    return error == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

int64_t linux_rt_sigtimedwait(uaddr_t set_at, uaddr_t info_at, uaddr_t timeout_at,
                              uint64_t set_bytes)
{
    signal_set set;
    uint64_t timeout_ns;
    uint64_t deadline_ns = MACHINE_NEVER;
    if (set_bytes != sizeof(set))
        return -EINVAL;
    if (copy_in(&set, set_at, sizeof(set)) != 0)
        return -EFAULT;
    if (timeout_at != 0) {
        int error = time_in(timeout_at, &timeout_ns);
        if (error != 0)
            return error;
        deadline_ns = 0;
        if (timeout_ns != 0)
            (void)time_deadline(CLOCK_MONOTONIC, timeout_ns, false, &deadline_ns);
    }
    struct signal_info info;
    int64_t number = wait_for_one(task_self(), set & ~SIGNALS_NEVER_BLOCKED, deadline_ns, &info);
    if (number > 0 && info_at != 0 && copy_out(info_at, &info, sizeof(info)) != 0)
        return -EFAULT;
    return number;
}

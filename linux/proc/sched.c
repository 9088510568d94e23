/* Scheduling as a program asks about it. sched(7).
 *
 * All threads are alike to the kernel below. What a program sets is kept and told again, so that
 * tools see what they set, but not obeyed; policies that promise more than time sharing are
 * refused.
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/clock.h>
#include <linux/machine.h>

enum { SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_BATCH = 3, SCHED_IDLE = 5 };
#define SCHED_RESET_ON_FORK 0x40000000u
enum { PRIO_PROCESS = 0, PRIO_PGRP = 1, PRIO_USER = 2, NICE_MIN = -20, NICE_MAX = 19 };
enum { IOPRIO_PROCESS = 1, IOPRIO_CLASS_SHIFT = 13, IOPRIO_CLASS_MAX = 3, IOPRIO_MAX = 0xffff };

int64_t linux_sched_yield(void)
{
    machine_yield();
    return 0;
}

/* 0 is the caller; counted, or NULL. */
static struct task *named(int32_t tid)
{
    if (tid < 0)
        return NULL;
    return tid == 0 ? task_get(task_self()) : task_find(tid);
}

static int exists(int32_t tid)
{
    struct task *task = named(tid);
    if (task == NULL)
        return tid < 0 ? -EINVAL : -ESRCH;
    task_put(task);
    return 0;
}

/* May the caller change how that one is scheduled? */
static int may_schedule(struct task *task)
{
    const struct cred *mine = task_self()->cred;
    struct cred *cred = task_cred(task);
    bool same = mine->euid == cred->euid || mine->euid == cred->uid;
    cred_put(cred);
    return same || capable(CAP_SYS_NICE) ? 0 : -EPERM;
}

enum { CPU_MAX = 1024 };

static size_t cpu_mask(uint64_t mask[CPU_MAX / 64])
{
    unsigned count = MIN(machine_cpu_count(), (unsigned)CPU_MAX);
    memset(mask, 0, CPU_MAX / 8);
    for (unsigned i = 0; i < count; i++)
        mask[i / 64] |= BIT64(i % 64);
    return ALIGN_UP((size_t)count, 64) / 8;
}

int64_t linux_sched_getaffinity(int32_t tid, uint32_t size_bytes, uaddr_t to)
{
    uint64_t mask[CPU_MAX / 64];
    size_t mask_bytes = cpu_mask(mask);
    if (size_bytes < mask_bytes || size_bytes % sizeof(uint64_t) != 0)
        return -EINVAL;
    int error = exists(tid);
    if (error != 0)
        return error;
    return copy_out(to, mask, mask_bytes) != 0 ? -EFAULT : (int64_t)mask_bytes;
}

/* Accepted if it leaves a CPU: threads go where the kernel below puts them. */
int64_t linux_sched_setaffinity(int32_t tid, uint32_t size_bytes, uaddr_t from)
{
    uint64_t mask[CPU_MAX / 64];
    uint64_t wanted[CPU_MAX / 64] = { 0 };
    size_t mask_bytes = cpu_mask(mask);
    if (copy_in(wanted, from, MIN((size_t)size_bytes, sizeof(wanted))) != 0)
        return -EFAULT;
    struct task *task = named(tid);
    if (task == NULL)
        return tid < 0 ? -EINVAL : -ESRCH;
    int error = may_schedule(task);
    task_put(task);
    bool any = false;
    for (size_t i = 0; i < mask_bytes / sizeof(uint64_t); i++)
        any = any || (mask[i] & wanted[i]) != 0;
    return error != 0 ? error : (any ? 0 : -EINVAL);
}

static bool is_time_sharing(uint32_t policy)
{
    return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

int64_t linux_sched_getscheduler(int32_t tid)
{
    struct task *task = named(tid);
    if (task == NULL)
        return tid < 0 ? -EINVAL : -ESRCH;
    int64_t policy = __atomic_load_n(&task->policy, __ATOMIC_RELAXED);
    task_put(task);
    return policy;
}

static int set_policy(int32_t tid, uint32_t policy, uint32_t priority)
{
    policy &= ~SCHED_RESET_ON_FORK;
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
    if (!is_time_sharing(policy) || priority != 0)
        return -EINVAL;
    struct task *task = named(tid);
    if (task == NULL)
        return tid < 0 ? -EINVAL : -ESRCH;
    int error = may_schedule(task);
    if (error == 0)
        __atomic_store_n(&task->policy, policy, __ATOMIC_RELAXED);
    task_put(task);
    return error;
}

int64_t linux_sched_setscheduler(int32_t tid, int32_t policy, uaddr_t parameter_at)
{
    uint32_t priority;
    if (policy < 0)
        return -EINVAL;
    if (copy_in(&priority, parameter_at, sizeof(priority)) != 0)
        return -EFAULT;
    return set_policy(tid, (uint32_t)policy, priority);
}

int64_t linux_sched_getparam(int32_t tid, uaddr_t to)
{
    const uint32_t priority = 0;
    int error = exists(tid);
    return error != 0 ? error : copy_out(to, &priority, sizeof(priority));
}

int64_t linux_sched_setparam(int32_t tid, uaddr_t from)
{
    uint32_t priority;
    if (copy_in(&priority, from, sizeof(priority)) != 0)
        return -EFAULT;
    int error = exists(tid);
    if (error != 0)
        return error;
    return priority == 0 ? 0 : -EINVAL;
}

static int64_t priority_bound(int32_t policy, int64_t real_time)
{
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return real_time;
    return policy >= 0 && is_time_sharing((uint32_t)policy) ? 0 : -EINVAL;
}

int64_t linux_sched_get_priority_max(int32_t policy)
{
    return priority_bound(policy, 99);
}

int64_t linux_sched_get_priority_min(int32_t policy)
{
    return priority_bound(policy, 1);
}

int64_t linux_sched_rr_get_interval(int32_t tid, uaddr_t to)
{
    int error = exists(tid);
    return error != 0 ? error : time_out(to, 0);
}

/* struct sched_attr, its first version. */
struct guest_sched {
    uint32_t size_bytes, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

int64_t linux_sched_getattr(int32_t tid, uaddr_t to, uint32_t size_bytes, uint32_t flags)
{
    if (flags != 0 || size_bytes < sizeof(struct guest_sched) || size_bytes > MACHINE_PAGE)
        return -EINVAL;
    struct task *task = named(tid);
    if (task == NULL)
        return tid < 0 ? -EINVAL : -ESRCH;
    struct guest_sched told = { .size_bytes = sizeof(told),
                                .policy = __atomic_load_n(&task->policy, __ATOMIC_RELAXED),
                                .nice = __atomic_load_n(&task->nice, __ATOMIC_RELAXED) };
    task_put(task);
    return copy_out(to, &told, sizeof(told));
}

static int set_nice(struct task *task, int32_t nice);

int64_t linux_sched_setattr(int32_t tid, uaddr_t from, uint32_t flags)
{
    struct guest_sched asked;
    if (flags != 0)
        return -EINVAL;
    if (copy_in(&asked, from, sizeof(asked)) != 0)
        return -EFAULT;
    if (asked.size_bytes < sizeof(asked))
        return asked.size_bytes == 0 ? -EINVAL : -E2BIG;
    int error = set_policy(tid, asked.policy, asked.priority);
    if (error != 0)
        return error;
    struct task *task = named(tid);
    if (task == NULL)
        return -ESRCH;
    error = set_nice(task, asked.nice);
    task_put(task);
    return error;
}

/* ---- nice ---- */

static int set_nice(struct task *task, int32_t nice)
{
    nice = MIN(MAX(nice, NICE_MIN), NICE_MAX);
    int32_t old = __atomic_load_n(&task->nice, __ATOMIC_RELAXED);
    uint64_t lowest = __atomic_load_n(&task->process->limit[RLIMIT_NICE].soft, __ATOMIC_RELAXED);
    if (may_schedule(task) != 0)
        return -EPERM;
    /* The limit counts from 20 down: 40 allows -20. */
    if (nice < old && (int64_t)(20 - nice) > (int64_t)MIN(lowest, (uint64_t)40) &&
        !capable(CAP_SYS_NICE))
        return -EACCES;
    __atomic_store_n(&task->nice, nice, __ATOMIC_RELAXED);
    return 0;
}

static bool in_choice(struct task *task, int32_t which, int32_t who) REQUIRES(processes_lock)
{
    if (which == PRIO_PGRP)
        return task->process->group == (who == 0 ? task_self()->process->group : who);
    struct cred *cred = task_cred(task);
    bool same = cred->uid == (who == 0 ? task_self()->cred->uid : (uint32_t)who);
    cred_put(cred);
    return same;
}

/* Each of the choice; the last error, -ESRCH for none; `*best` the highest priority as the call
 * tells it. */
static int64_t for_choice(int32_t which, int32_t who, const int32_t *nice, int64_t *best)
{
    int64_t result = -ESRCH;
    rt_lock(&processes_lock);
    PROCESS_FOR_EACH(process)
    {
        struct task *task = process->leader;
        if (!in_choice(task, which, who))
            continue;
        int64_t error = nice == NULL ? 0 : set_nice(task, *nice);
        if (result == -ESRCH || error != 0)
            result = error;
        *best = MAX(*best, (int64_t)20 - __atomic_load_n(&task->nice, __ATOMIC_RELAXED));
    }
    rt_unlock(&processes_lock);
    return result;
}

int64_t linux_getpriority(int32_t which, int32_t who)
{
    int64_t best = 0;
    if (which < PRIO_PROCESS || which > PRIO_USER)
        return -EINVAL;
    if (which != PRIO_PROCESS) {
        int64_t error = for_choice(which, who, NULL, &best);
        return error != 0 ? error : best;
    }
    struct task *task = named(who);
    if (task == NULL)
        return -ESRCH;
    best = 20 - __atomic_load_n(&task->nice, __ATOMIC_RELAXED);
    task_put(task);
    return best;
}

int64_t linux_setpriority(int32_t which, int32_t who, int32_t nice)
{
    int64_t best = 0;
    if (which < PRIO_PROCESS || which > PRIO_USER)
        return -EINVAL;
    if (which != PRIO_PROCESS)
        return for_choice(which, who, &nice, &best);
    struct task *task = named(who);
    if (task == NULL)
        return -ESRCH;
    int error = set_nice(task, nice);
    task_put(task);
    return error;
}

int64_t linux_ioprio_get(int32_t which, int32_t who)
{
    if (which != IOPRIO_PROCESS)
        return -EINVAL;
    struct task *task = named(who);
    if (task == NULL)
        return -ESRCH;
    int64_t value = __atomic_load_n(&task->io_priority, __ATOMIC_RELAXED);
    task_put(task);
    return value;
}

int64_t linux_ioprio_set(int32_t which, int32_t who, int32_t value)
{
    if (which != IOPRIO_PROCESS || value < 0 || value > IOPRIO_MAX ||
        value >> IOPRIO_CLASS_SHIFT > IOPRIO_CLASS_MAX)
        return -EINVAL;
    struct task *task = named(who);
    if (task == NULL)
        return -ESRCH;
    int error = may_schedule(task);
    if (error == 0)
        __atomic_store_n(&task->io_priority, (uint32_t)value, __ATOMIC_RELAXED);
    task_put(task);
    return error;
}

/* membarrier(2): no command is offered, and QUERY says so. */
int64_t linux_membarrier(int32_t command, uint32_t flags, int32_t cpu)
{
    (void)cpu;
    return command == 0 && flags == 0 ? 0 : -EINVAL;
}

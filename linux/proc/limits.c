/* Resource limits, and the use of resources. getrlimit(2), getrusage(2). */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/time.h>
#include <linux/calls.h>
#include <linux/machine.h>

enum { RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1, NR_OPEN = 1048576 };

const struct resource_limit first_limits[RLIMIT_COUNT] = {
    [RLIMIT_CPU] = { RLIM_INFINITY, RLIM_INFINITY },
    [RLIMIT_FSIZE] = { RLIM_INFINITY, RLIM_INFINITY },
    [RLIMIT_DATA] = { RLIM_INFINITY, RLIM_INFINITY },
    [RLIMIT_STACK] = { 8ull << 20, RLIM_INFINITY },
    [RLIMIT_CORE] = { 0, RLIM_INFINITY },
    [RLIMIT_RSS] = { RLIM_INFINITY, RLIM_INFINITY },
    [RLIMIT_NPROC] = { RLIM_INFINITY, RLIM_INFINITY },
    [RLIMIT_NOFILE] = { 1024, 524288 },
    [RLIMIT_MEMLOCK] = { 8ull << 20, 8ull << 20 },
    [RLIMIT_AS] = { RLIM_INFINITY, RLIM_INFINITY },
    [RLIMIT_LOCKS] = { RLIM_INFINITY, RLIM_INFINITY },
    [RLIMIT_SIGPENDING] = { 16384, 16384 },
    [RLIMIT_MSGQUEUE] = { 819200, 819200 },
    [RLIMIT_NICE] = { 0, 0 },
    [RLIMIT_RTPRIO] = { 0, 0 },
    [RLIMIT_RTTIME] = { RLIM_INFINITY, RLIM_INFINITY },
};

uint64_t resource_limit(unsigned which)
{
    const struct task *self = task_self();
    if (self == NULL)
        return first_limits[which].soft;
    return __atomic_load_n(&self->process->limit[which].soft, __ATOMIC_RELAXED);
}

/* With the process's lock. */
static int limit_change(struct process *process, unsigned which, const struct linux_rlimit *new)
{
    struct resource_limit *limit = &process->limit[which];
    if (new->soft > new->hard)
        return -EINVAL;
    if (which == RLIMIT_NOFILE && new->hard > NR_OPEN)
        return -EPERM;
    if (new->hard > limit->hard && !capable(CAP_SYS_RESOURCE))
        return -EPERM;
    __atomic_store_n(&limit->soft, new->soft, __ATOMIC_RELAXED);
    __atomic_store_n(&limit->hard, new->hard, __ATOMIC_RELAXED);
    return 0;
}

static int limit_exchange(struct process *process, uint32_t which, const struct linux_rlimit *new,
                          struct linux_rlimit *old_out)
{
    if (which >= RLIMIT_COUNT)
        return -EINVAL;
    rt_lock(&process->lock);
    old_out->soft = process->limit[which].soft;
    old_out->hard = process->limit[which].hard;
    int error = new == NULL ? 0 : limit_change(process, which, new);
    rt_unlock(&process->lock);
    return error;
}

int64_t linux_getrlimit(uint32_t which, uaddr_t to)
{
    struct linux_rlimit old;
    int error = limit_exchange(task_self()->process, which, NULL, &old);
    return error != 0 ? error : copy_out(to, &old, sizeof(old));
}

int64_t linux_setrlimit(uint32_t which, uaddr_t from)
{
    struct linux_rlimit new;
    struct linux_rlimit old;
    if (copy_in(&new, from, sizeof(new)) != 0)
        return -EFAULT;
    return limit_exchange(task_self()->process, which, &new, &old);
}

/* Another's only with all of its ids, or CAP_SYS_RESOURCE. */
static int may_limit(struct task *task)
{
    if (task->process == task_self()->process || capable(CAP_SYS_RESOURCE))
        return 0;
    const struct cred *mine = task_self()->cred;
    struct cred *cred = task_cred(task);
    bool same = mine->uid == cred->uid && mine->uid == cred->euid && mine->uid == cred->suid &&
                mine->gid == cred->gid && mine->gid == cred->egid && mine->gid == cred->sgid;
    cred_put(cred);
    return same ? 0 : -EPERM;
}

int64_t linux_prlimit64(int32_t pid, uint32_t which, uaddr_t new_at, uaddr_t old_at)
{
    struct linux_rlimit new;
    struct linux_rlimit old;
    if (new_at != 0 && copy_in(&new, new_at, sizeof(new)) != 0)
        return -EFAULT;
    struct task *task = pid == 0 ? task_get(task_self()) : task_find(pid);
    if (task == NULL)
        return -ESRCH;
    int error = may_limit(task);
    if (error == 0)
        error = limit_exchange(task->process, which, new_at != 0 ? &new : NULL, &old);
    task_put(task);
    if (error == 0 && old_at != 0)
        error = copy_out(old_at, &old, sizeof(old));
    return error;
}

/* All CPU time counts as the user's: the two are not told apart. */
void rusage_fill(struct linux_rusage *usage, uint64_t cpu_ns)
{
    memset(usage, 0, sizeof(*usage));
    usage->user_seconds = (int64_t)(cpu_ns / NS_PER_SECOND);
    usage->user_microseconds = (int64_t)(cpu_ns % NS_PER_SECOND / NS_PER_MICROSECOND);
}

int64_t linux_getrusage(int32_t who, uaddr_t to)
{
    struct task *self = task_self();
    uint64_t ns;
    if (who == RUSAGE_SELF) {
        ns = process_cpu_ns(self->process);
    } else if (who == RUSAGE_THREAD) {
        ns = task_cpu_ns(self);
    } else if (who == RUSAGE_CHILDREN) {
        rt_lock(&processes_lock);
        ns = self->process->children_ns;
        rt_unlock(&processes_lock);
    } else {
        return -EINVAL;
    }
    struct linux_rusage usage;
    rusage_fill(&usage, ns);
    return copy_out(to, &usage, sizeof(usage));
}

/* struct tms, in ticks. */
int64_t linux_times(uaddr_t to)
{
    const uint64_t tick_ns = NS_PER_SECOND / CLOCK_TICKS;
    struct process *self = task_self()->process;
    rt_lock(&processes_lock);
    uint64_t children_ns = self->children_ns;
    rt_unlock(&processes_lock);
    int64_t times[4] = { (int64_t)(process_cpu_ns(self) / tick_ns), 0,
                         (int64_t)(children_ns / tick_ns), 0 };
    if (to != 0 && copy_out(to, times, sizeof(times)) != 0)
        return -EFAULT;
    return (int64_t)(machine_now_ns() / tick_ns);
}

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

/* ---- CPUs ---- */

static unsigned cpu_count(void)
{
    return MIN(machine_cpu_count(), (unsigned)CPU_SET_MAX);
}

static void cpus_of(const struct task *task, struct cpu_set *cpus_out)
{
    for (size_t i = 0; i < ARRAY_LEN(cpus_out->word); i++)
        cpus_out->word[i] = __atomic_load_n(&task->cpus.word[i], __ATOMIC_RELAXED);
}

/* Those of the set that there are; are there any? */
static bool cpus_there(struct cpu_set *set)
{
    bool any = false;
    for (unsigned cpu = 0; cpu < CPU_SET_MAX; cpu += 64) {
        unsigned left = cpu_count() - MIN(cpu_count(), cpu);
        if (left < 64)
            set->word[cpu / 64] &= BIT64(left) - 1;
        any = any || set->word[cpu / 64] != 0;
    }
    return any;
}

void task_cpus(const struct task *task, struct cpu_set *cpus_out)
{
    cpus_of(task, cpus_out);
    if (cpus_there(cpus_out))
        return;
    memset(cpus_out, 0xff, sizeof(*cpus_out));
    (void)cpus_there(cpus_out);
}

int64_t linux_sched_getaffinity(int32_t tid, uint32_t size_bytes, uaddr_t to)
{
    struct cpu_set cpus;
    size_t told_bytes = ALIGN_UP((size_t)cpu_count(), 64) / 8;
    if (size_bytes < told_bytes || size_bytes % sizeof(uint64_t) != 0)
        return -EINVAL;
    struct task *task = named(tid);
    if (task == NULL)
        return -ESRCH;
    task_cpus(task, &cpus);
    task_put(task);
    return copy_out(to, &cpus, told_bytes) != 0 ? -EFAULT : (int64_t)told_bytes;
}

int64_t linux_sched_setaffinity(int32_t tid, uint32_t size_bytes, uaddr_t from)
{
    struct cpu_set wanted = { 0 };
    if (copy_in(&wanted, from, MIN((size_t)size_bytes, sizeof(wanted))) != 0)
        return -EFAULT;
    struct task *task = named(tid);
    if (task == NULL)
        return -ESRCH;
    int error = may_schedule(task);
    if (error == 0 && !cpus_there(&wanted))
        error = -EINVAL;
    for (size_t i = 0; error == 0 && i < ARRAY_LEN(wanted.word); i++)
        __atomic_store_n(&task->cpus.word[i], wanted.word[i], __ATOMIC_RELAXED);
    task_put(task);
    return error;
}

/* One on which the caller may run: there is no way to ask on which it does. */
int64_t linux_getcpu(uaddr_t cpu_at, uaddr_t node_at, uaddr_t unused)
{
    (void)unused;
    struct cpu_set cpus;
    const uint32_t node = 0;
    uint32_t cpu = 0;
    task_cpus(task_self(), &cpus);
    while ((cpus.word[cpu / 64] & BIT64(cpu % 64)) == 0)
        cpu++;
    if (cpu_at != 0 && copy_out(cpu_at, &cpu, sizeof(cpu)) != 0)
        return -EFAULT;
    return node_at == 0 ? 0 : copy_out(node_at, &node, sizeof(node));
}

/* ---- Policies ---- */

void sched_inherit(struct task *child, const struct task *self)
{
    const uint32_t policy = __atomic_load_n(&self->policy, __ATOMIC_RELAXED);
    cpus_of(self, &child->cpus);
    child->io_priority = __atomic_load_n(&self->io_priority, __ATOMIC_RELAXED);
    child->policy = policy & ~SCHED_RESET_ON_FORK;
    child->nice = __atomic_load_n(&self->nice, __ATOMIC_RELAXED);
    if ((policy & SCHED_RESET_ON_FORK) != 0)
        child->nice = MAX(child->nice, 0);
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

/* May it have that policy, with SCHED_RESET_ON_FORK or without? */
static int check_policy(struct task *task, uint32_t wanted, uint32_t priority)
{
    const uint32_t policy = wanted & ~SCHED_RESET_ON_FORK;
    const uint32_t lost = __atomic_load_n(&task->policy, __ATOMIC_RELAXED) & ~wanted;
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
    if (!is_time_sharing(policy) || priority != 0)
        return -EINVAL;
    if (may_schedule(task) != 0)
        return -EPERM;
    return (lost & SCHED_RESET_ON_FORK) != 0 && !capable(CAP_SYS_NICE) ? -EPERM : 0;
}

int64_t linux_sched_setscheduler(int32_t tid, int32_t policy, uaddr_t parameter_at)
{
    uint32_t priority;
    if (policy < 0 || tid < 0 || parameter_at == 0)
        return -EINVAL;
    if (copy_in(&priority, parameter_at, sizeof(priority)) != 0)
        return -EFAULT;
    struct task *task = named(tid);
    if (task == NULL)
        return -ESRCH;
    int error = check_policy(task, (uint32_t)policy, priority);
    if (error == 0)
        __atomic_store_n(&task->policy, (uint32_t)policy, __ATOMIC_RELAXED);
    task_put(task);
    return error;
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

/* ---- nice ---- */

static int32_t nice_within(int32_t nice)
{
    return MIN(MAX(nice, NICE_MIN), NICE_MAX);
}

static int may_nice(struct task *task, int32_t nice)
{
    int32_t old = __atomic_load_n(&task->nice, __ATOMIC_RELAXED);
    uint64_t lowest = __atomic_load_n(&task->process->limit[RLIMIT_NICE].soft, __ATOMIC_RELAXED);
    if (may_schedule(task) != 0)
        return -EPERM;
    /* The limit counts from 20 down: 40 allows -20. */
    return nice < old && (int64_t)(20 - nice) > (int64_t)MIN(lowest, (uint64_t)40) &&
                   !capable(CAP_SYS_NICE)
               ? -EACCES
               : 0;
}

static int set_nice(struct task *task, int32_t wanted)
{
    const int32_t nice = nice_within(wanted);
    int error = may_nice(task, nice);
    if (error == 0)
        __atomic_store_n(&task->nice, nice, __ATOMIC_RELAXED);
    return error;
}

/* ---- Policy and nice value in one ---- */

/* struct sched_attr, its first version. */
struct guest_sched {
    uint32_t size_bytes, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

#define SCHED_FLAG_RESET_ON_FORK 1u
#define SCHED_FLAG_KEEP_POLICY   8u
#define SCHED_FLAG_KEEP_PARAMS   16u
#define SCHED_FLAG_UTIL_CLAMP    0x60u
/* Those that only deadlines have are of no consequence to others. */
#define SCHED_FLAGS 0x1fu

int64_t linux_sched_getattr(int32_t tid, uaddr_t to, uint32_t size_bytes, uint32_t flags)
{
    if (flags != 0 || size_bytes < sizeof(struct guest_sched) || size_bytes > MACHINE_PAGE)
        return -EINVAL;
    struct task *task = named(tid);
    if (task == NULL)
        return tid < 0 ? -EINVAL : -ESRCH;
    const uint32_t policy = __atomic_load_n(&task->policy, __ATOMIC_RELAXED);
    const bool reset = (policy & SCHED_RESET_ON_FORK) != 0;
    struct guest_sched told = { .size_bytes = sizeof(told),
                                .policy = policy & ~SCHED_RESET_ON_FORK,
                                .flags = reset ? SCHED_FLAG_RESET_ON_FORK : 0,
                                .nice = __atomic_load_n(&task->nice, __ATOMIC_RELAXED) };
    task_put(task);
    return copy_out(to, &told, sizeof(told));
}

/* The policy that comes of it. */
static int asked_policy(const struct guest_sched *asked, uint32_t old, uint32_t *policy_out)
{
    if ((asked->flags & SCHED_FLAG_UTIL_CLAMP) != 0)
        return -EOPNOTSUPP;
    if ((asked->flags & ~(uint64_t)SCHED_FLAGS) != 0)
        return -EINVAL;
    if ((asked->flags & SCHED_FLAG_KEEP_POLICY) != 0) {
        *policy_out = old;
        return 0;
    }
    *policy_out = asked->policy;
    if ((asked->policy & SCHED_RESET_ON_FORK) != 0)
        return -EINVAL;
    if ((asked->flags & SCHED_FLAG_RESET_ON_FORK) != 0)
        *policy_out |= SCHED_RESET_ON_FORK;
    return 0;
}

static int set_attributes(struct task *task, const struct guest_sched *asked)
{
    const uint32_t old = __atomic_load_n(&task->policy, __ATOMIC_RELAXED);
    const bool keep = (asked->flags & SCHED_FLAG_KEEP_PARAMS) != 0;
    const int32_t nice = nice_within(asked->nice);
    uint32_t policy;
    int error = asked_policy(asked, old, &policy);
    if (error == 0)
        error = check_policy(task, policy, keep ? 0 : asked->priority);
    if (error == 0 && !keep && may_nice(task, nice) != 0)
        error = -EPERM;
    if (error != 0)
        return error;
    /* As on Linux, what keeps the parameters keeps the policy. */
    if (keep)
        policy = (old & ~SCHED_RESET_ON_FORK) | (policy & SCHED_RESET_ON_FORK);
    else
        __atomic_store_n(&task->nice, nice, __ATOMIC_RELAXED);
    __atomic_store_n(&task->policy, policy, __ATOMIC_RELAXED);
    return 0;
}

/* A size of 0 is that of the first version; whose structure does not fit hears which would. */
static int attributes_in(struct guest_sched *asked, uaddr_t from)
{
    const uint32_t known = sizeof(*asked);
    uint32_t size_bytes;
    if (copy_in(&size_bytes, from, sizeof(size_bytes)) != 0)
        return -EFAULT;
    if (size_bytes == 0)
        size_bytes = known;
    int error = size_bytes < known ? -E2BIG : copy_in_struct(asked, known, from, size_bytes);
    if (error == -E2BIG && copy_out(from, &known, sizeof(known)) != 0)
        return -EFAULT;
    return error;
}

int64_t linux_sched_setattr(int32_t tid, uaddr_t from, uint32_t flags)
{
    struct guest_sched asked;
    if (flags != 0 || tid < 0 || from == 0)
        return -EINVAL;
    int error = attributes_in(&asked, from);
    if (error != 0)
        return error;
    struct task *task = named(tid);
    if (task == NULL)
        return -ESRCH;
    error = set_attributes(task, &asked);
    task_put(task);
    return error;
}

/* ---- getpriority, setpriority ---- */

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

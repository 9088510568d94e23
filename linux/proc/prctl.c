/* prctl(2): the odds and ends of a process. */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>

enum {
    PR_SET_PDEATHSIG = 1,
    PR_GET_PDEATHSIG = 2,
    PR_GET_DUMPABLE = 3,
    PR_SET_DUMPABLE = 4,
    PR_GET_KEEPCAPS = 7,
    PR_SET_KEEPCAPS = 8,
    PR_GET_TIMING = 13,
    PR_SET_NAME = 15,
    PR_GET_NAME = 16,
    PR_GET_SECCOMP = 21,
    PR_CAPBSET_READ = 23,
    PR_CAPBSET_DROP = 24,
    PR_GET_SECUREBITS = 27,
    PR_SET_SECUREBITS = 28,
    PR_SET_TIMERSLACK = 29,
    PR_GET_TIMERSLACK = 30,
    PR_SET_CHILD_SUBREAPER = 36,
    PR_GET_CHILD_SUBREAPER = 37,
    PR_SET_NO_NEW_PRIVS = 38,
    PR_GET_NO_NEW_PRIVS = 39,
    PR_GET_TID_ADDRESS = 40,
    PR_SET_THP_DISABLE = 41,
    PR_GET_THP_DISABLE = 42,
    PR_CAP_AMBIENT = 47,
};
enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE = 2, AMBIENT_LOWER = 3, AMBIENT_CLEAR_ALL = 4 };
enum { DEFAULT_SLACK_NS = 50000 };

static int64_t word_out(uaddr_t to, int32_t value)
{
    return copy_out(to, &value, sizeof(value));
}

static int64_t set_name(uaddr_t from)
{
    char name[TASK_COMM_BYTES];
    int64_t length = copy_in_text(name, from, sizeof(name));
    if (length == -EFAULT)
        return -EFAULT;
    name[TASK_COMM_BYTES - 1] = 0; /* a longer one is cut */
    task_rename(task_self(), name);
    return 0;
}

static int64_t get_name(uaddr_t to)
{
    char name[TASK_COMM_BYTES];
    task_name(task_self(), name);
    return copy_out(to, name, sizeof(name));
}

static int64_t death_signal(uint64_t number, bool set, uaddr_t to)
{
    struct process *process = task_self()->process;
    if (set && number > SIGNAL_COUNT)
        return -EINVAL;
    rt_lock(&processes_lock);
    if (set)
        process->parent_death_signal = (int32_t)number;
    int32_t now = process->parent_death_signal;
    rt_unlock(&processes_lock);
    return set ? 0 : word_out(to, now);
}

static int64_t subreaper(bool set, uint64_t value, uaddr_t to)
{
    struct process *process = task_self()->process;
    rt_lock(&processes_lock);
    if (set)
        process->subreaper = value != 0;
    bool now = process->subreaper;
    rt_unlock(&processes_lock);
    return set ? 0 : word_out(to, now);
}

/* Those that are made later know of it from their parent (clone.c); those that are there already
 * are told here. */
static void subreaper_tell(struct process *process) REQUIRES(processes_lock)
{
    PROCESS_FOR_EACH(other)
    {
        for (struct process *p = other->parent; p != NULL && !other->has_subreaper; p = p->parent)
            other->has_subreaper = p == process;
    }
}

/* A change to one's credentials that cannot be refused but for memory. */
static int64_t change_cred(void (*change)(struct cred *cred, uint64_t value), uint64_t value)
{
    struct cred *cred;
    int error = cred_copy(task_self()->cred, &cred);
    if (error != 0)
        return error;
    change(cred, value);
    cred_commit(cred);
    return 0;
}

static void change_keep(struct cred *cred, uint64_t value)
{
    cred->securebits &= ~SECBIT_KEEP_CAPS;
    cred->securebits |= value != 0 ? SECBIT_KEEP_CAPS : 0;
}

static void change_secure(struct cred *cred, uint64_t value)
{
    cred->securebits = (uint32_t)value;
}

static void change_bounding(struct cred *cred, uint64_t capability)
{
    cred->bounding &= ~CAP_BIT(capability);
}

static void change_ambient(struct cred *cred, uint64_t set)
{
    cred->ambient = set;
}

static void change_privileges(struct cred *cred, uint64_t value)
{
    (void)value;
    cred->no_new_privileges = true;
}

static int64_t set_keep(uint64_t value)
{
    if (value > 1)
        return -EINVAL;
    if ((task_self()->cred->securebits & SECBIT_KEEP_CAPS_LOCKED) != 0)
        return -EPERM;
    return change_cred(change_keep, value);
}

/* Each bit of one has a lock, the next higher bit. */
static int64_t set_secure(uint64_t value)
{
    uint32_t old = task_self()->cred->securebits;
    if (!capable(CAP_SETPCAP) || (value & ~(uint64_t)(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) != 0 ||
        (((old & SECURE_ALL_LOCKS) >> 1) & (old ^ value)) != 0 ||
        (old & SECURE_ALL_LOCKS & ~value) != 0)
        return -EPERM;
    return change_cred(change_secure, value);
}

static int64_t bounding(uint64_t capability, bool drop)
{
    if (capability > CAP_LAST)
        return -EINVAL;
    if (!drop)
        return (task_self()->cred->bounding & CAP_BIT(capability)) != 0;
    return capable(CAP_SETPCAP) ? change_cred(change_bounding, capability) : -EPERM;
}

static int64_t ambient(uint64_t what, uint64_t capability, uint64_t rest)
{
    const struct cred *cred = task_self()->cred;
    if (what == AMBIENT_CLEAR_ALL)
        return capability != 0 || rest != 0 ? -EINVAL : change_cred(change_ambient, 0);
    if (rest != 0 || capability > CAP_LAST || what < AMBIENT_IS_SET || what > AMBIENT_LOWER)
        return -EINVAL;
    uint64_t bit = CAP_BIT(capability);
    if (what == AMBIENT_IS_SET)
        return (cred->ambient & bit) != 0;
    if (what == AMBIENT_LOWER)
        return change_cred(change_ambient, cred->ambient & ~bit);
    if ((cred->permitted & cred->inheritable & bit) == 0 ||
        (cred->securebits & SECBIT_NO_CAP_AMBIENT_RAISE) != 0)
        return -EPERM;
    return change_cred(change_ambient, cred->ambient | bit);
}

static int64_t set_dumpable(uint64_t value)
{
    if (value > 1)
        return -EINVAL;
    __atomic_store_n(&task_self()->process->dumpable, value == 1, __ATOMIC_RELAXED);
    return 0;
}

static int64_t set_slack(uint64_t value_ns)
{
    task_self()->timer_slack_ns = value_ns == 0 ? DEFAULT_SLACK_NS : value_ns;
    return 0;
}

static int64_t prctl_ids(int32_t what, uint64_t a, uint64_t b, uint64_t rest)
{
    const struct cred *cred = task_self()->cred;
    switch (what) {
    case PR_GET_KEEPCAPS:
        return (cred->securebits & SECBIT_KEEP_CAPS) != 0;
    case PR_SET_KEEPCAPS:
        return set_keep(a);
    case PR_CAPBSET_READ:
    case PR_CAPBSET_DROP:
        return bounding(a, what == PR_CAPBSET_DROP);
    case PR_GET_SECUREBITS:
        return cred->securebits;
    case PR_SET_SECUREBITS:
        return set_secure(a);
    case PR_SET_NO_NEW_PRIVS:
        return a != 1 || b != 0 || rest != 0 ? -EINVAL : change_cred(change_privileges, 1);
    case PR_GET_NO_NEW_PRIVS:
        return a != 0 || b != 0 || rest != 0 ? -EINVAL : cred->no_new_privileges;
    case PR_CAP_AMBIENT:
        return ambient(a, b, rest);
    default:
        return -EINVAL;
    }
}

static int64_t set_subreaper(uint64_t value)
{
    (void)subreaper(true, value, 0);
    rt_lock(&processes_lock);
    if (value != 0)
        subreaper_tell(task_self()->process);
    rt_unlock(&processes_lock);
    return 0;
}

int64_t linux_prctl(int32_t what, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    switch (what) {
    case PR_SET_NAME:
        return set_name(a);
    case PR_GET_NAME:
        return get_name(a);
    case PR_SET_PDEATHSIG:
        return death_signal(a, true, 0);
    case PR_GET_PDEATHSIG:
        return death_signal(0, false, a);
    case PR_GET_DUMPABLE:
        return __atomic_load_n(&task_self()->process->dumpable, __ATOMIC_RELAXED);
    case PR_SET_DUMPABLE:
        return set_dumpable(a);
    case PR_SET_CHILD_SUBREAPER:
        return set_subreaper(a);
    case PR_GET_CHILD_SUBREAPER:
        return subreaper(false, 0, a);
    case PR_SET_TIMERSLACK:
        return set_slack(a);
    case PR_GET_TIMERSLACK:
        return (int64_t)task_self()->timer_slack_ns;
    case PR_GET_TID_ADDRESS:
        return copy_out(a, &task_self()->clear_tid, sizeof(uint64_t));
    case PR_SET_THP_DISABLE: /* there are no huge pages to do without */
        return b != 0 || c != 0 || d != 0 ? -EINVAL : 0;
    case PR_GET_THP_DISABLE:
    case PR_GET_SECCOMP:
    case PR_GET_TIMING:
        return 0;
    default:
        return prctl_ids(what, a, b, c | d);
    }
}

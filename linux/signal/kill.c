/* Signals from one program to another: kill, tgkill, sigqueue. kill(2). */
#include "signal_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/pidfd.h>
#include <linux/procfs.h>

struct account *signal_charge(struct process *process, const struct signal_info *info)
{
    if (list_empty(&process->tasks))
        return NULL;
    struct task *task = CONTAINER_OF(process->tasks.next, struct task, in_process);
    rt_lock(&task->lock);
    struct account *account = account_get(task->cred->account);
    rt_unlock(&task->lock);
    uint64_t limit = __atomic_load_n(&process->limit[RLIMIT_SIGPENDING].soft, __ATOMIC_RELAXED);
    bool counts = info->number >= SIGRTMIN || info->code < 0;
    uint32_t before = __atomic_fetch_add(&account->signals, 1, __ATOMIC_RELAXED);
    if (!counts || before < limit)
        return account;
    signal_uncharge(account);
    return NULL;
}

void signal_uncharge(struct account *account)
{
    (void)__atomic_fetch_sub(&account->signals, 1, __ATOMIC_RELAXED);
    account_put(account);
}

/* May the caller? By what that thread is: threads may have ids of their own. 0 or -EPERM. */
static int may_signal(struct task *task, int number) REQUIRES(processes_lock)
{
    const struct task *self = task_self();
    const struct cred *mine = self->cred;
    const struct process *process = task->process;
    if (process == self->process || capable(CAP_KILL))
        return 0;
    if (number == SIGCONT && process->session == self->process->session)
        return 0;
    struct cred *other = task_cred(task);
    bool same = mine->euid == other->suid || mine->euid == other->uid || mine->uid == other->suid ||
                mine->uid == other->uid;
    cred_put(other);
    return same ? 0 : -EPERM;
}

static void info_from_self(struct signal_info *info, int number, int code)
{
    struct task *self = task_self();
    memset(info, 0, sizeof(*info));
    info->number = number;
    info->code = code;
    info->of.queue.pid = self->process->pid;
    info->of.queue.uid = self->cred->uid;
}

/* To the thread's process. Signal 0 asks whether one could. */
static int send_checked(struct task *task, const struct signal_info *info) REQUIRES(processes_lock)
{
    int error = may_signal(task, info->number);
    if (error == 0 && info->number != 0)
        error = signal_send_process(task->process, info);
    return error;
}

static int send_one(int32_t pid, const struct signal_info *info)
{
    rt_lock(&processes_lock);
    struct task *task = table_task(pid);
    int error = task == NULL ? -ESRCH : send_checked(task, info);
    rt_unlock(&processes_lock);
    return error;
}

/* One that may be reached is success. */
static int send_group(int32_t group, const struct signal_info *info)
{
    int result = -ESRCH;
    rt_lock(&processes_lock);
    if (group == 0)
        group = task_self()->process->group;
    PROCESS_FOR_EACH(process)
    {
        if (process->group != group)
            continue;
        int error = send_checked(process->leader, info);
        if (result != 0)
            result = error;
    }
    rt_unlock(&processes_lock);
    return result;
}

/* Everybody but the first process and the caller. */
static int send_all(const struct signal_info *info)
{
    int result = -ESRCH;
    const struct process *self = task_self()->process;
    rt_lock(&processes_lock);
    PROCESS_FOR_EACH(process)
    {
        if (process->pid == 1 || process == self)
            continue;
        int error = send_checked(process->leader, info);
        if (error != -EPERM || result == -ESRCH)
            result = error == -EPERM ? 0 : error;
    }
    rt_unlock(&processes_lock);
    return result;
}

static bool is_signal_or_0(int32_t number)
{
    return number >= 0 && number <= SIGNAL_COUNT;
}

int64_t linux_kill(int32_t pid, int32_t number)
{
    struct signal_info info;
    if (!is_signal_or_0(number))
        return -EINVAL;
    info_from_self(&info, number, SI_USER);
    if (pid > 0)
        return send_one(pid, &info);
    if (pid == -1)
        return send_all(&info);
    if (pid == INT32_MIN)
        return -ESRCH;
    return send_group(-pid, &info);
}

/* `pid` -1: of any process. */
static int send_thread(int32_t pid, int32_t tid, const struct signal_info *info)
{
    int error = -ESRCH;
    rt_lock(&processes_lock);
    struct task *task = table_task(tid);
    if (task != NULL && (pid == -1 || task->process->pid == pid)) {
        error = may_signal(task, info->number);
        if (error == 0 && info->number != 0)
            error = signal_send_task(task, info);
    }
    rt_unlock(&processes_lock);
    return error;
}

int64_t linux_tgkill(int32_t pid, int32_t tid, int32_t number)
{
    struct signal_info info;
    if (pid <= 0 || tid <= 0 || !is_signal_or_0(number))
        return -EINVAL;
    info_from_self(&info, number, SI_TKILL);
    return send_thread(pid, tid, &info);
}

int64_t linux_tkill(int32_t tid, int32_t number)
{
    struct signal_info info;
    if (tid <= 0 || !is_signal_or_0(number))
        return -EINVAL;
    info_from_self(&info, number, SI_TKILL);
    return send_thread(-1, tid, &info);
}

/* What a program says about its signal; it may not look as if the kernel or kill had said it. */
static int info_in(struct signal_info *info, uaddr_t from, int32_t number, int32_t receiver)
{
    if (!is_signal_or_0(number))
        return -EINVAL;
    if (copy_in(info, from, sizeof(*info)) != 0)
        return -EFAULT;
    info->number = number;
    bool impersonates = info->code >= 0 || info->code == SI_TKILL;
    return impersonates && receiver != task_self()->process->pid ? -EPERM : 0;
}

int64_t linux_rt_sigqueueinfo(int32_t pid, int32_t number, uaddr_t info_at)
{
    struct signal_info info;
    int error = info_in(&info, info_at, number, pid);
    if (error != 0)
        return error;
    return pid <= 0 ? -ESRCH : send_one(pid, &info);
}

int64_t linux_rt_tgsigqueueinfo(int32_t pid, int32_t tid, int32_t number, uaddr_t info_at)
{
    struct signal_info info;
    if (pid <= 0 || tid <= 0)
        return -EINVAL;
    int error = info_in(&info, info_at, number, pid);
    return error != 0 ? error : send_thread(pid, tid, &info);
}

/* As pidfd_process, or of its directory /proc/PID; counted. */
static int process_of(int32_t fd, struct process **process_out)
{
    if (pidfd_process(fd, process_out, NULL) == 0)
        return 0;
    struct file *file = fd_get(fd);
    *process_out = file == NULL ? NULL : proc_directory_process(file);
    if (file != NULL)
        file_put(file);
    return *process_out == NULL ? -EBADF : 0;
}

int64_t linux_pidfd_send_signal(int32_t fd, int32_t number, uaddr_t info_at, uint32_t flags)
{
    struct process *process;
    struct signal_info info;
    if (flags != 0 || !is_signal_or_0(number))
        return -EINVAL;
    int error = process_of(fd, &process);
    if (error != 0)
        return error;
    info_from_self(&info, number, SI_USER);
    if (info_at != 0)
        error = info_in(&info, info_at, number, process->pid);
    if (error == 0 && info.number != number)
        error = -EINVAL;
    rt_lock(&processes_lock);
    if (error == 0)
        error = process->leader == NULL ? -ESRCH : send_checked(process->leader, &info);
    rt_unlock(&processes_lock);
    process_put(process);
    return error;
}

/* Waiting for children: wait4 and waitid; and the news that they are waited for with.
 *
 * A zombie is given to one waiter, under `processes`. A stop or a continuation is news until one
 * waiter has heard it. wait(2).
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/abi/fcntl.h>
#include <linux/abi/time.h>
#include <linux/calls.h>
#include <linux/machine.h>
#include <linux/pidfd.h>

void process_forget(struct process *process)
{
    struct task *leader = process->leader;
    list_remove(&process->in_parent);
    process->parent = NULL;
    table_remove_process(process);
    table_remove_task(leader);
    account_drop_task(leader->charged);
    process->leader = NULL;
    task_put(leader); /* the table's */
    task_put(leader); /* the process's */
    process_put(process);
}

static uint32_t status_code(uint32_t status)
{
    return (status & 0x7f) == 0 ? CLD_EXITED : CLD_KILLED;
}

static int32_t status_value(uint32_t status)
{
    return (int32_t)((status & 0x7f) == 0 ? (status >> 8) & 0xff : status & 0x7f);
}

static uint32_t leader_uid(struct process *process) REQUIRES(processes_lock)
{
    struct cred *cred = task_cred(process->leader);
    uint32_t uid = cred->uid;
    cred_put(cred);
    return uid;
}

static void child_info(struct process *child, int code, int32_t status, struct signal_info *info)
    REQUIRES(processes_lock)
{
    memset(info, 0, sizeof(*info));
    info->number = SIGCHLD;
    info->code = code;
    info->of.child.pid = child->pid;
    info->of.child.uid = leader_uid(child);
    info->of.child.status = status;
    info->of.child.user_time = (int64_t)(child->ended_ns / (NS_PER_SECOND / CLOCK_TICKS));
}

/* SIGCHLD ignored, or SA_NOCLDWAIT: nobody wants to know. */
static bool parent_does_not_wait(struct process *parent, int32_t signal)
{
    if (signal != SIGCHLD)
        return false;
    struct signal_action action;
    signal_action_of(parent, SIGCHLD, &action);
    return action.handler == SIG_IGN || (action.flags & SA_NOCLDWAIT) != 0;
}

/* Another signal than SIGCHLD is for the program that asked for it, not for the next: that may have
 * gained what makes it proof against the first one's signals. */
static int32_t end_signal(const struct process *process) REQUIRES(processes_lock)
{
    bool asked = process->parent_executions == process->parent->executions;
    return asked ? process->exit_signal : SIGCHLD;
}

bool process_tell_end(struct process *process)
{
    struct process *parent = process->parent;
    if (parent == NULL)
        return true;
    int32_t signal = end_signal(process);
    bool forgotten = parent_does_not_wait(parent, signal);
    struct signal_info info;
    child_info(process, (int)status_code(process->exit_status), status_value(process->exit_status),
               &info);
    info.number = signal;
    if (info.number != 0)
        (void)signal_send_process(parent, &info);
    wait_queue_wake(&parent->child_queue, 0);
    return forgotten;
}

void process_tell_stop(struct process *process, bool stopped)
{
    struct process *parent = process->parent;
    if (parent == NULL || process->leader == NULL)
        return;
    struct signal_action action;
    signal_action_of(parent, SIGCHLD, &action);
    struct signal_info info;
    child_info(process, stopped ? CLD_STOPPED : CLD_CONTINUED,
               stopped ? process->stop_signal : SIGCONT, &info);
    if (action.handler != SIG_IGN && (action.flags & SA_NOCLDSTOP) == 0)
        (void)signal_send_process(parent, &info);
    wait_queue_wake(&parent->child_queue, 0);
}

/* ---- waiting ---- */

struct wait_request {
    int which; /* P_ALL, P_PID, P_PGID, P_PIDFD */
    int32_t id;
    struct process *process; /* P_PIDFD: that one, whatever has its number now; counted */
    uint32_t options;
    bool nonblocking; /* the pidfd is */
    /* What was found. */
    int32_t pid;
    uint32_t status; /* as wait4 has it */
    struct signal_info info;
    uint64_t cpu_ns;
};

static bool wanted(const struct wait_request *request, struct process *child)
    REQUIRES(processes_lock)
{
    if (request->which == P_PID && child->pid != request->id)
        return false;
    if (request->which == P_PIDFD && child != request->process)
        return false;
    if (request->which == P_PGID && child->group != request->id)
        return false;
    bool clone = child->exit_signal != SIGCHLD;
    return (request->options & WALL) != 0 || clone == ((request->options & WCLONE) != 0);
}

static bool take_zombie(struct wait_request *request, struct process *parent, struct process *child)
    REQUIRES(processes_lock)
{
    if (!child->zombie || (request->options & WEXITED) == 0)
        return false;
    request->pid = child->pid;
    request->status = child->exit_status;
    request->cpu_ns = child->ended_ns + child->children_ns;
    child_info(child, (int)status_code(child->exit_status), status_value(child->exit_status),
               &request->info);
    if ((request->options & WNOWAIT) == 0) {
        parent->children_ns += request->cpu_ns;
        process_forget(child);
    }
    return true;
}

/* A stop that is news, or that it goes on. */
static bool take_event(struct wait_request *request, struct process *child) REQUIRES(processes_lock)
{
    bool keep = (request->options & WNOWAIT) != 0;
    rt_lock(&child->lock);
    bool stop = (request->options & WSTOPPED) != 0 && child->stop_event;
    bool go_on = !stop && (request->options & WCONTINUED) != 0 && child->continue_event;
    int32_t signal = child->stop_signal;
    if (stop && !keep)
        child->stop_event = false;
    if (go_on && !keep)
        child->continue_event = false;
    rt_unlock(&child->lock);
    if (!stop && !go_on)
        return false;
    request->pid = child->pid;
    request->status = stop ? (uint32_t)signal << 8 | 0x7f : 0xffff;
    request->cpu_ns = process_cpu_ns(child) + child->children_ns;
    child_info(child, stop ? CLD_STOPPED : CLD_CONTINUED, stop ? signal : SIGCONT, &request->info);
    return true;
}

/* -ECHILD: none could ever be found. 0: not now (request->pid 0). */
static int wait_look(struct wait_request *request, struct process *parent)
{
    int result = -ECHILD;
    rt_lock(&processes_lock);
    LIST_FOR_EACH_SAFE(link, &parent->children)
    {
        struct process *child = CONTAINER_OF(link, struct process, in_parent);
        if (!wanted(request, child))
            continue;
        result = 0;
        if (take_zombie(request, parent, child) || (!child->zombie && take_event(request, child)))
            break;
    }
    rt_unlock(&processes_lock);
    return result;
}

static int64_t wait_for(struct wait_request *request)
{
    struct process *self = task_self()->process;
    struct waiter waiter;
    waiter_init(&waiter, task_self());
    wait_queue_add(&self->child_queue, &waiter);
    int error;
    for (;;) {
        error = wait_look(request, self);
        if (error != 0 || request->pid != 0 || (request->options & WNOHANG) != 0 ||
            request->nonblocking)
            break;
        error = task_sleep(MACHINE_NEVER);
        if (error != 0)
            break;
    }
    wait_queue_remove(&waiter);
    bool refuses = request->nonblocking && (request->options & WNOHANG) == 0;
    return error == 0 && request->pid == 0 && refuses ? -EAGAIN : error;
}

static int rusage_out(uaddr_t to, uint64_t cpu_ns)
{
    struct linux_rusage usage;
    rusage_fill(&usage, cpu_ns);
    return to == 0 ? 0 : copy_out(to, &usage, sizeof(usage));
}

int64_t linux_wait4(int32_t pid, uaddr_t status_at, uint32_t options, uaddr_t usage_at)
{
    if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL)) != 0)
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    struct wait_request request = { .options = options | WEXITED };
    if (pid > 0) {
        request.which = P_PID;
        request.id = pid;
    } else if (pid != -1) {
        rt_lock(&processes_lock);
        request.which = P_PGID;
        request.id = pid == 0 ? task_self()->process->group : -pid;
        rt_unlock(&processes_lock);
    }
    int64_t error = wait_for(&request);
    if (error != 0 || request.pid == 0)
        return error;
    if (status_at != 0 && copy_out(status_at, &request.status, sizeof(request.status)) != 0)
        return -EFAULT;
    return rusage_out(usage_at, request.cpu_ns) != 0 ? -EFAULT : request.pid;
}

static int waitid_request(int32_t which, int32_t id, struct wait_request *request)
{
    int error = 0;
    uint32_t flags = 0;
    switch (which) {
    case P_ALL:
        break;
    case P_PID:
        error = id <= 0 ? -EINVAL : 0;
        break;
    case P_PGID:
        if (id == 0) {
            rt_lock(&processes_lock);
            id = task_self()->process->group;
            rt_unlock(&processes_lock);
        }
        error = id < 0 ? -EINVAL : 0;
        break;
    case P_PIDFD:
        error = id < 0 ? -EINVAL : pidfd_process(id, &request->process, &flags);
        break;
    default:
        return -EINVAL;
    }
    request->which = which;
    request->id = id;
    request->nonblocking = (flags & O_NONBLOCK) != 0;
    return error;
}

int64_t linux_waitid(int32_t which, int32_t id, uaddr_t info_at, uint32_t options, uaddr_t usage_at)
{
    const uint32_t kinds = WEXITED | WSTOPPED | WCONTINUED;
    struct wait_request request = { .options = options };
    int64_t error = 0;
    if ((options & ~(WNOHANG | WNOWAIT | WNOTHREAD | WCLONE | WALL | kinds)) != 0 ||
        (options & kinds) == 0)
        error = -EINVAL;
    if (error == 0)
        error = waitid_request(which, id, &request);
    if (error == 0)
        error = wait_for(&request);
    if (request.process != NULL)
        process_put(request.process);
    if (request.pid != 0 && rusage_out(usage_at, request.cpu_ns) != 0)
        return -EFAULT;
    /* With nothing found, for whatever reason, the structure is all zero. Its times are not told
     * here. */
    request.info.of.child.user_time = 0;
    if (info_at != 0 && copy_out(info_at, &request.info, 28) != 0)
        return -EFAULT;
    return error;
}

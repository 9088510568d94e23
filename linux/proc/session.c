/* Process groups, sessions, and their terminals. credentials(7), setpgid(2).
 *
 * A group or a session is nothing but the number that its members have; a number is not given to a
 * new process as long as it is one's (table.c).
 */
#include "proc_impl.h"
#include <base/string.h>
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/count.h>

struct tty *tty_get(struct tty *tty)
{
    count_get(&((struct tty_head *)tty)->references);
    return tty;
}

void tty_put(struct tty *tty)
{
    struct tty_head *head = (struct tty_head *)tty;
    if (count_put(&head->references))
        head->free(tty);
}

struct tty *process_terminal(struct process *process)
{
    rt_lock(&processes_lock);
    struct tty *tty = process->terminal == NULL ? NULL : tty_get(process->terminal);
    rt_unlock(&processes_lock);
    return tty;
}

int session_take_terminal(struct tty *tty)
{
    struct process *self = task_self()->process;
    int error = -EPERM;
    rt_lock(&processes_lock);
    if (self->session_leader && self->terminal == NULL) {
        error = 0;
        PROCESS_FOR_EACH(process)
        {
            if (process->session == self->session && process->terminal == NULL)
                process->terminal = tty_get(tty);
        }
    }
    rt_unlock(&processes_lock);
    return error;
}

/* One at a time, as tty_put may free and wants no lock. */
static bool drop_terminal_of_one(int32_t session, struct tty *tty)
{
    bool found = false;
    rt_lock(&processes_lock);
    PROCESS_FOR_EACH(process)
    {
        if (process->session == session && process->terminal == tty) {
            process->terminal = NULL;
            found = true;
            break;
        }
    }
    rt_unlock(&processes_lock);
    return found;
}

void session_drop_terminal(int32_t session, struct tty *tty)
{
    while (drop_terminal_of_one(session, tty))
        tty_put(tty);
}

/* Counted no more; whoever gets it puts it, with no lock held. */
static struct tty *take_terminal(struct process *process)
{
    rt_lock(&processes_lock);
    struct tty *tty = process->terminal;
    process->terminal = NULL;
    rt_unlock(&processes_lock);
    return tty;
}

/* If it is the leader, the terminal hangs up, and every other process of the session is without
 * one. */
void session_process_ends(struct process *process)
{
    struct tty *tty = process_terminal(process);
    if (tty == NULL)
        return;
    if (process->session_leader) {
        ((struct tty_head *)tty)->session_ends(tty, process->session);
        session_drop_terminal(process->session, tty);
    }
    tty_put(tty);
    tty = take_terminal(process);
    if (tty != NULL)
        tty_put(tty);
}

bool group_exists(int32_t group)
{
    bool found = false;
    rt_lock(&processes_lock);
    PROCESS_FOR_EACH(process)
    found = found || process->group == group;
    rt_unlock(&processes_lock);
    return found;
}

bool process_exists(int32_t pid)
{
    rt_lock(&processes_lock);
    bool found = table_process(pid) != NULL;
    rt_unlock(&processes_lock);
    return found;
}

bool group_in_session(int32_t group, int32_t session)
{
    bool found = false;
    rt_lock(&processes_lock);
    PROCESS_FOR_EACH(process)
    found = found || (process->group == group && process->session == session);
    rt_unlock(&processes_lock);
    return found;
}

/* Could the parent of that member continue the group? */
static bool member_is_watched(const struct process *process)
{
    const struct process *parent = process->parent;
    return parent != NULL && parent->group != process->group && parent->session == process->session;
}

static bool orphan_without(const struct process *leaving, int32_t group) REQUIRES(processes_lock)
{
    PROCESS_FOR_EACH(process)
    {
        if (process != leaving && process->group == group && !process->zombie &&
            member_is_watched(process))
            return false;
    }
    return true;
}

bool group_is_orphan(int32_t group)
{
    rt_lock(&processes_lock);
    bool orphan = orphan_without(NULL, group);
    rt_unlock(&processes_lock);
    return orphan;
}

static bool group_has_stopped(int32_t group) REQUIRES(processes_lock)
{
    bool stopped = false;
    PROCESS_FOR_EACH(process)
    stopped = stopped || (process->group == group && process->stopped);
    return stopped;
}

static void send_to_group(int32_t group, int number) REQUIRES(processes_lock)
{
    struct signal_info info = { .number = number, .code = SI_KERNEL };
    PROCESS_FOR_EACH(process)
    {
        if (process->group == group)
            (void)signal_send_process(process, &info);
    }
}

/* `leaving`: its end may be what makes the group an orphan, if it was watched. */
void group_check_orphans(struct process *leaving, int32_t group)
{
    if (leaving != NULL && !member_is_watched(leaving))
        return;
    if (!group_has_stopped(group) || !orphan_without(leaving, group))
        return;
    send_to_group(group, SIGHUP);
    send_to_group(group, SIGCONT);
}

/* ---- calls ---- */

/* With `processes`: the process that a call names, 0 being the caller. */
static struct process *named(int32_t pid) REQUIRES(processes_lock)
{
    return pid == 0 ? task_self()->process : table_process(pid);
}

int64_t linux_getpgid(int32_t pid)
{
    rt_lock(&processes_lock);
    struct process *process = named(pid);
    int64_t group = process == NULL ? -ESRCH : process->group;
    rt_unlock(&processes_lock);
    return group;
}

int64_t linux_getpgrp(void)
{
    return linux_getpgid(0);
}

int64_t linux_getsid(int32_t pid)
{
    rt_lock(&processes_lock);
    struct process *process = named(pid);
    int64_t session = process == NULL ? -ESRCH : process->session;
    rt_unlock(&processes_lock);
    return session;
}

static int setpgid_check(struct process *process, int32_t group) REQUIRES(processes_lock)
{
    struct process *self = task_self()->process;
    if (process == NULL || (process != self && process->parent != self))
        return -ESRCH;
    if (process != self && process->session != self->session)
        return -EPERM;
    if (process != self && process->executed)
        return -EACCES;
    if (process->session_leader)
        return -EPERM;
    if (group == process->pid)
        return 0;
    PROCESS_FOR_EACH(other)
    {
        if (other->group == group && other->session == self->session)
            return 0;
    }
    return -EPERM;
}

int64_t linux_setpgid(int32_t pid, int32_t group)
{
    if (group < 0 || (group == 0 && pid < 0))
        return -EINVAL;
    rt_lock(&processes_lock);
    struct process *process = named(pid);
    if (group == 0 && process != NULL)
        group = process->pid;
    int error = setpgid_check(process, group);
    if (error == 0)
        process->group = group;
    rt_unlock(&processes_lock);
    return error;
}

int64_t linux_setsid(void)
{
    struct process *self = task_self()->process;
    struct tty *tty = NULL;
    rt_lock(&processes_lock);
    bool allowed = !self->session_leader;
    PROCESS_FOR_EACH(process)
    allowed = allowed && process->group != self->pid;
    if (allowed) {
        self->session = self->group = self->pid;
        self->session_leader = true;
        tty = self->terminal;
        self->terminal = NULL;
    }
    rt_unlock(&processes_lock);
    if (tty != NULL)
        tty_put(tty);
    return allowed ? self->pid : -EPERM;
}

/* What the parts of proc/ share. */
#pragma once

#include <linux/table.h>
#include <linux/task.h>

/* A task that never ran, with whatever it has by now. */
void task_discard(struct task *task);

/* Process 1's, and those of the container's own threads. */
extern const struct resource_limit first_limits[RLIMIT_COUNT];

/* ---- Ends (exit.c, reap.c) ---- */

/* Robust mutexes, the word of CLONE_CHILD_CLEARTID, who waits for a vfork: all that a task owes to
 * the memory that it leaves. */
void task_leave_memory(struct task *task);
/* With the process's lock: tell its tasks to end, all but `except`. */
void process_end_tasks(struct process *process, struct task *except);
/* It is waited for, or nobody will: out of the tree and the table. */
void process_forget(struct process *process) REQUIRES(processes_lock);
/* Its parent hears of its end. True if nobody will wait for it. */
bool process_tell_end(struct process *process) REQUIRES(processes_lock);

/* ---- Credentials ---- */

/* A copy to change; -ENOMEM. */
int cred_copy(const struct cred *cred, struct cred **copy_out);
/* The caller's from now on. */
void cred_commit(struct cred *cred_taken);
/* Its account is that of its real user again, which has changed. */
int cred_set_account(struct cred *cred);
int cred_with_groups(const struct cred *cred, const uint32_t *groups, uint32_t count,
                     struct cred **copy_out);
struct account *account_find(uint32_t uid); /* counted; NULL: no memory */
/* One task more for its user, or -EAGAIN by RLIMIT_NPROC. */
int account_add_task(struct account *account, uint64_t limit);
void account_drop_task(struct account *account);

/* ---- Sessions (session.c) ---- */

/* The process ends or leaves its group: groups that nobody would continue any more get SIGHUP and
 * SIGCONT if one of them is stopped. */
void group_check_orphans(struct process *leaving, int32_t group) REQUIRES(processes_lock);
/* Its last task is on the way out: it has no terminal any more. */
void session_process_ends(struct process *process);

/* How a task is scheduled, as far as that is kept (sched.c): the child's from the caller. */
void sched_inherit(struct task *child, const struct task *self);

/* Results that the kernel gives by itself: ids (replies.c). */
void task_set_replies(struct task *task);
void task_set_parent_reply(struct task *task, const struct process *parent);

struct linux_rusage;
void rusage_fill(struct linux_rusage *usage, uint64_t cpu_ns);

/* What proc/ and signal/ have together and nobody else needs: the table of tasks, ends, sleeps that
 * no signal ends.
 */
#pragma once

#include <linux/task.h>

enum { RESERVED_PIDS = 300 };

void table_add_process(struct process *process) REQUIRES(processes_lock);
void table_remove_process(struct process *process) REQUIRES(processes_lock);
/* Gives it an id (a new process's pid, too), takes a reference. -EAGAIN: there are too many. */
int table_add_task(struct task *task) REQUIRES(processes_lock);
void table_remove_task(struct task *task) REQUIRES(processes_lock);
void table_rename_task(struct task *task, int32_t tid) REQUIRES(processes_lock);
struct task *table_task(int32_t tid) REQUIRES(processes_lock);            /* not counted */
struct process *table_process(int32_t pid) REQUIRES(processes_lock);      /* not counted */
struct process *table_process_from(int32_t pid) REQUIRES(processes_lock); /* at or above */

#define PROCESS_FOR_EACH(each)                                                                     \
    for (struct process *each = table_process_from(1); each != NULL;                               \
         each = table_process_from(each->pid + 1))

/* One reference each; nothing is in the table yet. */
int task_create(struct process *process, struct task *like, void (*run)(void *),
                struct task **task_out);
int process_create(struct process *parent, struct process **process_out);
/* Its first task, with nobody for a parent: a session of its own, with that terminal or (NULL)
 * without. -ESRCH: process 1 has ended. */
int process_publish(struct process *process, struct task *task, struct tty *terminal);

/* With process->lock: start the end of it. The first who says so decides the status. */
void process_end(struct process *process, uint32_t status);
/* The parent hears of a stop, or of its end. */
void process_tell_stop(struct process *process, bool stopped) REQUIRES(processes_lock);

/* Sleeps that only the task's end ends, or what was waited for: look at the word, then at the
 * condition (and task->exit_pending), then sleep. */
uint32_t park_begin(struct task *task);
void park(struct task *task, uint32_t seen);
void park_wake(struct task *task);

/* Counted: a queued signal is charged to its receiver's user. */
struct account *account_get(struct account *account);
void account_put(struct account *account);

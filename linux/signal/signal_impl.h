/* What the parts of signal/ share. With process->lock, unless it says otherwise. */
#pragma once

#include <linux/table.h>
#include <linux/task.h>

bool signal_ignored_by_default(int number);
bool signal_stops_by_default(int number);
void signal_pending_drop(struct signal_pending *pending, signal_set set);
/* Take the next of the set, of the task or its process: its number, or 0. */
int signal_dequeue(struct task *task, signal_set set, struct signal_info *info_out);
bool signal_due(const struct task *task);
/* Written with the lock. The task itself may ask without: who sets it tells the task then. */
static inline bool task_stop_due(const struct task *task)
{
    return __atomic_load_n(&task->stop_due, __ATOMIC_RELAXED);
}
static inline void task_set_stop_due(struct task *task, bool due)
{
    __atomic_store_n(&task->stop_due, due, __ATOMIC_RELAXED);
}
void signal_recalculate(struct task *task);
/* Threads that could take what is pending for the process are told. */
void signal_retell(struct process *process);
bool signal_is_protected(const struct process *process);
/* Somebody pays for an entry, or (NULL) has too many. */
struct account *signal_charge(struct process *process, const struct signal_info *info);
void signal_uncharge(struct account *account);

/* Without the lock: the caller's mask. */
void signal_set_blocked(struct task *task, signal_set blocked);

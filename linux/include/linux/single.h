/* Tests: the calling thread as the only task of a process, without a program. */
#pragma once

#include <linux/task.h>

/* Root's, with every capability, in a process of its own that no table has: the caller's
 * references. */
struct task *single_task_make(void (*run)(void *));
/* In the table, and with an empty table of descriptors and the first mount's root. */
struct task *single_task_begin(void);
void single_task_end(struct task *task);

/* Tests: the calling thread as the only task of a process, without a program. */
#pragma once

#include <linux/task.h>

/* Root's, with every capability, an empty table of descriptors and the first mount's root. */
struct task *single_task_begin(void);
void single_task_end(struct task *task);

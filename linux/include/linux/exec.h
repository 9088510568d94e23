/* Execution of a program in the calling task: execve's memory side (mm/). */
#pragma once

/* 0: the task's memory and registers are the new program's, and task_exec_commit was called. Or an
 * error, and nothing has changed. `path` as execve has it, from the task's working directory. */
int program_execute(const char *path, const char *const *arguments, const char *const *environment);

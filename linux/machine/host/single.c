/* A process of one task, before anything knows of it (see single.h): for tests and the host's
 * world, which fuzzers link too. */
#include <base/test.h>
#include <linux/single.h>
#include <linux/table.h>

struct task *single_task_make(void (*run)(void *))
{
    struct process *process;
    struct task *task;
    EXPECT_EQ(process_create(NULL, &process), 0);
    EXPECT_EQ(signal_handlers_copy(NULL, &process->handlers), 0);
    EXPECT_EQ(task_create(process, NULL, run, &task), 0);
    EXPECT_EQ(cred_create(0, 0, NULL, 0, CAP_ALL, &task->cred), 0);
    return task;
}

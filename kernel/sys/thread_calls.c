/* The system calls with which a thread acts on itself: they need no capability. */
#include <kernel/sched.h>
#include <kernel/syscall.h>

enum status sys_thread_exit(struct thread *current, const struct syscall_args *args,
                            uint64_t *value_out)
{
    (void)current;
    (void)args;
    (void)value_out;
    thread_end_current(THREAD_END_EXIT);
    return OK; /* nobody sees it */
}

enum status sys_thread_yield(struct thread *current, const struct syscall_args *args,
                             uint64_t *value_out)
{
    (void)current;
    (void)value_out;
    uint64_t deadline_ns = args->word[0];
    if (deadline_ns == 0)
        sched_yield_current();
    else
        sched_sleep_current(deadline_ns);
    return OK;
}

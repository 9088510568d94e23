/* The system calls with which a thread acts on itself: they need no capability. */
#include <kernel/sched.h>
#include <kernel/syscall.h>

void sys_thread_exit(void)
{
    thread_end_current(THREAD_END_EXIT);
}

void sys_thread_yield(const struct sys_thread_yield_args *args)
{
    if (args->deadline_ns == 0)
        sched_yield_current();
    else
        sched_sleep_current(args->deadline_ns);
}

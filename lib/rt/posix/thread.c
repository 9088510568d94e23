/* Threads below musl's pthreads. */
#include <errno.h>
#include <rt/syscall.h>
#include <rt_arch/cpu.h>

#include "posix.h"

int __set_thread_area(void *pointer);

int __set_thread_area(void *pointer)
{
    rt_cpu_set_thread_pointer((uintptr_t)pointer);
    return 0;
}

_Noreturn void posix_process_exit(int code)
{
    (void)code;
    posix_flush();
    thread_exit();
}

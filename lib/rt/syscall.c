/* Typed system calls over syscall_raw. */
#include <rt/syscall.h>

void thread_exit(void)
{
    const uint64_t none[6] = { 0 };
    (void)syscall_raw(SYSCALL_thread_exit, none, 0);
    __builtin_trap();
}

void thread_yield(uint64_t deadline_ns)
{
    const uint64_t argument[6] = { deadline_ns };
    (void)syscall_raw(SYSCALL_thread_yield, argument, 0);
}

enum status log_write(uint64_t log, const char *text, uint64_t size_bytes)
{
    const uint64_t argument[6] = { log, (uint64_t)(uintptr_t)text, size_bytes };
    return syscall_raw(SYSCALL_log_write, argument, 0);
}

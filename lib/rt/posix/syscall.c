/* The numbers that mean something here. Every other one is answered with ENOSYS, and nothing is
 * answered with success that was not done.
 */
#include <errno.h>
#include <fcntl.h>
#include <rt/random.h>
#include <rt/syscall.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "posix.h"

#define POINTER(word) ((void *)(uintptr_t)(word))

enum { INPUT = 0, ERROR_OUTPUT = 2 };

long posix_errno(enum status status)
{
    switch (status) {
    case OK:
        return 0;
    case ERR_NO_MEMORY:
    case ERR_LIMIT:
        return -ENOMEM;
    case ERR_ACCESS:
        return -EACCES;
    case ERR_FAULT:
        return -EFAULT;
    case ERR_TIMED_OUT:
        return -ETIMEDOUT;
    case ERR_WOULD_BLOCK:
        return -EAGAIN;
    case ERR_EXISTS:
        return -EEXIST;
    case ERR_UNSUPPORTED:
    case ERR_SYSCALL:
        return -ENOSYS;
    default:
        return -EINVAL;
    }
}

static long getrandom_bytes(void *to, size_t size_bytes)
{
    rt_random_bytes(to, size_bytes);
    return (long)size_bytes;
}

static long output(long number, int descriptor, long b, long c)
{
    if (number == SYS_writev)
        return posix_write(descriptor, POINTER(b), (int)c);
    struct iovec part = { .iov_base = POINTER(b), .iov_len = (size_t)c };
    return posix_write(descriptor, &part, 1);
}

/* The log is made of lines: that is what standard output asks before it chooses its buffering. */
static long terminal(int descriptor, unsigned long request, struct winsize *size_out)
{
    if (descriptor < INPUT || descriptor > ERROR_OUTPUT)
        return -EBADF;
    if (descriptor == INPUT || request != TIOCGWINSZ)
        return -ENOTTY;
    *size_out = (struct winsize){ 0 };
    return 0;
}

/* No signal ever comes, so nothing is blocked, whatever is asked. */
static long signal_mask(sigset_t *old_out, size_t size_bytes)
{
    if (old_out != NULL)
        memset(old_out, 0, size_bytes);
    return 0;
}

static long descriptors(long number, long a, long b, long c)
{
    switch (number) {
    case SYS_write:
    case SYS_writev:
        return output(number, (int)a, b, c);
    case SYS_ioctl:
        return terminal((int)a, (unsigned long)b, POINTER(c));
    case SYS_read:
    case SYS_readv:
        return a == INPUT ? 0 : -EBADF;
    case SYS_lseek:
        return a >= INPUT && a <= ERROR_OUTPUT ? -ESPIPE : -EBADF;
    case SYS_close:
        return a >= INPUT && a <= ERROR_OUTPUT ? 0 : -EBADF;
#ifdef SYS_open
    case SYS_open:
#endif
    case SYS_openat:
        return -ENOENT;
    default:
        return -ENOSYS;
    }
}

static long threads_and_time(long number, const long word[6])
{
    switch (number) {
    case SYS_futex:
        return posix_futex(POINTER(word[0]), (int)word[1], (int)word[2], POINTER(word[3]));
    case SYS_set_tid_address:
        return posix_set_tid_address(POINTER(word[0]));
    case SYS_sched_yield:
        thread_yield(0);
        return 0;
    case SYS_rt_sigprocmask:
        return signal_mask(POINTER(word[2]), (size_t)word[3]);
    case SYS_clock_gettime:
        return posix_clock_gettime((int)word[0], POINTER(word[1]));
    case SYS_clock_getres:
        return posix_clock_getres((int)word[0], POINTER(word[1]));
    case SYS_nanosleep:
        return posix_sleep(CLOCK_MONOTONIC, 0, POINTER(word[0]));
    case SYS_clock_nanosleep:
        return posix_sleep((int)word[0], (int)word[1], POINTER(word[2]));
    case SYS_getrandom:
        return getrandom_bytes(POINTER(word[0]), (size_t)word[1]);
    case SYS_exit:
        posix_thread_exit();
    case SYS_exit_group:
        posix_process_exit((int)word[0]);
    default:
        return descriptors(number, word[0], word[1], word[2]);
    }
}

long __themelios_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    switch (number) {
    case SYS_mmap:
        return posix_mmap((uintptr_t)a, (size_t)b, (int)c, (int)d, (int)e);
    case SYS_munmap:
        return posix_munmap((uintptr_t)a, (size_t)b);
    case SYS_mprotect:
        return posix_mprotect((uintptr_t)a, (size_t)b, (int)c);
    case SYS_madvise:
        return posix_memory_advise((uintptr_t)a, (size_t)b, (int)c);
    default:
        return threads_and_time(number, (const long[6]){ a, b, c, d, e, f });
    }
}

/* What musl asks of the system below it, in its own words: Linux's numbers and conventions, used
 * inside one process between the C library and lib/rt. Nothing here names anything ambient: there
 * are no files, and descriptors 0, 1 and 2 are empty input and the log.
 *
 * Every function returns a negative errno on failure, as musl expects.
 */
#pragma once

#include <base/status.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;
struct timespec;

/* The one entry (ports/musl/include/syscall_arch.h). */
long __themelios_syscall(long number, long a, long b, long c, long d, long e, long f);

long posix_errno(enum status status);

/* output.c: text is collected into lines, each thread's writes whole. */
long posix_write(int descriptor, const struct iovec *parts, int count);
void posix_flush(void);

/* time.c */
long posix_clock_gettime(int clock, struct timespec *now_out);
long posix_clock_getres(int clock, struct timespec *resolution_out);
long posix_sleep(int clock, int flags, const struct timespec *request);
/* The kernel's deadline for a time from now; NULL is never. */
uint64_t posix_deadline(const struct timespec *from_now);

/* thread.c */
long posix_set_tid_address(volatile int *address);
_Noreturn void posix_thread_exit(void);
_Noreturn void posix_process_exit(int code);
long posix_futex(volatile int *address, int operation, int value, const struct timespec *timeout);

/* memory.c */
long posix_mmap(uintptr_t at, size_t size_bytes, int protection, int flags, int descriptor);
long posix_munmap(uintptr_t at, size_t size_bytes);
long posix_mprotect(uintptr_t at, size_t size_bytes, int protection);
long posix_memory_advise(uintptr_t at, size_t size_bytes, int advice);

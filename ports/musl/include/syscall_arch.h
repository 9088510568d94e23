/* musl's way to the kernel: a call of lib/rt/posix instead of a system call instruction. It stands
 * where musl has arch/ARCH/syscall_arch.h; numbers are those of arch/ARCH/bits/syscall.h.in.
 */
#pragma once

#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

__attribute__((__visibility__("hidden"))) long __themelios_syscall(long, long, long, long, long,
                                                                   long, long);

static inline long __syscall0(long n)
{
    return __themelios_syscall(n, 0, 0, 0, 0, 0, 0);
}

static inline long __syscall1(long n, long a)
{
    return __themelios_syscall(n, a, 0, 0, 0, 0, 0);
}

static inline long __syscall2(long n, long a, long b)
{
    return __themelios_syscall(n, a, b, 0, 0, 0, 0);
}

static inline long __syscall3(long n, long a, long b, long c)
{
    return __themelios_syscall(n, a, b, c, 0, 0, 0);
}

static inline long __syscall4(long n, long a, long b, long c, long d)
{
    return __themelios_syscall(n, a, b, c, d, 0, 0);
}

static inline long __syscall5(long n, long a, long b, long c, long d, long e)
{
    return __themelios_syscall(n, a, b, c, d, e, 0);
}

static inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
    return __themelios_syscall(n, a, b, c, d, e, f);
}

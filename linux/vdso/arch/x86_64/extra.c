/* What only this architecture has. */
#include <vdso_cpu.h>

struct timespec {
    int64_t seconds, nanoseconds;
};

int64_t __vdso_time(int64_t *time);
int __vdso_clock_gettime(int clock, struct timespec *time);

int64_t __vdso_time(int64_t *time)
{
    struct timespec now;
    (void)__vdso_clock_gettime(0, &now);
    if (time != 0)
        *time = now.seconds;
    return now.seconds;
}

/* The end of a program that found itself wrong: it dies by a fault, which its supervisor sees. */
#include <rt_arch/cpu.h>
#include <stdlib.h>

#include "posix.h"

_Noreturn void abort(void)
{
    posix_flush();
    rt_cpu_trap();
}

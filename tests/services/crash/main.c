/* crash: says that it is ready, and reads where nothing is. */
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/startup.h>

int main(void)
{
    volatile uintptr_t nowhere = 16; /* the compiler is not to know */
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    return *(const volatile int *)nowhere;
}

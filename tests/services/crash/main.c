/* crash: says that it is ready, and reads where nothing is. */
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/startup.h>

int main(void)
{
    const volatile int *nothing = (const volatile int *)(uintptr_t)16;
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    return *nothing;
}

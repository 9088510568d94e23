/* power: turns the machine off, or starts it again, by the name that the manifest gives it. */
#include <rt/log.h>
#include <rt/startup.h>
#include <rt/syscall.h>
#include <stdbool.h>
#include <string.h>

int main(void)
{
    bool off = strcmp(rt_startup()->name, "turns-off") == 0;
    uint64_t found;
    enum status status = system_control(
        rt_handle("system"), off ? SYSTEM_OP_POWER_OFF : SYSTEM_OP_RESTART, 0, NULL, 0, &found);
    rt_log("the machine runs on: %s", status_text(status));
    return 1;
}

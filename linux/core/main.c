/* The personality's first thread. */
#include <linux/core.h>
#include <linux/machine.h>

_Noreturn void linux_main(void)
{
    machine_log("linux: begins");
    vcpu_exit();
}

/* The personality's first thread. */
#include <linux/container.h>
#include <linux/core.h>

_Noreturn void linux_main(void)
{
    container_main();
}

/* What this kernel is, as the build says. */
#include <kernel/version.h>

const char kernel_version[] = KERNEL_VERSION;
const char kernel_flavour[] = KERNEL_FLAVOUR;

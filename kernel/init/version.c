/* What this kernel is. KERNEL_VERSION comes from the build. */
#include <kernel/version.h>

const char kernel_version[] = KERNEL_VERSION;

#if defined(CONFIG_DEBUG)
const char kernel_flavour[] = "debug";
#elif defined(CONFIG_TESTS)
const char kernel_flavour[] = "bench";
#else
const char kernel_flavour[] = "release";
#endif

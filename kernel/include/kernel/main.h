/* Where the architecture's entry code goes. */
#pragma once

#include <base/compiler.h>

enum { KERNEL_STACK_BYTES = 16 * 1024 };

/* On the boot CPU, with a stack of at least KERNEL_STACK_BYTES, interrupts masked, the loader's
 * tables. */
NORETURN void kernel_main(void);

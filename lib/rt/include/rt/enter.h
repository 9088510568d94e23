/* Going over into another program in the same process. */
#pragma once

#include <base/compiler.h>
#include <stdint.h>

/* As if a thread began there (lib/rt/arch). */
NORETURN void rt_enter(uint64_t entry, uint64_t stack_top, uint64_t argument);

/* Names of kernel functions, for backtraces. The table is made by tools/ksyms from the linked
 * kernel and linked in by a second pass, so every flavour has it.
 */
#pragma once

#include <base/compiler.h>
#include <stdbool.h>
#include <stdint.h>

/* The function that `address` lies in; false if it lies in none. Takes no lock. */
bool symbol_lookup(uint64_t address, const char **name_out, uint64_t *offset_out);

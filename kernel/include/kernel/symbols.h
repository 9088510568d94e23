/* Names of kernel functions, for backtraces. The table is made by tools/ksyms from the linked
 * kernel and linked in by a second pass, so every flavour has it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The table as tools/ksyms writes it: functions by rising address, as distances from the first.
 * Name i is the text at symbol_names + symbol_name_at[i].
 */
extern const uint64_t symbol_base;
extern const uint32_t symbol_count;
extern const uint32_t symbol_end; /* where the last function ends */
extern const uint32_t symbol_start[];
extern const uint32_t symbol_name_at[];
extern const char symbol_names[];

/* The function that `address` lies in; false if it lies in none. Takes no lock. */
bool symbol_lookup(uint64_t address, const char **name_out, uint64_t *offset_out);

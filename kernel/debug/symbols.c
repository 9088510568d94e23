/* Looking up a function by address: a binary search over the table that tools/ksyms made. */
#include <kernel/symbols.h>

#include "symbols_impl.h"

bool symbol_lookup(uint64_t address, const char **name_out, uint64_t *offset_out)
{
    uint32_t index;
    if (address < symbol_base || address - symbol_base >= symbol_end)
        return false;
    uint32_t distance = (uint32_t)(address - symbol_base);
    if (!symbol_search(symbol_start, symbol_count, distance, &index))
        return false;
    *name_out = symbol_names + symbol_name_at[index];
    *offset_out = distance - symbol_start[index];
    return true;
}

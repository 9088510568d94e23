/* Kernel registers and frames, for panic. struct kernel_registers is the architecture's own. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct kernel_registers;

/* Print through console_printf. NULL prints nothing. */
void arch_registers_print(const struct kernel_registers *registers);
/* Return addresses by the frame-pointer chain, innermost first, never reading unmapped memory
 * (kmap_query), starting at `registers` or at the caller. Returns how many.
 */
size_t arch_backtrace(const struct kernel_registers *registers, uint64_t *address_out, size_t max);

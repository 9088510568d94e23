/* Between the entry and the two readers of what it was given. */
#pragma once

#include <boot/direct.h>

NORETURN void start(uint32_t magic, uint32_t info);

/* Each takes over memory map, modules, command line and tables, or ends the loader. */
void pvh_read(struct direct *direct, uint32_t physical);
void multiboot2_read(struct direct *direct, uint32_t magic, uint32_t physical);

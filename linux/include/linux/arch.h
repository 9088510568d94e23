/* What a new program gets that is the CPU's (linux/arch). */
#pragma once

#include <guest.h>
#include <stdint.h>

uint16_t arch_elf_machine(void); /* e_machine of its programs */
/* AT_HWCAP (0) and AT_HWCAP2 (1). */
uint64_t arch_capabilities(unsigned which);
void registers_begin(struct guest_registers *registers, uint64_t entry, uint64_t stack);

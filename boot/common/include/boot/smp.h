/* Filling the two structures of the protocol that differ between architectures. */
#pragma once

#include <boot/arch.h>

/* Fill what tells the CPU apart; the rest is zero. */
void arch_smp_info(struct limine_smp_info *info, const struct boot_cpu *cpu);
/* Fill the boot CPU's id and the flags. */
void arch_smp_response(struct limine_smp_response *response, const struct handoff *handoff);

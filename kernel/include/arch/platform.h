/* What firmware says of the machine. */
#pragma once

struct boot_info;

/* Find out what it is made of, from the tables that info->rsdp and info->dtb lead to. Needs
 * the kernel's own page tables.
 */
void arch_platform_init(const struct boot_info *info);

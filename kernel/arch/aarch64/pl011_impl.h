/* The serial port, between the files of this architecture. */
#pragma once

struct boot_info;

/* Look for the port in the firmware's tables, as far as the loader's direct map shows them, and map
 * it early. Silence until console_init if there is none to be found.
 */
void console_early_init(const struct boot_info *info);
/* The port that `platform` names, through the kernel's own tables. */
void console_init(void);

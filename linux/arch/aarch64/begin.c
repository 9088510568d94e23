/* What a new program finds. */
#include <base/string.h>
#include <linux/arch.h>

enum { EM_AARCH64 = 183 };
/* What every CPU of the architecture has; programs learn of more only from here. */
#define HWCAP_FP    ((uint64_t)1)
#define HWCAP_ASIMD ((uint64_t)2)

uint16_t arch_elf_machine(void)
{
    return EM_AARCH64;
}

uint64_t arch_capabilities(unsigned which)
{
    return which == 0 ? HWCAP_FP | HWCAP_ASIMD : 0;
}

void registers_begin(struct guest_registers *registers, uint64_t entry, uint64_t stack)
{
    memset(registers, 0, sizeof(*registers));
    registers->pc = entry;
    registers->sp = stack;
}

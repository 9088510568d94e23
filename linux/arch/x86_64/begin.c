/* What a new program finds. */
#include <base/string.h>
#include <linux/arch.h>

enum { EM_X86_64 = 62 };
#define HWCAP2_FSGSBASE ((uint64_t)2)

uint16_t arch_elf_machine(void)
{
    return EM_X86_64;
}

/* CPUID leaf 1's EDX; and that WRFSBASE and its like work: the kernel asks for it. */
uint64_t arch_capabilities(unsigned which)
{
    uint32_t eax = which == 0 ? 1 : 7;
    uint32_t ebx, edx;
    uint32_t ecx = 0;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (which == 0)
        return edx;
    return (ebx & 1) != 0 ? HWCAP2_FSGSBASE : 0;
}

void registers_begin(struct guest_registers *registers, uint64_t entry, uint64_t stack)
{
    memset(registers, 0, sizeof(*registers));
    registers->rip = entry;
    registers->rsp = stack;
    registers->rflags = 0x202;
}
